#pragma once

#include <map>
#include <memory>
#include <optional>
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
/// makes likely to be needed in a moment.
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
  /// Whether any are: then who dies is to be replaced at once.
  [[nodiscard]] bool keeps_any() const noexcept { return wanted_ != 0; }
  /// A start is likely in this turn of the loop: wakes the process that it will get, or asks for
  /// one.
  void expect();
  /// It is decided: what was expected and not taken ends.
  void settle();
  /// Brings them to their number. Called when nobody waits for a start.
  void refill();
  void refill_later();
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
  /// The one that is furthest among those for which `fits` holds.
  template <class Fits>
  [[nodiscard]] entry* furthest(Fits fits) const;
  void ask(bool ahead);
  void end(entry& which);
  void ended(entry& which);

  core& core_;
  std::map<std::uint64_t, std::unique_ptr<entry>> all_;  ///< by token
  std::size_t wanted_ = 0;
  bool closed_ = false;
  core::timer_id refill_timer_ = 0;
};

}  // namespace troupe::engine
