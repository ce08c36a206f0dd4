#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace troupe::policy {

/// The median of the latest 256 times. Pure.
class median {
public:
  static constexpr std::size_t least = 10;  ///< fewer tell nothing

  void add(std::chrono::nanoseconds time) {
    times_[count_++ % times_.size()] = time.count();
    known_ = 0;
  }
  [[nodiscard]] std::optional<std::chrono::nanoseconds> value() const {
    if (count_ < least) return std::nullopt;
    if (known_ == 0) {
      auto sorted = times_;
      const auto size = static_cast<std::ptrdiff_t>(std::min(count_, times_.size()));
      const auto middle = sorted.begin() + size / 2;
      std::nth_element(sorted.begin(), middle, sorted.begin() + size);
      known_ = std::max<std::int64_t>(*middle, 1);
    }
    return std::chrono::nanoseconds{known_};
  }

private:
  std::array<std::int64_t, 256> times_{};
  std::size_t count_ = 0;
  mutable std::int64_t known_ = 0;
};

}  // namespace troupe::policy
