#include "troupe/os/interrupt.hpp"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>

namespace troupe::os {

namespace {

constexpr unsigned last = 3;
constexpr int exit_code = 130;  // as a shell's for SIGINT

std::atomic<int> event_fd{-1};
std::atomic<unsigned> count{0};
static_assert(std::atomic<int>::is_always_lock_free);

void on_interrupt(int) {
  const int error = errno;
  if (++count >= last) _exit(exit_code);  // what it started ends with it
  const std::uint64_t one = 1;
  static_cast<void>(!write(event_fd, &one, sizeof one));
  errno = error;
}

}  // namespace

bool watch_interrupts(int event) {
  struct sigaction before {};
  if (sigaction(SIGINT, nullptr, &before) != 0 || before.sa_handler != SIG_DFL) return false;
  event_fd = event;
  struct sigaction ours {};
  ours.sa_handler = on_interrupt;
  ours.sa_flags = SA_RESTART;
  return sigaction(SIGINT, &ours, nullptr) == 0;
}

void forget_interrupts() {
  struct sigaction usual {};
  usual.sa_handler = SIG_DFL;
  sigaction(SIGINT, &usual, nullptr);
  event_fd = -1;
}

unsigned interrupts() {
  return count;
}

}  // namespace troupe::os
