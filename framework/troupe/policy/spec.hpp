#pragma once

#include <troupe/program_spec.hpp>
#include <troupe/supervision_spec.hpp>

#include <chrono>
#include <string>
#include <vector>

namespace troupe::policy {

using duration = std::chrono::steady_clock::duration;
using time_point = std::chrono::steady_clock::time_point;

/// One thing that is wrong with a spec.
struct fault {
  std::string child;     ///< id of the child; empty: the supervisor itself
  std::string field;     ///< as in the struct
  std::string sentence;  ///< names both, says what to do
};

/// For each limit that needs a control group why it can't be kept here; empty: it can.
struct group_facts {
  static constexpr const char* unknown = "nobody has looked for a control group";
  std::string memory = unknown;
  std::string pids = unknown;
};

/// Whether any child, however deep, has limits that need a control group.
[[nodiscard]] bool needs_control_groups(const supervisor_spec& spec);
[[nodiscard]] bool needs_control_groups(const child_spec& child);

/// All that is wrong with a supervisor and its children; empty: it can be started. What has no
/// effect is a fault, too, so that nobody relies on it.
/// Source: OTP's check_flags, check_startspec.
[[nodiscard]] std::vector<fault> validate(const supervisor_spec& spec,
                                          const group_facts& groups = {});

/// The faults of a program as a child.
[[nodiscard]] std::vector<child_start::fault> check_program(const program_spec& what,
                                                            const child_spec& as);

/// The same for one child that is to join a supervisor with the flags of `under`, whose children
/// are not looked at.
[[nodiscard]] std::vector<fault> validate(const child_spec& child, const supervisor_spec& under,
                                          const group_facts& groups = {});

}  // namespace troupe::policy
