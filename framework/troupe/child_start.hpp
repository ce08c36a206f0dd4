#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "troupe/actor.hpp"
#include "troupe/program_spec.hpp"
#include "troupe/supervision_spec.hpp"

/// What a supervised child is made of.
namespace troupe {

namespace detail {

/// A message that waits to be sent, any number of times.
class stored_payload {
public:
  stored_payload() = default;
  explicit stored_payload(const payload_source& what);
  stored_payload(std::vector<std::byte> bytes, std::uint64_t schema_id)
      : bytes_(std::move(bytes)), schema_id_(schema_id) {}
  /// Valid while this lives.
  [[nodiscard]] payload_source source() const;
  [[nodiscard]] const std::vector<std::byte>& bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::uint64_t schema_id() const noexcept { return schema_id_; }

private:
  std::vector<std::byte> bytes_;
  std::uint64_t schema_id_ = 0;  ///< 0: plain values
};

/// An actor, or a function that runs to its end, in a process of its own.
struct role_start final : child_start {
  role_start(engine::role what, const payload_source& with)
      : role(std::move(what)), arguments(with) {}
  role_start(engine::role what, stored_payload with)
      : role(std::move(what)), arguments(std::move(with)) {}
  engine::role role;
  stored_payload arguments;
};

/// Any program.
struct program_start final : child_start {
  program_start(program_spec what, caf::strong_actor_ptr receiver)
      : spec(std::move(what)), lines_to(std::move(receiver)) {}
  [[nodiscard]] std::vector<fault> faults(const child_spec& as) const override;
  program_spec spec;
  caf::strong_actor_ptr lines_to;  ///< null: its stdout is this program's own
};

/// So that a call of somebody's own `run` is never taken for one of ours.
template <class F>
concept startable = actor_function<F> || callable::plain_function<F> || requires {
  &F::operator();
};

/// A supervisor with its children.
struct supervisor_start final : child_start {
  supervisor_start(supervisor_spec what, bool in_own_process)
      : spec(std::move(what)), own_process(in_own_process) {}
  [[nodiscard]] std::vector<fault> faults(const child_spec& as) const override;
  [[nodiscard]] const supervisor_spec* below() const override { return &spec; }
  supervisor_spec spec;
  bool own_process;
};

/// For other processes of this program.
std::vector<std::byte> bytes_of(const child_start* what);
/// @throws codec::malformed
std::shared_ptr<const child_start> start_of(std::span<const std::byte> bytes);

}  // namespace detail

/// A child that is the actor of a behaviour, or a function that runs to its end; what `rt.spawn`
/// takes. Ready when the actor is made, a function when its process is up.
template <detail::startable F, class... Arguments>
std::shared_ptr<const child_start> run(F f, Arguments&&... arguments) {
  if constexpr (detail::actor_function<F>) {
    using tuple = typename detail::behavior_traits<F>::arguments;
    const auto values = callable::parameters_of<tuple>(std::forward<Arguments>(arguments)...);
    return std::make_shared<detail::role_start>(detail::actor_role({}, f),
                                                callable::encoded(values));
  } else {
    using traits = callable::traits<F>;
    const auto values =
        callable::parameters_of<typename traits::arguments>(std::forward<Arguments>(arguments)...);
    return std::make_shared<detail::role_start>(
        callable::role_of<typename traits::arguments, traits::takes_runtime>(f, {}, true),
        callable::encoded(values));
  }
}
/// The same for a class of actors, with its constructor's arguments.
template <detail::actor_class C, class... Arguments>
std::shared_ptr<const child_start> run(Arguments&&... arguments) {
  using tuple = std::tuple<detail::constructor_argument<Arguments>...>;
  const tuple values(std::forward<Arguments>(arguments)...);
  return std::make_shared<detail::role_start>(detail::class_role<C, tuple>({}),
                                              callable::encoded(values));
}

/// A child that is any program, without a process between it and its supervisor.
std::shared_ptr<const child_start> execute(program_spec program);
/// The same; each line of its stdout becomes a `program_line` for an actor, which should answer
/// each (a handler without a result does): of one that is slow the program waits in its write. A
/// line that the actor never begins is a dead letter.
std::shared_ptr<const child_start> execute(program_spec program, caf::strong_actor_ptr lines_to);
template <class Handle>
requires caf::is_handle<Handle>::value std::shared_ptr<const child_start> execute(
    program_spec program, const Handle& lines_to) {
  return execute(std::move(program), caf::actor_cast<caf::strong_actor_ptr>(lines_to));
}

/// `supervise(own_process, spec)`: so that it can crash without the supervisor above it.
struct own_process_t {};
constexpr own_process_t own_process{};

/// A child that is a supervisor, in the process of the one above it.
inline std::shared_ptr<const child_start> supervise(supervisor_spec spec) {
  return std::make_shared<detail::supervisor_start>(std::move(spec), false);
}
inline std::shared_ptr<const child_start> supervise(own_process_t, supervisor_spec spec) {
  return std::make_shared<detail::supervisor_start>(std::move(spec), true);
}

}  // namespace troupe

template <>
struct troupe::codec::by_hand<troupe::program_line> {
  template <class Archive>
  static void apply(Archive& archive, program_line& x) {
    codec::apply(archive, x.child);
    codec::apply(archive, x.pid);
    codec::apply(archive, x.text);
    codec::apply(archive, x.more);
  }
};

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::program_line)
