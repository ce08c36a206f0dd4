#pragma once

#include <caf/all.hpp>
#include <support/catch.hpp>
#include <support/ledger.hpp>
#include <support/outcome.hpp>
#include <support/runtime.hpp>

#include <deque>
#include <string>
#include <troupe/troupe.hpp>
#include <vector>

/// What tests of supervisors share: children that can be hurt, and what is seen of them.
namespace test {

/// What happens to supervised children, in its order; also what happened before it was asked for.
class event_log {
public:
  using event = troupe::lifecycle_event;
  using kind = event::kind;

  event_log();
  ~event_log();
  event_log(const event_log&) = delete;
  event_log& operator=(const event_log&) = delete;

  /// The next one that was not taken yet; waits for it.
  event next();
  /// Takes all up to the first of this kind, waiting for it.
  event wait_for(kind what, const std::string& path);
  /// Takes all until it has ended and is ready again, or `last`, which is restarted after it.
  void wait_for_restart(const std::string& path);
  void wait_for_restart(const std::string& path, const std::string& last);
  /// "b exited", each with the child's name: reads well in a failed CHECK. Taken or not.
  [[nodiscard]] std::vector<std::string> lines() const;
  [[nodiscard]] const std::deque<event>& all() const noexcept { return all_; }
  /// The last one that tells of this child's end. Taken or not.
  [[nodiscard]] event end_of(const std::string& path) const;

private:
  std::deque<event> all_;
  std::size_t taken_ = 0;
  bool waits_ = false;
};

/// Ends this process in a way: "exit 3", "abort", "segv", "kill", "terminate", "throw".
void hurt_process(const std::string& way);

/// An actor that answers a number with itself and get_atom with its pid, and does to itself what a
/// text says: as hurt_process, or "quit", "quit with an error", "quit as asked", "hang".
caf::behavior patient(caf::event_based_actor* self);

/// Notes its number, and a hundred more when it is told to end, which takes it `delay` ms.
caf::behavior orderly(caf::event_based_actor* self, const std::string& place, int number,
                      int delay);
troupe::child_spec orderly_spec(const ledger& notes, int number, int delay = 0);

/// Notes its number; fails to start in the lives that are listed.
caf::behavior failing(caf::event_based_actor* self, const std::string& place, int number,
                      const std::vector<std::int32_t>& failing_lives);
troupe::child_spec failing_spec(const ledger& notes, int number,
                                std::vector<std::int32_t> failing_lives = {});
/// Every life but the first, as far as that matters.
std::vector<std::int32_t> all_but_the_first();

/// Ignores SIGTERM; hangs when `hang` tells it to.
caf::behavior stubborn(caf::event_based_actor* self, caf::actor report);
/// Returns when the child, a stubborn one that reports to this test, hangs.
void hang(const caf::actor& child);
/// The test itself.
caf::actor me();

/// The answer to a request; the test fails when it fails.
template <class T = int, class... What>
T ask(const caf::actor& whom, const What&... what) {
  T got{};
  runtime()
      .self()
      ->request(whom, caf::infinite, what...)
      .receive([&](const T& x) { got = x; },
               [](const caf::error& e) { FAIL(troupe::describe(e)); });
  return got;
}

/// "value", or the name of the error.
template <class... What>
std::string outcome_of(const caf::actor& whom, const What&... what) {
  std::string got = "value";
  runtime()
      .self()
      ->request(whom, caf::infinite, what...)
      .receive([](int) {}, [&](const caf::error& e) { got = outcome(e); });
  return got;
}

/// "value", or the first word of what a call to a supervisor is refused with.
template <class Call>
std::string outcome_of_call(Call call) {
  try {
    call();
    return "value";
  } catch (const troupe::failure& e) {
    const std::string text = troupe::sentence_of(e.error());
    return text.substr(0, text.find_first_of(": "));
  }
}

/// "a running, b down": the children in start order.
std::string states(const troupe::supervisor& of);
/// Specs, active, supervisors and workers.
using counts = std::vector<std::size_t>;
counts count(const troupe::supervisor& of);
/// Pids of the children in start order.
std::vector<int> pids(const troupe::supervisor& of);
/// Which of the children have another pid now than `before`.
std::vector<bool> changed(const std::vector<int>& before, const troupe::supervisor& now);
/// Kills the process of a child.
void kill_child(const troupe::supervisor& of, const std::string& id);

/// A child by its id, with a patient in it.
troupe::child_spec patient_spec(std::string id,
                                troupe::restart_type restart = troupe::restart_type::permanent);
/// Patients "a", "b" and "c".
troupe::supervisor_spec three(troupe::restart_strategy strategy);
/// Whose pattern "worker" is a patient.
troupe::supervisor_spec dynamic(troupe::restart_type restart = troupe::restart_type::permanent);
/// A child that is a supervisor.
troupe::child_spec nested(std::string id, troupe::supervisor_spec below);

}  // namespace test
