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
  /// Of the process, given by its parent; 0: whichever process has that place (a supervised child's
  /// handle, `is_for_good`).
  std::uint64_t incarnation_high = 0;
  std::uint64_t incarnation_low = 0;

  friend bool operator==(const address& a, const address& b) noexcept {
    return a.number == b.number && a.incarnation_low == b.incarnation_low &&
           a.incarnation_high == b.incarnation_high && a.path == b.path;
  }
  friend auto operator<=>(const address& a, const address& b) noexcept {
    if (const auto by_number = a.number <=> b.number; by_number != 0) return by_number;
    if (const auto by_life = a.incarnation_low <=> b.incarnation_low; by_life != 0) return by_life;
    if (const auto by_life = a.incarnation_high <=> b.incarnation_high; by_life != 0)
      return by_life;
    return a.path <=> b.path;
  }
};

/// Set in the number of an actor that is there again when its process has been restarted.
constexpr std::uint64_t number_for_good = std::uint64_t{1} << 63;
inline bool is_for_good(const address& who) noexcept {
  return (who.number & number_for_good) != 0;
}

}  // namespace troupe
