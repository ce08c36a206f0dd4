#pragma once

#include <stdexcept>
#include <string>

namespace troupe::tool {

/// What the program ends with; part of what it promises (docs/tool.md).
enum class exit_status : int {
  done = 0,
  refused = 1,     ///< the running program would not or could not do it
  usage = 2,       ///< the command line makes no sense
  no_program = 3,  ///< none that is meant, or more than one
  no_answer = 4    ///< it ended, or said nothing in time
};

/// One sentence for whoever typed the command, and what the program ends with.
class trouble : public std::runtime_error {
public:
  trouble(exit_status code, const std::string& text) : std::runtime_error{text}, code_(code) {}
  [[nodiscard]] exit_status code() const noexcept { return code_; }

private:
  exit_status code_;
};

}  // namespace troupe::tool
