#pragma once

#include <troupe/policy/supervision.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace test {

/// A child that any start is good enough for.
troupe::child_spec child(std::string id,
                         troupe::restart_type restart = troupe::restart_type::permanent);

/// Flags as most of OTP's cases have them: a period of an hour.
troupe::supervisor_spec flags(troupe::restart_strategy strategy, int intensity,
                              std::vector<troupe::child_spec> children = {});

/// Children "a", "b" and "c", who may restart a hundred times.
troupe::supervisor_spec three_children(troupe::restart_strategy strategy);

inline constexpr troupe::policy::ending normal{};
inline constexpr troupe::policy::ending abnormal{troupe::policy::ending::kind::exited, 1, false};
inline constexpr troupe::policy::ending killed{troupe::policy::ending::kind::signaled, 9, false};
inline constexpr troupe::policy::ending asked_to{troupe::policy::ending::kind::shutdown, 0, false};

/// What a process does that exists on paper only.
struct fake_script {
  enum class start : std::uint8_t { ready, ignore, fail, hang };
  start when_started = start::ready;
  int fails = 0;                     ///< as many starts fail before
  std::chrono::nanoseconds waits{};  ///< until there is a process
  std::chrono::nanoseconds start_takes{};
  bool obeys = true;  ///< else it ends only when it is killed
  std::chrono::nanoseconds stop_takes{};
  troupe::policy::ending stopped = asked_to;  ///< how it ends when asked to
  troupe::policy::ending failed{troupe::policy::ending::kind::start_failed, 0, false};
};

/// A supervisor's decisions with processes on paper and a clock that the test turns: carries out
/// its actions, and tells it what comes of them.
class fake_supervisor {
public:
  using duration = std::chrono::nanoseconds;
  using key = troupe::policy::child_key;
  using call = troupe::policy::call_id;

  explicit fake_supervisor(const troupe::supervisor_spec& spec, std::uint64_t seed = 1);

  /// What processes of this child do from now on; "" is what those do that have no script.
  fake_script& script(const std::string& id) { return scripts_[id]; }

  fake_supervisor& start();
  fake_supervisor& stop();
  /// The process of this child ends by itself.
  fake_supervisor& die(const std::string& id, const troupe::policy::ending& how = abnormal);
  fake_supervisor& die(key child, const troupe::policy::ending& how = abnormal);
  /// Said again of a process that is long gone.
  void repeat_end(troupe::policy::incarnation who, const troupe::policy::ending& how = abnormal);
  fake_supervisor& pass(duration time);
  /// Until nothing more will happen by itself, or it hangs.
  fake_supervisor& pass();

  // Calls return what they are known by.
  call start_child(troupe::child_spec spec);
  call start_child();  ///< of the pattern
  call start_child(std::shared_ptr<const troupe::child_start> start);
  call terminate_child(const std::string& id);
  call terminate_child(key child);
  call restart_child(const std::string& id);
  call delete_child(const std::string& id);
  call change(troupe::supervisor_spec spec);

  /// The answer to a call, if it has come.
  [[nodiscard]] const troupe::policy::answer* answered(call id) const;
  /// Its result; fails the test if there is none.
  [[nodiscard]] troupe::policy::outcome result(call id) const;
  /// The child it is about; fails the test if it isn't ok.
  [[nodiscard]] key started(call id) const;

  /// What it did since this was asked last: "start a", "ready a", "stop a", "kill a", "end a",
  /// "restart a in 100ms", "finish" and so on. A dynamic child is called by its key: "#3".
  std::vector<std::string> did();
  /// The same, of the kinds that begin with one of these.
  std::vector<std::string> did(std::initializer_list<std::string> kinds);

  [[nodiscard]] std::optional<troupe::policy::finish> finished() const { return finished_; }
  /// The number that stands for the process of a child; 0: there is none that is ready.
  [[nodiscard]] int pid(const std::string& id) const;
  [[nodiscard]] int pid(key child) const;
  /// Specs, active, supervisors, workers.
  [[nodiscard]] std::vector<std::size_t> counts() const;
  /// In start order: "a 3" runs as process 3; else "a restarting" or "a undefined", as OTP has it.
  [[nodiscard]] std::vector<std::string> children() const;
  [[nodiscard]] std::size_t processes() const { return processes_.size(); }
  /// What the last start of a child was told.
  [[nodiscard]] troupe::policy::restart_context told(const std::string& id) const;

  /// Of a child that there is.
  [[nodiscard]] troupe::policy::child_state state(const std::string& id) const {
    return decisions_.which_child(id)->state;
  }

  [[nodiscard]] troupe::policy::supervision& decisions() { return decisions_; }
  [[nodiscard]] const troupe::policy::supervision& decisions() const { return decisions_; }
  [[nodiscard]] troupe::policy::time_point now() const { return now_; }

private:
  struct process {
    int pid = 0;
    fake_script script;
    bool ready = false;
  };
  struct event {
    enum class kind : std::uint8_t { begun, ready, ignored, ended };
    troupe::policy::incarnation who;
    kind what;
    troupe::policy::ending how;
  };

  void carry_out();
  void carry_out(const troupe::policy::start_process& a);
  void carry_out(const troupe::policy::stop_process& a);
  void carry_out(const troupe::policy::answer& a);
  void carry_out(const troupe::policy::report& a);
  void carry_out(const troupe::policy::forget& a);
  void carry_out(const troupe::policy::finish& a);
  void happen(const event& e);
  void settle();
  [[nodiscard]] std::string name(key child) const;
  [[nodiscard]] key key_of(const std::string& id) const;
  void say(const std::string& what, key child, const std::string& more = {});

  troupe::policy::supervision decisions_;
  bool dynamic_;
  troupe::policy::time_point now_{std::chrono::hours{1}};
  troupe::policy::actions out_;
  std::multimap<troupe::policy::time_point, event> ahead_;
  std::map<std::string, fake_script> scripts_;
  std::map<key, std::string> names_;
  std::map<key, troupe::policy::restart_context> told_;
  std::map<std::pair<key, std::uint32_t>, process> processes_;
  std::map<call, troupe::policy::answer> answers_;
  std::vector<std::string> did_;
  std::optional<troupe::policy::finish> finished_;
  call last_call_ = 0;
  int last_pid_ = 0;
};

}  // namespace test
