#include "troupe/os/stack_overflow.hpp"

#include <signal.h>
#include <ucontext.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

namespace troupe::os {

namespace {

/// What a call may touch below the stack pointer before it moves it.
constexpr std::uintptr_t reach = 64 * 1024;
constexpr std::size_t room_of_handler = 16 * 1024;

void (*note_overflow)() = nullptr;
std::uintptr_t stack_top = 0;

std::uintptr_t stack_pointer(const void* context) {
  const auto& registers = static_cast<const ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
  return static_cast<std::uintptr_t>(registers.gregs[REG_RSP]);
#elif defined(__aarch64__)
  return static_cast<std::uintptr_t>(registers.sp);
#else
  static_cast<void>(registers);
  return ~std::uintptr_t{0};
#endif
}

/// All that lies between the lowest page of the stack and its top is mapped.
bool is_overflow(const siginfo_t& fault, const void* context) {
  const auto at = reinterpret_cast<std::uintptr_t>(fault.si_addr);
  return fault.si_code == SEGV_MAPERR && at < stack_top && at + reach >= stack_pointer(context);
}

void on_fault(int number, siginfo_t* fault, void* context) {
  if (is_overflow(*fault, context)) note_overflow();
  signal(number, SIG_DFL);
  // What a fault was comes again by itself, at the same place; what somebody sent does not.
  if (fault->si_code <= 0) raise(number);
}

}  // namespace

void on_stack_overflow(void (*note)()) {
  struct sigaction now {};
  if (note_overflow != nullptr || sigaction(SIGSEGV, nullptr, &now) != 0) return;
  if ((now.sa_flags & SA_SIGINFO) != 0 || now.sa_handler != SIG_DFL) return;
  note_overflow = note;
  stack_top = reinterpret_cast<std::uintptr_t>(&now);
  stack_t other{};
  other.ss_size = static_cast<std::size_t>(sysconf(_SC_MINSIGSTKSZ)) + room_of_handler;
  other.ss_sp = new char[other.ss_size];  // for the life of the process, and untouched as a rule
  sigaltstack(&other, nullptr);
  struct sigaction action {};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigaction(SIGSEGV, &action, nullptr);
}

}  // namespace troupe::os
