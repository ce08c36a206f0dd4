#pragma once

#include <caf/blocking_actor.hpp>
#include <caf/message.hpp>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "troupe/actor.hpp"
#include "troupe/exit_report.hpp"
#include "troupe/names.hpp"
#include "troupe/pool.hpp"
#include "troupe/process.hpp"
#include "troupe/supervisor.hpp"

namespace troupe {

/// Calls a function again and again while it lives. Move-only.
class timer {
public:
  timer() = default;
  explicit timer(std::shared_ptr<void> alive) : alive_(std::move(alive)) {}

private:
  std::shared_ptr<void> alive_;
};

/// A message to an actor that ended before it began it.
struct dead_letter {
  caf::actor_addr receiver;  ///< may be unknown (null)
  caf::message content;
  std::shared_ptr<const exit_report> report;  ///< of the receiver's process, if that ended
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
  requires(!std::is_same_v<F, process_options> && !std::is_same_v<F, executable> &&
           !std::is_same_v<F, in_process_t> && !detail::actor_function<F>) process
      spawn(F f, Arguments&&... arguments) {
    return spawn(process_options{}, f, std::forward<Arguments>(arguments)...);
  }
  template <class F, class... Arguments>
  requires(!detail::actor_function<F>) process
      spawn(const process_options& options, F f, Arguments&&... arguments) {
    using traits = callable::traits<F>;
    const auto values =
        callable::parameters_of<typename traits::arguments>(std::forward<Arguments>(arguments)...);
    auto role =
        callable::role_of<typename traits::arguments, traits::takes_runtime>(f, options.name, true);
    return started(std::move(role), callable::encoded(values));
  }

  /// Starts a process for the actor of a CAF behaviour: `behavior f()`, `behavior f(self)`, with
  /// arguments, typed or not; a `runtime&` after `self` gives it processes of its own. Returns at
  /// once; the handle is a CAF handle like any other. The process ends with its actor, the actor
  /// with its process. @throws troupe::failure when the arguments can't be sent.
  template <detail::actor_function F, class... Arguments>
  auto spawn(F f, Arguments&&... arguments) {
    return spawn(process_options{"actor"}, f, std::forward<Arguments>(arguments)...);
  }
  template <detail::actor_function F, class... Arguments>
  auto spawn(const process_options& options, F f, Arguments&&... arguments) {
    using handle = caf::infer_handle_from_fun_t<F>;
    using tuple = typename detail::behavior_traits<F>::arguments;
    const auto values = callable::parameters_of<tuple>(std::forward<Arguments>(arguments)...);
    return caf::actor_cast<handle>(
        start_actor(detail::actor_role(options.name, f), callable::encoded(values)));
  }
  /// The same for a class of actors, with its constructor's arguments.
  template <detail::actor_class C, class... Arguments>
  requires(!detail::begins_with_options<Arguments...>) auto spawn(Arguments&&... arguments) {
    return spawn_class<C>(process_options{"actor"}, std::forward<Arguments>(arguments)...);
  }
  template <detail::actor_class C, class... Arguments>
  auto spawn(const process_options& options, Arguments&&... arguments) {
    return spawn_class<C>(options, std::forward<Arguments>(arguments)...);
  }
  /// The same actors in this process.
  template <detail::actor_function F, class... Arguments>
  auto spawn(in_process_t, F f, Arguments&&... arguments) {
    using tuple = typename detail::behavior_traits<F>::arguments;
    auto values = callable::parameters_of<tuple>(std::forward<Arguments>(arguments)...);
    const engine::loop_guard mine{core_};
    return detail::make_behavior_actor<caf::no_spawn_options>(
        system(), f, values, [this]() -> runtime& { return *this; });
  }
  template <detail::actor_class C, class... Arguments>
  auto spawn(in_process_t, Arguments&&... arguments) {
    const engine::loop_guard mine{core_};
    return system().spawn<C>(std::forward<Arguments>(arguments)...);
  }

