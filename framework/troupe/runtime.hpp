#pragma once

#include <chrono>
#include <csignal>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "troupe/exit_report.hpp"
#include "troupe/pool.hpp"
#include "troupe/process.hpp"

namespace troupe {

/// Calls a function again and again while it lives. Move-only.
class timer {
public:
  timer() = default;
  explicit timer(std::shared_ptr<void> alive) : alive_(std::move(alive)) {}

private:
  std::shared_ptr<void> alive_;
};

/// What a process does with other processes: start, ask, wait, stop.
///
/// Exists only inside `program::run`, and in a worker whose function takes a `runtime&`.
/// Runs in: the main thread of its process. Whoever waits here runs the loop: answers, deaths, the
/// workers' stderr and timers are handled then.
class runtime {
public:
  explicit runtime(engine::core& core) : core_(core) {}
  runtime(const runtime&) = delete;
  runtime& operator=(const runtime&) = delete;

  /// Starts a process that runs `f(arguments...)` and ends; an int is its exit code, an exception
  /// one sentence on its stderr and exit code 1. Returns when the system has started it (0.2 ms);
  /// what goes wrong is in its report.
  template <class F, class... Arguments>
  requires(!std::is_same_v<F, process_options> && !std::is_same_v<F, executable>) process
      spawn(F f, Arguments&&... arguments) {
    return spawn(process_options{}, f, std::forward<Arguments>(arguments)...);
  }
  template <class F, class... Arguments>
  process spawn(const process_options& options, F f, Arguments&&... arguments) {
    using traits = callable::traits<F>;
    const typename traits::arguments values(std::forward<Arguments>(arguments)...);
    auto role =
        callable::role_of<typename traits::arguments, traits::takes_runtime>(f, options.name, true);
    return started(std::move(role), callable::encoded(values));
  }

  /// Starts a process that serves calls of `f` until it is stopped.
  template <class F>
  auto serve(F f, const process_options& options = {}) {
    using traits = callable::traits<F>;
    return worker<typename traits::signature>{
        engine::start(core_, callable::role_of<typename traits::arguments, traits::takes_runtime>(
                                 f, options.name, false))};
  }
  /// Starts another program that serves calls of the given signature.
  template <class Signature>
  worker<Signature> serve(const executable& what) {
    engine::role role;
    role.name = what.path;
    role.program.push_back(what.path);
    role.program.insert(role.program.end(), what.arguments.begin(), what.arguments.end());
    return worker<Signature>{engine::start(core_, std::move(role))};
  }

  /// Starts a pool of `workers` processes.
  troupe::pool pool(std::size_t workers, const process_options& options = {"pool worker"});

  /// Waits until the process has ended.
  exit_report join(const process& of);
  /// As `join`; empty when `limit` passes first.
  std::optional<exit_report> join(const process& of, std::chrono::nanoseconds limit);
  /// Waits for every process that `spawn` started; reports in the order of their start.
  std::vector<exit_report> wait_all();

  /// Sends a signal to exactly this process; one that has ended is left in peace.
  void kill(const process& what, int signal = SIGKILL);
  /// Ends it: no more messages and no next one; SIGTERM after a fifth of `grace`; SIGKILL after
  /// `grace`. Waits for its report.
  exit_report stop(const process& what, std::chrono::nanoseconds grace = std::chrono::seconds{5});

  /// Calls `what` about every `interval` while the loop runs and the timer lives.
  [[nodiscard]] timer every(std::chrono::nanoseconds interval, std::function<void()> what);

  /// Writes out every message now, without waiting for an answer.
  void flush();

  /// Appends every message to this process to a file that `capnp decode` reads.
  void capture(const process& of, const std::string& path);

  /// The sentence of an error.
  [[nodiscard]] std::string describe(const caf::error& error) const {
    return troupe::describe(error);
  }

private:
  process started(engine::role role, const payload_source& arguments);

  engine::core& core_;
  std::vector<process> spawned_;
};

}  // namespace troupe
