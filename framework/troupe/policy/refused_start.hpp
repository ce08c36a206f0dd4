#pragma once

#include <chrono>
#include <optional>

namespace troupe::policy {

/// How long to wait after the n-th time (from 1) that the system refused a start, for want of what
/// it may have soon; nothing: that was often enough, 2.55 s after the first. Pure.
inline std::optional<std::chrono::milliseconds> pause_after_refusal(unsigned n) {
  constexpr std::chrono::milliseconds first{10};
  constexpr unsigned pauses = 8;
  if (n > pauses) return std::nullopt;
  return first * (1U << (n - 1));
}

}  // namespace troupe::policy
