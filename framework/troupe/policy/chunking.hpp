#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace troupe::policy {

/// How many items travel together, and how many a worker holds. Pure: the caller passes times.
///
/// A chunk should take about 2 ms: a message costs a few microseconds, so that is lost in it, and
/// what waits behind it does not wait for long. Sizes grow sixteenfold at most, so that one odd
/// time means little; near the end of a known input they shrink, so that all workers end together.
class chunking {
public:
  static constexpr double target_ns = 2e6;
  static constexpr double least_ns = 200e3;  ///< for the last ones
  static constexpr std::size_t largest = 65536;
  static constexpr std::size_t most_bytes = 240 * 1024;  ///< what the room for outcomes holds
  static constexpr std::size_t growth = 16;
  /// Of small chunks of a fixed size a worker holds what takes about 1 ms, 512 items at most.
  static constexpr double held_ns = 1e6;
  static constexpr std::size_t most_held = 512;

  chunking() = default;
  explicit chunking(std::size_t fixed) : fixed_(fixed) {}

  /// `count` items took `elapsed` in a worker, and came back as `bytes`.
  void finished(std::size_t count, std::chrono::nanoseconds elapsed, std::size_t bytes) {
    if (count == 0) return;
    const auto n = static_cast<double>(count);
    items_ = items_ / 2 + n;
    ns_ = ns_ / 2 + std::max(static_cast<double>(elapsed.count()), 1.0);
    bytes_ = bytes_ / 2 + static_cast<double>(bytes);
  }

  /// The next chunk. `left`: items that the input still has, if that is known.
  std::size_t next(std::optional<std::uint64_t> left, std::size_t workers) {
    if (fixed_ != 0) return fixed_;
    if (items_ == 0) return 1;
    const double each = mean_ns();
    double size = std::min(target_ns / each, static_cast<double>(last_ * growth));
    size = std::min(size, static_cast<double>(most_bytes) / std::max(bytes_ / items_, 1.0));
    if (left) {
      const double share = static_cast<double>(*left) / (2.0 * static_cast<double>(workers));
      size = std::min(size, std::max(share, least_ns / each));
    }
    last_ = std::clamp<std::size_t>(static_cast<std::size_t>(size), 1, largest);
    return last_;
  }

  /// Whether a worker that holds so many should get more now. Refilling in halves keeps writes
  /// large. `prefetch`: chunks that may wait there.
  [[nodiscard]] bool wants_more(std::size_t held, std::size_t chunks, unsigned prefetch) const {
    return chunks <= prefetch || (prefetch != 0 && is_fixed() && held <= window() / 2);
  }
  /// Whether it may hold more than it does, and than the chunks that may wait there.
  [[nodiscard]] bool has_place(std::size_t held, unsigned prefetch) const {
    return prefetch != 0 && is_fixed() && held + fixed_ <= window();
  }
  [[nodiscard]] std::size_t window() const {
    if (!is_fixed() || items_ == 0) return 2;
    return static_cast<std::size_t>(
        std::clamp(held_ns / mean_ns(), 2.0, static_cast<double>(most_held)));
  }

  [[nodiscard]] double mean_ns() const { return items_ == 0 ? 0 : ns_ / items_; }
  /// Of an outcome; 0: not known yet.
  [[nodiscard]] double mean_bytes() const { return items_ == 0 ? 0 : bytes_ / items_; }
  [[nodiscard]] std::size_t last() const noexcept { return fixed_ != 0 ? fixed_ : last_; }
  [[nodiscard]] bool is_fixed() const noexcept { return fixed_ != 0; }
  /// One sentence on the size.
  [[nodiscard]] std::string why() const {
    if (is_fixed()) return "as the call said";
    if (items_ == 0) return "nothing was measured yet";
    if (last_ == 1) return "one item takes as long as a chunk should";
    const bool by_bytes =
        target_ns / mean_ns() > static_cast<double>(most_bytes) / std::max(bytes_ / items_, 1.0);
    return by_bytes ? "as many as fit into 240 KiB" : "as many as take about 2 ms";
  }

private:
  std::size_t fixed_ = 0;
  std::size_t last_ = 1;
  double items_ = 0;  ///< the latest count most
  double ns_ = 0;
  double bytes_ = 0;
};

}  // namespace troupe::policy
