#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "conversation.hpp"

namespace troupe::tool {

/// A running program that answers, and what it was found by.
struct found_program {
  std::string name;  ///< of its socket: that of its file, odd characters replaced
  int pid = 0;
  conversation talk;
};

struct look_around {
  std::vector<found_program> programs;  ///< by name, then pid
  std::vector<std::string> problems;    ///< folders that can't be used, one sentence each
};
/// All programs of this user that can be reached. Removes the sockets of those that have ended.
look_around running_programs();

/// The one that `name_or_pid` means, or the only one there is. @throws trouble
found_program choose(const std::optional<std::string>& name_or_pid);

/// Workers that answer for their own part of a tree, by pid.
std::map<int, conversation> parts_with(const std::vector<int>& pids);

}  // namespace troupe::tool
