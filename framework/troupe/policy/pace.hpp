#pragma once

#include <troupe/policy/spec.hpp>

#include <algorithm>

namespace troupe::policy {

/// A token bucket that lends what it hasn't got: it says when the turn of each restart is. Pure.
/// Source: the generic cell rate algorithm, which needs one time and no counter.
class pace {
public:
  /// Takes a turn: now, or when it comes.
  [[nodiscard]] time_point take(const restart_pace& p, time_point now) {
    const time_point due = std::max(now, full_ - p.every * (p.burst - 1));
    full_ = std::max(full_, now) + p.every;
    return due;
  }

private:
  time_point full_ = {};  ///< when the bucket is full again
};

}  // namespace troupe::policy
