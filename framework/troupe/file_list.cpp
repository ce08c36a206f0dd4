#include "troupe/file_list.hpp"

#include <algorithm>
#include <filesystem>
#include <stdexcept>

#include "troupe/os/child.hpp"
#include "troupe/os/file_tree.hpp"

namespace troupe {

file_list files_below(const std::string& directory) {
  std::error_code error;
  const auto status = std::filesystem::symlink_status(directory, error);
  if (status.type() == std::filesystem::file_type::not_found)
    throw std::runtime_error{directory + ": there is no such directory"};
  if (status.type() == std::filesystem::file_type::symlink)
    throw std::runtime_error{directory + " is a link, which is not followed; name the directory"};
  if (status.type() != std::filesystem::file_type::directory)
    throw std::runtime_error{directory + " is not a directory"};
  auto found = os::walk_file_tree(directory);
  std::sort(found.files.begin(), found.files.end());
  file_list list{std::move(found.files), {}};
  for (auto& p : found.problems)
    list.problems.push_back({std::move(p.path), os::error_text(p.error)});
  return list;
}

}  // namespace troupe
