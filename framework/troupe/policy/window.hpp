#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>

namespace troupe::policy {

/// How many items a worker may hold at once. Pure: the caller passes the times.
///
/// Tiny items need many in flight, or every item costs a wake-up (25 us across cores here); long
/// ones must not queue behind each other while another worker idles. So: as many as take about 1
/// ms, from 2 (one runs, one waits) to 512, growing fourfold at most at a time.
class window {
public:
  static constexpr std::size_t smallest = 2;
  static constexpr std::size_t largest = 512;

  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// Whether to send now: refilling in halves keeps the writes large.
  [[nodiscard]] bool wants_more(std::size_t held) const noexcept { return held <= size_ / 2; }

  /// `count` items came back, `elapsed` after the batch before them (or after it was idle).
  void finished(std::size_t count, std::chrono::nanoseconds elapsed) noexcept {
    if (count == 0) return;
    const auto each = static_cast<double>(elapsed.count()) / static_cast<double>(count);
    average_ns_ = average_ns_ < 0 ? each : 0.75 * average_ns_ + 0.25 * each;
    const double fitting = 1e6 / std::max(average_ns_, 1.0);
    const auto limit = std::min<double>(static_cast<double>(size_ * 4), largest);
    size_ = static_cast<std::size_t>(std::clamp<double>(fitting, smallest, limit));
  }

private:
  std::size_t size_ = smallest;
  double average_ns_ = -1;
};

}  // namespace troupe::policy
