#pragma once

#include <troupe/policy/supervision.hpp>

#include <cstdint>
#include <deque>
#include <memory>
#include <queue>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace test {

/// One supervisor after the other in a world that one seed makes up: processes on paper that start
/// late or never, die alone or by the dozen, don't listen, and whose ends are told late or twice;
/// management calls at any time.
///
/// What must hold whatever happens:
/// - conservation: a child has one process at most, and each process one child that knows of it;
/// - bounds: never more restarts within the period than the intensity allows;
/// - order: what a sweep starts has nothing running after it; at the end all stop in reverse;
/// - answers: each call gets exactly one;
/// - liveness: once faults stop, everything comes to rest, and a stop to its end.
class supervisor_simulation {
public:
  explicit supervisor_simulation(std::uint64_t seed);

  /// What did not hold; empty: nothing.
  std::string run(int events);
  /// Writes down what happens, to look for the cause; run() of the same seed does the same.
  void tell_to(std::vector<std::string>& story) { story_ = &story; }

private:
  using time = troupe::policy::time_point;
  using key = troupe::policy::child_key;

  struct process {
    std::uint32_t number = 0;  ///< 0: none yet
    bool alive = false;        ///< until its end is told
    bool told_to_end = false;
    bool forgotten = false;
  };
  struct event {
    enum class kind : std::uint8_t { begun, ready, ignored, ended };
    time at;
    std::uint64_t order;
    troupe::policy::incarnation who;
    kind what;
    troupe::policy::ending how;
    bool operator<(const event& other) const {
      return std::pair{at, order} > std::pair{other.at, other.order};
    }
  };

  void begin();
  void step();
  void come_to_rest();
  void next_event();
  void fault();
  void call();
  void carry_out();
  void carry_out(const troupe::policy::start_process& a);
  void carry_out(const troupe::policy::stop_process& a);
  void carry_out(const troupe::policy::answer& a);
  void carry_out(const troupe::policy::report& a);
  void carry_out(const troupe::policy::forget& a);
  void carry_out(const troupe::policy::finish& a);
  void tell(const event& e);
  void later(std::chrono::nanoseconds in, troupe::policy::incarnation who, event::kind what,
             troupe::policy::ending how = {});
  void note(const std::string& what, key child = 0);
  void check_bounds();
  void check_order(key child, bool at_the_end);
  void check_children();
  void fail_unless(bool holds, const char* what);

  [[nodiscard]] troupe::child_spec child(unsigned name);
  [[nodiscard]] troupe::supervisor_spec spec();
  [[nodiscard]] troupe::policy::ending some_ending();
  [[nodiscard]] std::string some_name();
  [[nodiscard]] key some_child();
  [[nodiscard]] bool one_in(unsigned n) { return random_() % n == 0; }
  [[nodiscard]] std::chrono::milliseconds up_to(int ms) {
    return std::chrono::milliseconds{random_() % static_cast<unsigned>(ms)};
  }
  [[nodiscard]] process& of(key child);

  std::minstd_rand random_;
  time now_{};
  std::unique_ptr<troupe::policy::supervision> sup_;
  bool groups_ = false;
  bool dynamic_ = false;
  bool reordered_ = false;  ///< by a change
  bool switched_ = false;   ///< to another strategy, by a change
  bool calm_ = false;       ///< no more faults
  bool finished_ = false;
  troupe::policy::actions out_;
  std::vector<process> processes_;  ///< by key
  std::size_t alive_ = 0;
  std::priority_queue<event> ahead_;
  std::uint64_t order_ = 0;
  std::vector<bool> asked_;  ///< by call: not answered yet
  std::size_t unanswered_ = 0;
  std::deque<time> restarts_;
  std::string broken_;
  std::vector<std::string>* story_ = nullptr;
};

}  // namespace test
