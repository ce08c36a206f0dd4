#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace troupe::policy {

/// Whether a worker has served long enough. Pure.
struct retirement {
  std::uint64_t max_items = 0;
  std::uint64_t max_growth_bytes = 0;
  std::chrono::nanoseconds max_age{};

  struct worker {
    std::uint64_t items = 0;
    std::uint64_t first_bytes = 0;  ///< after its first item; 0: not known
    std::uint64_t bytes = 0;        ///< now
    std::chrono::nanoseconds age{};
    std::uint32_t random = 0;  ///< its own, out of 2^32
  };

  [[nodiscard]] bool due(const worker& w) const {
    if (max_items != 0 && w.items >= max_items) return true;
    if (max_growth_bytes != 0 && w.first_bytes != 0 && w.bytes > w.first_bytes + max_growth_bytes)
      return true;
    return max_age.count() != 0 && w.age >= own_age(w.random);
  }
  /// A tenth more or less, so that workers which began together do not end together.
  [[nodiscard]] std::chrono::nanoseconds own_age(std::uint32_t random) const {
    constexpr double longest = 9e18;  // of what nanoseconds hold
    const double share = 0.9 + 0.2 * (static_cast<double>(random) / 4294967296.0);
    return std::chrono::nanoseconds{
        static_cast<std::int64_t>(std::min(static_cast<double>(max_age.count()) * share, longest))};
  }
};

/// What little memory means for a pool. Pure. Source: GNU parallel, --memfree.
enum class memory_state : std::uint8_t { enough, begin_nothing, kill_youngest };

inline memory_state judge_memory(std::uint64_t available, std::uint64_t wanted,
                                 std::size_t running) {
  if (wanted == 0 || available >= wanted) return memory_state::enough;
  if (running == 0) return memory_state::enough;  // or nothing would ever happen
  return available < wanted / 2 && running > 1 ? memory_state::kill_youngest
                                               : memory_state::begin_nothing;
}

/// Limits against fork storms. Pure.
struct storm_guard {
  static constexpr std::size_t deepest = 10;  ///< as loky's

  /// Empty: fine; else why it is refused.
  [[nodiscard]] static std::string refuse(std::size_t workers, std::size_t cpus,
                                          std::size_t depth) {
    if (depth >= deepest)
      return "a pool inside a pool, " + std::to_string(depth) +
             " levels deep, looks like a function that starts itself: refused";
    const std::size_t most = cpus * 64 < 512 ? 512 : cpus * 64;
    if (workers > most)
      return "a pool of " + std::to_string(workers) + " workers on " + std::to_string(cpus) +
             " CPUs would harm this machine: refused above " + std::to_string(most) +
             "; set allow_many if it is meant";
    return {};
  }
  [[nodiscard]] static bool warn(std::size_t workers, std::size_t cpus) {
    return workers > 16 && workers > 8 * cpus;
  }
};

}  // namespace troupe::policy
