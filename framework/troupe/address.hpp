#pragma once

#include <compare>
#include <cstdint>
#include <vector>

namespace troupe {

/// Where an actor lives, in the same words for every process of the tree; never reused. Plain data.
struct address {
  /// Places of children, from the root of the tree to the process: a process gives each that it
  /// starts the next number. Empty: the root.
  std::vector<std::uint32_t> path;
  /// Of the actor in its process; 0 is the process itself.
  std::uint64_t number = 0;
  /// 128 random bits of the process; 0 where they are not known yet.
  std::uint64_t incarnation_high = 0;
  std::uint64_t incarnation_low = 0;

  friend bool operator==(const address& a, const address& b) noexcept {
    return a.number == b.number && a.path == b.path;
  }
  friend auto operator<=>(const address& a, const address& b) noexcept {
    if (const auto by_number = a.number <=> b.number; by_number != 0) return by_number;
    return a.path <=> b.path;
  }
};

}  // namespace troupe
