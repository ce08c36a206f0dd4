#pragma once

#include <string>
#include <vector>

#include "snapshot.hpp"

namespace troupe::tool {

/// How text may look where it goes.
struct page {
  unsigned columns = 0;  ///< 0: no limit
  bool unicode = false;  ///< lines may be drawn with box characters
};

/// A heading and one line for each node, none wider than the page. Pure.
std::vector<std::string> tree_lines(const snapshot& of, const page& on);

/// A heading and one line for each row; the last cell of a row is cut to the page. Pure.
std::vector<std::string> table_lines(const std::vector<std::vector<std::string>>& rows,
                                     const page& on);

/// "45s", "12m03s", "3h05m", "4d02h".
std::string short_time(std::chrono::nanoseconds time);
/// "940K", "12.5M", "3.2G".
std::string short_bytes(std::uint64_t bytes);

}  // namespace troupe::tool
