#pragma once

#include <troupe/policy/supervision.hpp>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace test {

/// What a supervisor should do, said in as few words as possible: starts and stops take no time,
/// nothing is fast, delays have no jitter. Fields and results are as in fake_supervisor.
class naive_supervisor {
public:
  using time = std::chrono::nanoseconds;
  using outcome = troupe::policy::outcome;
  using ending = troupe::policy::ending;

  explicit naive_supervisor(troupe::supervisor_spec spec) : flags(std::move(spec)) {}

  void start();
  void stop() { end("stopped"); }
  void die(const std::string& id, const ending& how);
  void pass(time by);
  outcome start_child(const troupe::child_spec& spec);
  outcome terminate_child(const std::string& id);
  outcome restart_child(const std::string& id);
  outcome delete_child(const std::string& id);
  outcome change(const troupe::supervisor_spec& spec);

  struct kid {
    std::string id;
    troupe::child_spec spec;
    enum { down, pending, up, waiting } state = down;
    int pid = 0;
    int failures = 0;
    bool lost_start = false;  ///< it was temporary when it was started
    time ready_at{};
    time due{};
  };
  troupe::supervisor_spec flags;
  std::vector<kid> kids;
  std::map<std::string, int> fails;  ///< by id of the spec, as many starts fail
  std::vector<std::string> did;      ///< "start a", "stop a"
  std::string ended;                 ///< why

private:
  bool try_start(kid& k);
  void take_down(std::size_t from, bool all);
  void bring_up(std::size_t from);
  void restart(std::size_t i);
  void remove(std::size_t i) { kids.erase(kids.begin() + static_cast<std::ptrdiff_t>(i)); }
  bool spend();
  void end(const char* why);
  [[nodiscard]] std::size_t find(const std::string& id) const;
  [[nodiscard]] std::optional<std::size_t> sweeper() const;
  [[nodiscard]] std::size_t first_of(std::size_t i) const;
  [[nodiscard]] bool dynamic() const { return flags.strategy == troupe::restart_strategy::dynamic; }
  [[nodiscard]] bool groups() const {
    return flags.strategy == troupe::restart_strategy::one_for_all ||
           flags.strategy == troupe::restart_strategy::rest_for_one;
  }

  time now{};
  std::vector<time> restarts;
  int last_pid = 0;
  int last_key = 0;
};

}  // namespace test
