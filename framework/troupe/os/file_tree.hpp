#pragma once

#include <string>
#include <vector>

namespace troupe::os {

struct file_tree {
  std::vector<std::string> files;
  struct problem {
    std::string path;
    int error;
  };
  std::vector<problem> problems;  ///< directories that can't be read
};

/// Every regular file below `directory` on its file system, links not followed, in no order.
/// Source: fts(3).
file_tree walk_file_tree(const std::string& directory);

}  // namespace troupe::os
