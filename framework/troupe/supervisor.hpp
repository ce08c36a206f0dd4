#pragma once

#include <caf/actor_cast.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "troupe/child_start.hpp"
#include "troupe/exit_report.hpp"
#include "troupe/process.hpp"
#include "troupe/supervision_spec.hpp"

namespace troupe {

namespace bridge {
class supervisor;
}

/// Something that happened to a supervised child.
struct lifecycle_event {
  enum class kind : std::uint8_t {
    started,  ///< its process was asked for
    ready,
    exited,        ///< by itself; `report`
    stopped,       ///< because its supervisor ended it; `report`
    start_failed,  ///< it never became ready; `reason`
    restarting,    ///< in `delay`
    gave_up,       ///< its end made the supervisor give up
    not_restarted  ///< it was taken down for a restart that did not come about, and stays down
  };
  kind what = kind::started;
  std::string path;             ///< ids from the root's supervisor down: "services/store"
  std::optional<int> pid = {};  ///< none: not known yet, or a supervisor inside this process
  std::uint32_t life = 0;       ///< 1 for the first incarnation
  std::string reason;           ///< one sentence; may be empty
  std::chrono::nanoseconds delay{};
  std::shared_ptr<const exit_report> report;  ///< of a process that ended
};
std::string_view to_string(lifecycle_event::kind what) noexcept;

/// What a supervised process is told of its predecessor: `rt.restart()`.
struct restart_info {
  std::uint32_t count = 0;  ///< restarts of this child so far; 0: it is the first
  std::string reason;       ///< how the last one ended, one sentence
  std::shared_ptr<const exit_report> report;
  /// The message that it was at when it died; empty: none, more than 64 KiB, or a tell of many, of
  /// which none is kept that has begun.
  caf::message in_progress;
};

/// One child of a supervisor, at this moment.
struct child_status {
  enum class state : std::uint8_t {
    down,  ///< ended, or not started; nothing will start it but a call
    starting,
    running,
    stopping,
    restarting  ///< it waits for its restart
  };
  std::uint64_t key = 0;  ///< names a dynamic child; never used twice
  std::string id;
  child_type type = child_type::worker;
  state now = state::down;
  std::optional<int> pid = {};  ///< none: it has no process of its own now
  std::uint32_t restarts = 0;
  std::size_t waiting = 0;  ///< messages that wait for its next incarnation
};
std::string_view to_string(child_status::state now) noexcept;

struct child_counts {
  std::size_t specs = 0;
  std::size_t active = 0;
  std::size_t supervisors = 0;
  std::size_t workers = 0;
};

/// A supervisor and, through it, its children: OTP's supervisor, whose children are processes. It
/// is an actor, of this process or another. A handle: copies mean the same one.
///
/// Calls block, running the loop, until they are answered, which they are also in the middle of a
/// restart. @throws troupe::failure with a sentence when a call is refused, as OTP's errors:
/// `not_found`, `already_started` and so on are its first word.
class supervisor {
public:
  supervisor() = default;
  explicit supervisor(std::shared_ptr<bridge::supervisor> of) : of_(std::move(of)) {}
  /// Out of what `handle` gave, maybe in another process.
  explicit supervisor(const caf::actor& handle)
      : actor_(caf::actor_cast<caf::strong_actor_ptr>(handle)) {}

  /// For messages: whoever gets it can manage this supervisor.
  [[nodiscard]] caf::actor handle() const;

  /// The handle of a child, which stays the same over its restarts: messages that the last
  /// incarnation had not begun go to the next. @throws troupe::failure: no such child;
  /// std::invalid_argument: it takes no messages.
  template <class Handle = caf::actor>
  Handle child(std::string_view id) const {
    return caf::actor_cast<Handle>(handle_of(id, 0));
  }
  template <class Handle = caf::actor>
  Handle child(std::uint64_t key) const {
    return caf::actor_cast<Handle>(handle_of({}, key));
  }
  /// The child's present process; empty while there is none, or no such child.
  /// @throws std::invalid_argument: this supervisor has a process of its own, which alone knows it.
  [[nodiscard]] std::optional<process> process_of(std::string_view id) const;
  /// A child that is a supervisor.
  [[nodiscard]] supervisor nested(std::string_view id) const;

  /// Adds a child and starts it. Returns when it is ready. A dynamic supervisor takes it with all
  /// that its own spec says, as DynamicSupervisor does.
  child_status start_child(child_spec spec);
  /// Adds a child of a dynamic supervisor, made of its pattern but for `start`.
  child_status start_child(std::shared_ptr<const child_start> start);
  /// The same for many at once: their starts do not wait for one another. When some fail, the
  /// others run; the error counts the former, `which_children` shows the latter.
  std::vector<child_status> start_children(std::vector<std::shared_ptr<const child_start>> starts);
  /// Ends a child; its spec stays, unless it is temporary or the supervisor dynamic.
  void terminate_child(std::string_view id);
  void terminate_child(std::uint64_t key);
  /// Starts a child that is down.
  child_status restart_child(std::string_view id);
  /// Forgets a child that is down.
  void delete_child(std::string_view id);
  /// Takes over other flags and specs without a restart (OTP: code_change).
  void change(supervisor_spec spec);

  [[nodiscard]] std::vector<child_status> which_children() const;
  [[nodiscard]] std::optional<child_status> which_child(std::string_view id) const;
  [[nodiscard]] child_counts count_children() const;
  /// @throws troupe::failure: no such child.
  [[nodiscard]] child_spec get_childspec(std::string_view id) const;

  /// Whether it has not ended.
  [[nodiscard]] bool running() const;
  /// Ends all children in reverse order, then itself. Returns when that is done.
  void stop();
  /// Waits until it has ended by itself: gave up, or was shut down by a significant child. Empty
  /// when `limit` passes first; else one sentence of why.
  std::optional<std::string> wait(std::chrono::nanoseconds limit) const;

private:
  [[nodiscard]] caf::strong_actor_ptr handle_of(std::string_view id, std::uint64_t key) const;

  std::shared_ptr<bridge::supervisor> of_;  ///< of this process
  caf::strong_actor_ptr actor_;             ///< of another one
};

}  // namespace troupe
