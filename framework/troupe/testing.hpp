#pragma once

#include <chrono>
#include <cstddef>
#include <span>

#include "troupe/runtime.hpp"

/// For tests of programs that use Troupe: time, turns of the loop and faults by hand.
/// Runs in: the main thread.
namespace troupe::testing {

/// Lets everything that is ready be handled, without waiting for more. Returns when nothing was
/// ready; what other processes have not sent yet is not waited for.
void step(runtime& rt);

/// Stands still for the actors of this process (timeouts, delayed messages) until it is advanced.
/// Between processes real time goes on. One at a time.
class virtual_clock {
public:
  explicit virtual_clock(runtime& rt);
  ~virtual_clock();
  virtual_clock(const virtual_clock&) = delete;
  virtual_clock& operator=(const virtual_clock&) = delete;

  /// What is due by then is sent, and handled as by `step`.
  void advance(std::chrono::nanoseconds by);

private:
  runtime& rt_;
};

/// Holds back what a process sends, its answers and messages, while it lives; its death is seen.
class delay {
public:
  explicit delay(process of);
  ~delay();
  delay(const delay&) = delete;
  delay& operator=(const delay&) = delete;

private:
  process of_;
};

/// Makes a process end as by a crash: by a signal, at once.
void crash(runtime& rt, const process& which, int signal = SIGSEGV);

/// Bytes as if the process had sent them, for example `torn_frame`. It is killed for what is no
/// message.
void inject(const process& from, std::span<const std::byte> bytes);
/// The beginning of a message, and then something else.
void torn_frame(const process& from);

/// How many actors of other processes this one knows by a proxy now.
[[nodiscard]] std::size_t known_actors(runtime& rt);

}  // namespace troupe::testing
