#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "troupe/os/limits.hpp"

namespace troupe::os {

/// Any program, as a zygote is to execute it: what stands here is added to what the zygote itself
/// hands on. Plain data, travels as bytes between two processes of one binary.
struct program_plan {
  std::vector<std::string> arguments;
  std::vector<std::string> environment;  ///< "NAME=value" is set, "NAME" is not inherited
  bool clean_environment = false;        ///< nothing is inherited but the mark of the tree
  std::string directory;                 ///< empty: as it is
  own_limits limits;
  int ready_at = -1;  ///< where the program finds its end of `ready`; 3 to 9
};

/// The program's ends; -1: it has /dev/null (input), this program's own (output), none (ready).
struct program_ends {
  int errors = -1;
  int input = -1;
  int output = -1;
  int ready = -1;
  int group = -1;  ///< folder of the control group that it is to live in; none: its zygote's
};

/// What kept a program from being executed.
struct exec_failure {
  /// `limit + n`: the n-th limit was refused, as `refused_limit` counts.
  enum step : std::int32_t { execution, directory, group, limit };
  int error = 0;  ///< errno; 0: nothing did
  std::int32_t at = execution;
};
/// One sentence.
std::string describe(const exec_failure& what, const program_plan& plan);

std::string packed(const program_plan& plan);

/// In the zygote: a plan with all that the child needs, so that it allocates nothing. Valid as long
/// as the bytes it was made of.
class program_execution {
public:
  program_execution(std::span<char> packed_plan, const program_ends& ends);

  /// In the child, which shares the zygote's memory: returns only when it could not be executed.
  void run() noexcept;
  [[nodiscard]] const exec_failure& failure() const noexcept { return failure_; }

private:
  void inherit(bool clean, const std::vector<char*>& given);
  void find_candidates();
  [[nodiscard]] const char* variable(const char* name) const noexcept;

  std::vector<char*> arguments_;
  std::vector<char*> environment_;
  std::vector<std::string> candidates_;  ///< files to try, as PATH says
  const char* directory_ = nullptr;
  own_limits limits_;
  program_ends ends_;
  int ready_at_ = -1;
  exec_failure failure_;
};

}  // namespace troupe::os
