#pragma once

#include <troupe/policy/spec.hpp>

#include <cstddef>
#include <deque>

namespace troupe::policy {

/// Counts restarts, and says when there have been too many. Pure: the caller passes the time.
/// Source: OTP supervisor.erl, add_restart.
class intensity {
public:
  intensity(int most, duration period) { limit(most, period); }

  /// What has been counted stays.
  void limit(int most, duration period) {
    most_ = static_cast<std::size_t>(most);
    period_ = period;
  }

  /// Counts a restart. False: it is one too many within the period, both ends of it included.
  [[nodiscard]] bool spend(time_point now) {
    while (!spent_.empty() && now - spent_.front() > period_) spent_.pop_front();
    spent_.push_back(now);
    return spent_.size() <= most_;
  }

private:
  std::size_t most_ = 0;
  duration period_{};
  std::deque<time_point> spent_;
};

}  // namespace troupe::policy
