#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace troupe::policy {

/// Lets so many through in a second, and what was not used of a tenth of a second later. Pure: the
/// caller passes the time.
class token_bucket {
public:
  using time_point = std::chrono::steady_clock::time_point;

  token_bucket() = default;
  explicit token_bucket(double per_second)
      : rate_(per_second), most_(std::max(1.0, per_second / 10)), tokens_(most_) {}

  [[nodiscard]] bool limits() const noexcept { return rate_ > 0; }

  /// How many may go now, `wanted` at most; they count as gone.
  std::size_t take(std::size_t wanted, time_point now) {
    if (!limits()) return wanted;
    refill(now);
    const auto got = std::min(wanted, static_cast<std::size_t>(tokens_));
    tokens_ -= static_cast<double>(got);
    return got;
  }
  void give_back(std::size_t unused) { tokens_ += static_cast<double>(unused); }
  /// When one may go again.
  [[nodiscard]] time_point next(time_point now) const {
    if (tokens_ >= 1) return now;
    return now +
           std::chrono::nanoseconds{static_cast<std::int64_t>((1 - tokens_) / rate_ * 1e9) + 1};
  }

private:
  void refill(time_point now) {
    if (last_ != time_point{})
      tokens_ =
          std::min(most_, tokens_ + rate_ * std::chrono::duration<double>(now - last_).count());
    last_ = now;
  }

  double rate_ = 0;
  double most_ = 1;
  double tokens_ = 1;
  time_point last_{};
};

}  // namespace troupe::policy
