#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace troupe::policy {

/// The pause after the n-th attempt (n from 1) of something that failed, with full jitter: a random
/// part, `random` out of 2^32, of a time that doubles. Pure.
inline std::chrono::nanoseconds full_jitter(std::chrono::nanoseconds first,
                                            std::chrono::nanoseconds most, unsigned n,
                                            std::uint32_t random) {
  if (first.count() <= 0) return {};
  const double doubled =
      static_cast<double>(first.count()) * static_cast<double>(1ULL << std::min(n - 1, 40U));
  const double bound = std::min(doubled, static_cast<double>(most.count()));
  return std::chrono::nanoseconds{
      static_cast<std::int64_t>(bound * (static_cast<double>(random) / 4294967296.0))};
}

}  // namespace troupe::policy
