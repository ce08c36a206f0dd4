#pragma once

#include <memory>
#include <string>
#include <troupe/troupe.hpp>
#include <vector>

/// What tests of programs as children share.
namespace test {

troupe::program_spec shell(std::string script);

/// The child "p".
troupe::child_spec child(std::shared_ptr<const troupe::child_start> start,
                         troupe::restart_type restart = troupe::restart_type::temporary);
troupe::supervisor_spec only(troupe::child_spec one);

/// What has come, or comes, to the test itself.
troupe::program_line next_line();
std::vector<std::string> next_lines(std::size_t count);

/// Runs a program to its end; its lines, and how it ended. Each line has come before its end was
/// told.
struct outcome_of_program {
  std::vector<std::string> printed;
  std::shared_ptr<const troupe::exit_report> report;
};
outcome_of_program run_to_end(troupe::program_spec program, troupe::process_limits limits = {});

/// What a program that can't be started is refused with.
std::string failure_of(troupe::program_spec program, troupe::process_limits limits = {});

/// What is wrong with a spec.
std::string fault_of(const troupe::child_spec& spec);

}  // namespace test
