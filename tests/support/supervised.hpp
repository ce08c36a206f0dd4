#pragma once

#include <caf/all.hpp>
#include <support/catch.hpp>
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
  /// "b exited", each with the child's name: reads well in a failed CHECK. Taken or not.
  [[nodiscard]] std::vector<std::string> lines() const;
  [[nodiscard]] const std::deque<event>& all() const noexcept { return all_; }

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
/// Pids of the children in start order.
std::vector<int> pids(const troupe::supervisor& of);

/// A child by its id, with a patient in it.
troupe::child_spec patient_spec(std::string id,
                                troupe::restart_type restart = troupe::restart_type::permanent);

}  // namespace test
