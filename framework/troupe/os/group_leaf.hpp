#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "troupe/os/descriptor.hpp"

namespace troupe::os {

/// The control group of one child and of all that it starts.
///
/// As long as this lives its folder is locked (flock(2)), whoever dies how: so what a dead owner
/// left is told from what has one, and anybody may remove it.
/// Owns: the folder. Move-only.
/// Ends: the destructor kills what lives in it, waits until that is gone, 1 s at most, and removes
/// it. Blocks: in the destructor only.
class group_leaf {
public:
  struct limits {
    std::optional<std::uint64_t> memory_bytes;  ///< memory.max; nothing of it is swapped out
    std::optional<std::uint64_t> pids;          ///< pids.max: processes and their threads
  };

  /// Makes one in the folder `place`. `label` is for people, who see it in the group's name.
  /// @throws kj::Exception; nothing is left then.
  static group_leaf make(int place, const limits& what, std::string_view label);
  /// Those in `place` whose owners are dead; what lived in them is killed.
  static std::vector<group_leaf> take_left(int place);

  group_leaf(group_leaf&&) noexcept = default;
  group_leaf& operator=(group_leaf&&) noexcept = delete;
  ~group_leaf();

  /// Borrowed; -1 when it is removed.
  [[nodiscard]] int folder() const noexcept { return folder_.get(); }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }

  /// Kills all that lives in it. Source: cgroup.kill, Linux 5.14.
  void kill() noexcept;
  /// False: something still lives in it.
  bool remove() noexcept;

private:
  group_leaf(std::string name, descriptor folder)
      : name_(std::move(name)), folder_(kj::mv(folder)) {}

  std::string name_;
  descriptor folder_;
};

/// Writes limits into the files of a group. @throws kj::Exception
void write_limits(int folder, const group_leaf::limits& what);

/// Processes of a group that the kernel killed because the group reached its limit of memory.
std::uint64_t out_of_memory_kills(int folder);

}  // namespace troupe::os
