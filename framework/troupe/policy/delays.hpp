#pragma once

#include <troupe/policy/spec.hpp>

#include <algorithm>
#include <cmath>
#include <random>
#include <utility>

namespace troupe::policy {

/// Counts the restarts of one child, to know how long the next has to wait. Pure.
/// Source: Pekko's backoff supervision; the free first restart is OTP's.
class delays {
public:
  /// It was up for so long before it ended.
  void was_up(const backoff& b, duration time) {
    if (time < b.reset_after.value_or(b.initial / 2 + b.max / 2)) return;
    failures_ = 0;
    is_ahead_ = false;
  }

  /// How long the restart that is due now has to wait. `slower`: from now on one step longer.
  template <class Random>
  [[nodiscard]] duration next(const backoff& b, bool slower, Random& random) {
    if (slower && !std::exchange(is_ahead_, true)) ++failures_;
    if (failures_++ == 0) return {};
    const double steps = failures_ - 2;
    const double most = static_cast<double>(b.max.count());
    const double wait =
        std::min(static_cast<double>(b.initial.count()) * std::pow(b.factor, steps), most);
    const double part = std::uniform_real_distribution{0.0, 1.0}(random)*b.jitter;
    constexpr double longest = 9e18;  // of what a duration holds
    return duration{static_cast<duration::rep>(std::min(wait * (1 + part), longest))};
  }

private:
  unsigned failures_ = 0;
  bool is_ahead_ = false;
};

/// `now + d`, or the end of time.
inline time_point later(time_point now, duration d) {
  return d > time_point::max() - now ? time_point::max() : now + d;
}

}  // namespace troupe::policy