  /// The CAF actor of the main thread: `rt.self()->request(handle, 1s, message).receive(...)`. Runs
  /// the loop while it waits.
  caf::blocking_actor* self();
  /// This process's part of CAF, for actors that live here.
  caf::actor_system& system();
  /// The process in which a spawned actor lives. @throws std::invalid_argument for one that this
  /// process did not start.
  template <class Handle>
  requires caf::is_handle<Handle>::value process process_of(const Handle& actor) {
    return process_behind(caf::actor_cast<caf::strong_actor_ptr>(actor));
  }
  /// Gets each message that an actor's end left unread, instead of a line in the log; until `run`'s
  /// function has returned. Called while the loop runs.
  void dead_letters(std::function<void(const dead_letter&)> handler);

  /// Starts a supervisor in this process: its children in order, each when the one before is ready.
  /// Returns when all are. @throws std::invalid_argument: the spec, with all that is wrong with it;
  /// troupe::failure when a child can't be started (those started before it are stopped again).
  supervisor supervise(supervisor_spec spec);
  /// In a supervised process: how the one before it ended. Count 0: there was none.
  [[nodiscard]] restart_info restart() const;
  /// While an actor of a process is made: it is not ready when that is done, but when `ready` is
  /// called, within the start timeout of its spec. @throws std::logic_error at any other time.
  void not_ready_yet();
  void ready();
  /// Names and groups of actors, the same for all processes of the program.
  [[nodiscard]] troupe::names names() const { return {}; }
  /// Gets what happens to the children of this process's supervisors and of supervisors below
  /// these, while the loop runs; until `run`'s function has returned. A child that calls
  /// `supervise` itself watches its own.
  void watch(std::function<void(const lifecycle_event&)> handler);

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
  /// Starts one; without a number it has as many as there are CPUs that this process may use.
  /// @throws std::invalid_argument for a number that would harm the machine, for example.
  troupe::pool pool(const pool_options& options = {});

  /// Waits until the process has ended.
  exit_report join(const process& of);
  /// As `join`; empty when `limit` passes first.
  std::optional<exit_report> join(const process& of, std::chrono::nanoseconds limit);
  template <class Handle>
  requires caf::is_handle<Handle>::value exit_report join(const Handle& actor) {
    return join(process_of(actor));
  }
  template <class Handle>
  requires caf::is_handle<Handle>::value std::optional<exit_report> join(
      const Handle& actor, std::chrono::nanoseconds limit) {
    return join(process_of(actor), limit);
  }
  /// Waits for every process that `spawn` started and nobody has joined; reports in the order of
  /// their start. Those of actors, too, which live until they quit or are told to end: stop them
  /// first, or supervise them, as that leaves them out. What is never joined stays in memory, as a
  /// zombie stays in the system's table.
  std::vector<exit_report> wait_all();

  /// Sends a signal to exactly this process; one that has ended is left in peace.
  void kill(const process& what, int signal = SIGKILL);
  template <class Handle>
  requires caf::is_handle<Handle>::value void kill(const Handle& actor, int signal = SIGKILL) {
    kill(process_of(actor), signal);
  }
  /// Ends it: no more messages and no next one; SIGTERM after a fifth of `grace`, to a spawned
  /// function after 5 s at most, to a process with a supervisor of its own at the end; SIGKILL
  /// after `grace`. Waits for its report.
  exit_report stop(const process& what, std::chrono::nanoseconds grace = std::chrono::seconds{5});

  template <class Handle>
  requires caf::is_handle<Handle>::value exit_report
  stop(const Handle& actor, std::chrono::nanoseconds grace = std::chrono::seconds{5}) {
    return stop(process_of(actor), grace);
  }

  /// Calls `what` about every `interval` while the loop runs and the timer lives.
  /// @throws std::invalid_argument when it is not more than 0.
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
  template <class C, class... Arguments>
  auto spawn_class(const process_options& options, Arguments&&... arguments) {
    using handle = caf::infer_handle_from_class_t<C>;
    using tuple = std::tuple<detail::constructor_argument<Arguments>...>;
    const tuple values(std::forward<Arguments>(arguments)...);
    return caf::actor_cast<handle>(
        start_actor(detail::class_role<C, tuple>(options.name), callable::encoded(values)));
  }
  caf::strong_actor_ptr start_actor(engine::role role, const payload_source& arguments);
  process process_behind(const caf::strong_actor_ptr& actor);
  process started(engine::role role, const payload_source& arguments);

  engine::core& core_;
  std::map<std::uint64_t, process> spawned_;  ///< in their order, until they are joined
};

}  // namespace troupe
