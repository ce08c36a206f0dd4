#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>

namespace troupe::policy {

/// Counts what each item has cost: attempts that ended with the death of the worker that was
/// running it. Items that were merely waiting there are not counted. Pure.
class attempts {
public:
  static constexpr unsigned default_limit = 3;

  void limit(unsigned most) noexcept { limit_ = most == 0 ? 1 : most; }
  [[nodiscard]] unsigned limit() const noexcept { return limit_; }

  /// The worker died while it ran the item. True: run it again.
  bool lost(std::uint64_t item) { return ++failed_[item] < limit_; }

  [[nodiscard]] unsigned failed(std::uint64_t item) const {
    const auto found = failed_.find(item);
    return found == failed_.end() ? 0 : found->second;
  }
  void settled(std::uint64_t item) {
    if (!failed_.empty()) failed_.erase(item);
  }

private:
  unsigned limit_ = default_limit;
  std::unordered_map<std::uint64_t, unsigned> failed_;
};

/// Deaths in a row of workers that never came up: a pool whose workers can't start is broken, and
/// starting more would go on for ever. Pure.
class start_failures {
public:
  static constexpr unsigned limit = 3;
  void came_up() noexcept { in_a_row_ = 0; }
  /// True: give up.
  bool failed() noexcept { return ++in_a_row_ >= limit; }

private:
  unsigned in_a_row_ = 0;
};

}  // namespace troupe::policy
