#pragma once

#include <support/processes.hpp>

#include <chrono>
#include <functional>
#include <string>
#include <troupe/troupe.hpp>
#include <vector>

namespace test {

/// How to start a victim.
struct victim_options {
  std::string argument;              ///< for the function
  std::vector<std::string> through;  ///< a command to start it with
  bool odd_signals = false;          ///< all blocked, those of the user ignored
};

/// Another run of this test program, which runs a named function instead of tests: to be killed, or
/// to end in ways that a test can't. The test must not run its own loop meanwhile: it would adopt
/// and end what the victim leaves behind.
class victim {
public:
  explicit victim(const std::string& name, victim_options how = {});
  victim(const victim&) = delete;
  victim& operator=(const victim&) = delete;
  ~victim();

  [[nodiscard]] int pid() const noexcept { return pid_; }
  /// The next line that it, or a worker of it, prints. Empty: none will come.
  std::string line();
  /// All that is still to come; waits until every process of it has closed its stdout.
  std::string rest();
  void kill(int signal = 9) const;
  /// Waits for its end; true when it comes before `limit`.
  [[nodiscard]] bool ended_within(std::chrono::nanoseconds limit) const;
  /// Waits for its end; the status as waitpid tells it.
  int status();
  /// What lives of its tree now.
  [[nodiscard]] std::vector<int> processes() const;
  /// Whether every process of its tree, other than itself, has ended before `limit`.
  [[nodiscard]] bool nothing_left(std::chrono::milliseconds limit) const;

private:
  std::vector<int> before_ = children();  ///< of the test itself
  std::string mark_;
  int pid_ = -1;
  int pidfd_ = -1;
  int output_ = -1;
  std::string read_;
  bool reaped_ = false;
  int status_ = 0;
};

/// Names a function for victims; a global object.
struct victim_role {
  using function = std::function<int(troupe::runtime&, const std::string& argument)>;
  victim_role(const std::string& name, function what);
};

/// Whether this process is a victim, and what it came to.
bool is_victim();
int run_victim(troupe::runtime& rt);
/// For a victim that wants to run once more what runs already.
void set_program(troupe::program& of);
int run_again();

}  // namespace test
