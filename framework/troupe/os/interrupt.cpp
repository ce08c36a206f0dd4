#include "troupe/os/interrupt.hpp"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <initializer_list>

namespace troupe::os {

namespace {

using action = void (*)(int);

constexpr unsigned last_interrupt = 3;
constexpr int of_a_shell = 128;  // its exit code for a program that a signal has killed

std::atomic<int> interrupt_event{-1};
std::atomic<int> termination_event{-1};
bool watches_terminations = false;
std::atomic<unsigned> interrupt_count{0};
std::atomic<int> termination_signal{0};
std::atomic<pid_t> watching_process{0};  ///< a fork of it has the handlers, and nobody who is told
static_assert(std::atomic<int>::is_always_lock_free);

void tell(int event) {
  const int error = errno;
  const std::uint64_t one = 1;
  static_cast<void>(!write(event, &one, sizeof one));
  errno = error;
}

void set_action(int signal, action what) {
  struct sigaction ours {};
  ours.sa_handler = what;
  ours.sa_flags = SA_RESTART;
  sigaction(signal, &ours, nullptr);
}

void end_at_once(int signal) {
  end_by_signal(signal);
}

void on_interrupt(int signal) {
  if (getpid() != watching_process) end_by_signal(signal);
  if (++interrupt_count >= last_interrupt) _exit(of_a_shell + signal);  // all it started ends, too
  tell(interrupt_event);
}

void on_termination(int signal) {
  int none = 0;
  if (getpid() != watching_process || !termination_signal.compare_exchange_strong(none, signal))
    end_by_signal(signal);
  tell(termination_event);
}

bool is_left_to_us(int signal) {
  struct sigaction now {};
  if (sigaction(signal, nullptr, &now) != 0 || (now.sa_flags & SA_SIGINFO) != 0) return false;
  for (const action one :
       {action{SIG_DFL}, action{end_at_once}, action{on_interrupt}, action{on_termination}})
    if (now.sa_handler == one) return true;
  return false;
}

void act_on(int signal, bool interrupts) {
  if (!is_left_to_us(signal)) return;
  watching_process = getpid();
  const action unwatched = watching_process == 1 ? end_at_once : SIG_DFL;
  set_action(signal, interrupts ? on_interrupt : watches_terminations ? on_termination : unwatched);
}

}  // namespace

void let_signals_end_this() {
  act_on(SIGTERM, false);
  act_on(SIGINT, interrupt_event >= 0);
}

bool watch_interrupts(int event) {
  if (!is_left_to_us(SIGINT)) return false;
  interrupt_event = event;
  act_on(SIGINT, true);
  return true;
}

void forget_interrupts() {
  act_on(SIGINT, false);
  interrupt_event = -1;
}

unsigned interrupts() {
  return interrupt_count;
}

void watch_terminations(int event) {
  termination_event = event;
  watches_terminations = true;
  let_signals_end_this();
}

void forget_terminations() {
  watches_terminations = false;
  let_signals_end_this();
  termination_event = -1;
}

int termination() {
  return termination_signal;
}

void end_by_signal(int signal) {
  set_action(signal, SIG_DFL);
  sigset_t these;
  sigemptyset(&these);
  sigaddset(&these, signal);
  pthread_sigmask(SIG_UNBLOCK, &these, nullptr);
  raise(signal);
  _exit(of_a_shell + signal);  // as first process of a pid namespace
}

}  // namespace troupe::os
