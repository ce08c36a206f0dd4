#pragma once

#include <functional>
#include <vector>

#include "troupe/engine/core.hpp"

namespace troupe::engine {

/// The end of all that a process has started, as `troupe stop` and SIGTERM ask for it: supervisors
/// one after the other, the last first; then all else at once. The latter has 6 s; a pool that
/// replaces what was stopped is not waited for longer.
/// Runs in: the owner of the loop. Never blocks.
class orderly_end {
public:
  explicit orderly_end(core& of) : core_(of) {}
  ~orderly_end();
  orderly_end(const orderly_end&) = delete;
  orderly_end& operator=(const orderly_end&) = delete;

  /// `then` is called when nothing is left, or the time is over.
  void begin(std::function<void()> then);
  /// Something has ended.
  void go_on();

private:
  void stop_next();
  void finish();

  core& core_;
  std::vector<std::function<void()>> then_;  ///< empty: nobody has asked
  bool supervisors_stopped_ = false;
  core::timer_id next_timer_ = 0;
  core::timer_id limit_timer_ = 0;
};

}  // namespace troupe::engine
