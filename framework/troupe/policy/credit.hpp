#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace troupe::policy {

/// How far a stream's input may be ahead of its reader, in items and in bytes. Pure.
struct credit {
  std::size_t most_items = 0;
  std::uint64_t most_bytes = 0;

  struct position {
    std::size_t under_way = 0;  ///< items pulled that have no outcome yet
    std::size_t unread = 0;     ///< outcomes that wait for the reader
    std::uint64_t unread_bytes = 0;
    double bytes_each = 0;  ///< of an outcome as far as they are known, or 0
  };

  /// Items that may be pulled now. When nothing is left to read or to wait for that is one at
  /// least, so that work goes on.
  [[nodiscard]] std::size_t left(const position& now) const {
    const std::size_t out = now.under_way + now.unread;
    std::size_t items = most_items - std::min(most_items, out);
    if (now.bytes_each > 0) {
      const double spent = static_cast<double>(now.unread_bytes) +
                           static_cast<double>(now.under_way) * now.bytes_each;
      const double bytes = std::max(static_cast<double>(most_bytes) - spent, 0.0);
      const double by_bytes = bytes / now.bytes_each;
      if (by_bytes < static_cast<double>(items)) items = static_cast<std::size_t>(by_bytes);
    }
    return out == 0 ? std::max<std::size_t>(items, 1) : items;
  }
};

}  // namespace troupe::policy
