#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "troupe/engine/core.hpp"

namespace troupe::engine {

/// A process that has no role yet: that comes with the first message, so one that is there already
/// can become any.
struct blank {
  std::uint64_t token = 0;  ///< what the zygote's answer names
  channel through;
  std::optional<os::zygote::reply> answer;  ///< none: not started yet
};

/// Blank processes of a loop: those that its supervisors want to have at hand, and one that a death
/// makes likely to be needed in a moment, and again soon after.
///
/// Owns: them, until they are taken; who ends before that is reaped. Runs in: the loop.
class reserve {
public:
  explicit reserve(core& of);
  reserve(const reserve&) = delete;
  reserve& operator=(const reserve&) = delete;
  ~reserve();

  /// From now on `change` more, or fewer, are kept.
  void keep(int change);
  /// A process of `whose` died: a start is likely in this turn of the loop, so asks for a process
  /// unless there is one. The next death is likely to come soon: for 5 s, or until it is `over`,
  /// another stands by.
  void expect(const void* whose);
  /// `whose` starts no more.
  void over(const void* whose);
  /// What is not wanted any longer ends.
  void settle();
  /// Brings them to their number. Called when nobody waits for a start.
  void refill();
  /// The one that is furthest. None when there is none.
  std::optional<blank> take();

  /// The zygote's answer to a request of this; false: the token is another's.
  bool started(os::zygote::reply& reply);
  /// Nothing it was asked for will be answered.
  void zygote_ended();
  /// Puts them under the watch of a new one.
  void adopt(os::zygote& by);
  /// Whether there are processes that the zygote may have started and not told of.
  [[nodiscard]] bool awaits() const;
  [[nodiscard]] bool empty() const noexcept { return all_.empty(); }
  void add_pids(std::set<int>& to) const;
  /// Ends them all; the loop has to run until they are gone.
  void end_all();

private:
  class entry;

  [[nodiscard]] std::size_t usable() const;
  [[nodiscard]] std::size_t wanted() const;
  void ask(bool ahead);
  void calm_down();
  void end(entry& which);
  void ended(entry& which);

  core& core_;
  std::map<std::uint64_t, std::unique_ptr<entry>> all_;  ///< by token
  std::size_t wanted_ = 0;
  bool closed_ = false;
  std::set<const void*> restless_;   ///< of whom somebody died
  clock::time_point unrest_ends_{};  ///< 5 s after the last death
  core::timer_id calm_timer_ = 0;
  core::timer_id refill_timer_ = 0;
};

}  // namespace troupe::engine
