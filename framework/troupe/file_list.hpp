#pragma once

#include <string>
#include <vector>

namespace troupe {

/// The input of many batches: the files below a directory.
struct file_list {
  std::vector<std::string> files;  ///< sorted by bytes; each begins with the directory as given
  struct unreadable {
    std::string path;
    std::string reason;
  };
  std::vector<unreadable> problems;  ///< directories whose files are therefore missing
};

/// Lists every regular file below `directory`, as `find directory -xdev -type f` does: links are not
/// followed, other file systems not entered.
/// @throws std::runtime_error when it is no directory.
file_list files_below(const std::string& directory);

}  // namespace troupe
