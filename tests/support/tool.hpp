#pragma once

#include <string>
#include <vector>

namespace test {

/// What a command printed and ended with.
struct command_result {
  int code = -1;  ///< exit code; 128 and its number for a signal
  std::string output;
  std::string errors;
};

/// Runs a command to its end.
command_result run_command(const std::vector<std::string>& arguments);

}  // namespace test
