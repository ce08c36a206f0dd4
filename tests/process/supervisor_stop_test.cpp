// How supervisors end children and themselves, and what they do about children that hang or never
// come up.
#include <support/gate.hpp>
#include <support/ledger.hpp>
#include <support/oracle.hpp>
#include <support/processes.hpp>
#include <support/route.hpp>
#include <support/settings.hpp>
#include <support/supervised.hpp>
#include <support/victim.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <iostream>
#include <troupe/bridge/supervision_messages.hpp>
#include <troupe/bridge/supervisor_actor.hpp>

using namespace std::chrono_literals;
using test::hang;
using test::me;
using test::nested;
using test::orderly_spec;
using test::stubborn;
using troupe::child_status;
using troupe::restart_strategy;
using troupe::restart_type;
using kind = troupe::lifecycle_event::kind;
using sequence = std::vector<std::uint64_t>;

namespace {

/// As often as it is started but for the first time, does this before it is ready.
caf::behavior late(caf::event_based_actor* self, const std::string& place, const std::string& how) {
  test::note(place, 1);
  if (test::notes_at(place).size() > 1) {
    if (how == "hang")
      for (;;) pause();
    test::hurt_process(how);
  }
  return test::patient(self);
}

/// Notes that it is told to end, and does when the gate is open.
caf::behavior leaves_through(caf::event_based_actor* self, const std::string& notes,
                             const std::string& gate) {
  self->attach_functor([=](const caf::error&) {
    test::note(notes, 1);
    test::pass(gate);
  });
  return test::patient(self);
}

/// Says that it was asked, and answers when the gate is open.
caf::behavior answering_late(caf::event_based_actor* self, caf::actor report,
                             const std::string& gate) {
  return {[=](caf::get_atom) -> int {
    self->send(report, caf::put_atom_v);
    test::pass(gate);
    return 42;
  }};
}

constexpr std::uint64_t asks = 1;

/// Blocks on the answer of whom it is given; notes what it gets.
caf::behavior asking(caf::event_based_actor* self, const std::string& place) {
  return {[=](const caf::actor& whom) {
    test::note(place, asks);
    caf::scoped_actor blocking{self->system()};
    blocking->request(whom, caf::infinite, caf::get_atom_v)
        .receive([&](int x) { test::note(place, static_cast<std::uint64_t>(x)); },
                 [&](const caf::error& e) {
                   test::note(place, 1000 + static_cast<std::uint64_t>(troupe::errc_of(e)));
                 });
  }};
}

class thrower final : public caf::event_based_actor {
public:
  thrower(caf::actor_config& config, const std::string& why) : event_based_actor(config) {
    throw std::runtime_error{why};
  }
};

}  // namespace

TEST_CASE("supervisor_SUITE: order_of_children - processes begin in order and end in reverse",
          "[process][supervisor][stop]") {
  const test::ledger notes;
  const test::oracle oracle;
  auto& rt = test::runtime();
  test::event_log events;
  troupe::supervisor_spec below;
  below.children = {orderly_spec(notes, 3, 5), orderly_spec(notes, 4)};
  troupe::supervisor_spec spec;
  spec.strategy = restart_strategy::rest_for_one;
  spec.children = {orderly_spec(notes, 1), orderly_spec(notes, 2, 5), nested("sub", below),
                   orderly_spec(notes, 5, 10)};
  auto sup = rt.supervise(spec);
  CHECK(notes.sequence() == sequence{1, 2, 3, 4, 5});
  rt.self()->send(sup.child("2"), "kill");
  events.wait_for(kind::ready, "5");
  events.wait_for(kind::ready, "5");
  CHECK(notes.sequence() == sequence{1, 2, 3, 4, 5, 105, 104, 103, 2, 3, 4, 5});
  sup.stop();
  CHECK(notes.sequence() ==
        sequence{1, 2, 3, 4, 5, 105, 104, 103, 2, 3, 4, 5, 105, 104, 103, 102, 101});
  oracle.check();
}

TEST_CASE("supervisor_SUITE: sup_stop_timeout - who takes longer than its time is killed",
          "[process][supervisor][stop]") {
  const test::ledger notes;
  const test::oracle oracle;
  auto& rt = test::runtime();
  test::event_log events;
  auto spec = troupe::supervisor_spec{};
  auto timed = test::patient_spec("timed");
  timed.start = troupe::run(stubborn, me());
  timed.shutdown = 20ms;
  auto brutal = timed;
  brutal.id = "brutal";
  brutal.shutdown = troupe::brutal_kill;
  auto patient = orderly_spec(notes, 1, 100);
  patient.shutdown = troupe::infinity;
  spec.children = {patient, timed, brutal};
  auto sup = rt.supervise(spec);
  for (const auto* id : {"timed", "brutal"}) hang(sup.child(id));
  const auto hanging = test::pids(sup);
  sup.stop();
  CHECK(test::ended(hanging, 0ms));
  CHECK(notes.sequence() == sequence{1, 101});
  for (const auto* id : {"timed", "brutal"}) {
    const auto stopped = [&] {
      for (const auto& e : events.all())
        if (e.what == kind::stopped && e.path == id) return e;
      return test::event_log::event{};
    }();
    REQUIRE(stopped.report != nullptr);
    CHECK(stopped.report->signal == SIGKILL);
  }
  oracle.check();
}

TEST_CASE("supervisor_SUITE: simple_one_for_one_shutdown - dynamic children stop together",
          "[process][supervisor][stop]") {
  const test::ledger ending;
  const test::oracle oracle;
  auto& rt = test::runtime();
  {
    test::gate gate;
    const auto child = troupe::run(leaves_through, ending.place(), gate.place());
    auto pattern = test::patient_spec("worker");
    pattern.start = child;
    pattern.shutdown = troupe::infinity;
    troupe::supervisor_spec spec;
    spec.strategy = restart_strategy::dynamic;
    spec.children = {pattern};
    auto sup = rt.supervise(spec);
    sup.start_children(std::vector(20, child));
    const auto look = rt.every(1ms, [&] {
      if (ending.sequence().size() == 20) gate.open();  // one after the other: never
    });
    sup.stop();
    CHECK(ending.sequence().size() == 20);
  }
  oracle.check();
}

TEST_CASE("a child that isn't ready in time is killed, and that is a failed start",
          "[process][supervisor][start]") {
  const test::ledger lives;
  const test::oracle oracle;
  auto& rt = test::runtime();
  test::event_log events;
  troupe::child_spec child{.id = "late", .start = troupe::run(late, lives.place(), "hang")};
  child.start_timeout = troupe::no_limit;  // of the first start: the machine may be busy
  child.rules = {{troupe::ending_rule::cause::start_failed, {}, troupe::ending_rule::action::stop}};
  troupe::supervisor_spec spec;
  spec.children = {child};
  auto sup = rt.supervise(spec);
  spec.children.front().start_timeout = 100ms;
  sup.change(spec);
  const auto handle = sup.child("late");
  rt.self()->send(handle, "kill");
  const auto failed = events.wait_for(kind::start_failed, "late");
  CHECK(failed.life == 2);
  REQUIRE(failed.report != nullptr);
  CHECK(test::contains(failed.reason, "it was not ready within 100 ms"));
  CHECK(test::states(sup) == "late down");
  CHECK(test::outcome_of(handle, 1) == "stopped");
  sup.stop();
  oracle.check();
}

TEST_CASE("supervisor_SUITE: sup_start_fail - a child that can't be started fails the supervisor",
          "[process][supervisor][start]") {
  const test::ledger notes;
  const test::oracle oracle;
  auto& rt = test::runtime();
  const bool throws = GENERATE(false, true);
  troupe::child_spec bad;
  bad.id = "bad";
  bad.start = throws ? troupe::run<thrower>(std::string{"no such luck"})
                     : troupe::run(late, notes.place(), "exit 6");
  if (!throws) test::note(notes.place(), 1);
  troupe::supervisor_spec spec;
  spec.children = {orderly_spec(notes, 2), bad, orderly_spec(notes, 3)};
  try {
    rt.supervise(spec);
    FAIL("it was started");
  } catch (const troupe::failure& e) {
    CHECK(e.error() == troupe::errc::start_failed);
    INFO(e.what());
    CHECK(test::contains(e.what(), "bad"));
    CHECK(test::contains(e.what(), throws ? "no such luck" : "exit code 6"));
  }
  auto noted = notes.sequence();
  std::erase(noted, 1U);
  CHECK(noted == sequence{2, 102});  // stopped again, and 3 never started
  oracle.check();
}

TEST_CASE("supervisor_SUITE: sup_start_child_returns_error - it is not in the list then",
          "[process][supervisor][start]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  troupe::supervisor_spec spec;
  spec.children = {test::patient_spec("a")};
  auto sup = rt.supervise(spec);
  troupe::child_spec bad{.id = "bad", .start = troupe::run<thrower>(std::string{"no such luck"})};
  try {
    sup.start_child(bad);
    FAIL("it was started");
  } catch (const troupe::failure& e) {
    INFO(e.what());
    CHECK(e.error() == troupe::errc::start_failed);
    CHECK(test::contains(e.what(), "no such luck"));
  }
  CHECK(test::states(sup) == "a running");
  sup.stop();
  oracle.check();
}

TEST_CASE("a child that waits for an answer when it is told to end still gets it",
          "[process][supervisor][stop]") {
  const test::ledger notes;
  const test::oracle oracle;
  {
    auto& rt = test::runtime();
    test::gate may_answer;
    troupe::supervisor_spec spec;
    spec.children = {
        {.id = "answering", .start = troupe::run(answering_late, me(), may_answer.place())},
        {.id = "asking", .start = troupe::run(asking, notes.place())}};
    spec.children[1].shutdown = troupe::infinity;
    auto sup = rt.supervise(spec);
    rt.self()->send(sup.child("asking"), sup.child("answering"));
    rt.self()->receive([](caf::put_atom) {});
    troupe::bridge::supervision_request end;
    end.what = troupe::bridge::supervision_request::op::terminate_child;
    end.id = "asking";
    auto ended = rt.self()->request(caf::actor_cast<troupe::bridge::supervisor_actor>(sup.handle()),
                                    caf::infinite, end);
    test::run_until([&] { return test::states(sup) == "answering running, asking stopping"; });
    may_answer.open();
    ended.receive([](const troupe::bridge::supervision_answer&) {},
                  [](const caf::error& e) { FAIL(troupe::describe(e)); });
    CHECK(notes.sequence() == sequence{asks, 42});
    CHECK(test::states(sup) == "answering running, asking down");
    sup.stop();
  }
  oracle.check();
}

TEST_CASE("a sweep does not wait for a child that waits for a sibling which is down",
          "[process][supervisor][stop]") {
  const test::ledger notes;
  const test::oracle oracle;
  auto& rt = test::runtime();
  troupe::supervisor_spec spec;
  spec.strategy = restart_strategy::one_for_all;
  spec.children = {test::patient_spec("dying"),
                   {.id = "asking", .start = troupe::run(asking, notes.place())}};
  spec.children[1].shutdown = troupe::infinity;
  auto sup = rt.supervise(spec);
  test::event_log events;
  const auto dying = sup.child("dying");
  rt.kill(*sup.process_of("dying"), SIGSTOP);
  rt.self()->send(dying, 1);  // is in progress when it dies, so what follows is not
  rt.self()->send(sup.child("asking"), dying);
  rt.flush();
  test::run_until([&] { return notes.notes().count(asks) == 1; });
  rt.kill(*sup.process_of("dying"));
  events.wait_for(kind::ready, "asking");
  CHECK(test::ask(sup.child("dying"), 3) == 3);
  CHECK(notes.sequence() ==
        sequence{asks, 1000 + static_cast<std::uint64_t>(troupe::errc::not_started)});
  sup.stop();
  oracle.check();
}

TEST_CASE("a nested supervisor that gives up is restarted whole by the one above it",
          "[process][supervisor][nested]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  test::event_log events;
  troupe::supervisor_spec below;
  below.intensity = 1;
  below.strategy = restart_strategy::one_for_one;
  below.children = {test::patient_spec("a"), test::patient_spec("b")};
  troupe::supervisor_spec spec;
  spec.intensity = 1;
  spec.children = {nested("sub", below), test::patient_spec("c")};
  auto sup = rt.supervise(spec);
  const int c = *sup.which_child("c")->pid;
  const auto a = sup.nested("sub").child("a");
  rt.self()->monitor(a);
  for (int kill = 0; kill < 2; ++kill) {
    test::kill_child(sup.nested("sub"), "a");
    events.wait_for(kind::ready, "sub/a");
    if (kill == 0) events.wait_for(kind::ready, "sub/a");
  }
  events.wait_for(kind::ready, "sub");
  auto again = sup.nested("sub");
  CHECK(test::states(again) == "a running, b running");
  CHECK(test::ask(a, 3) == 3);
  CHECK(sup.which_child("c")->pid == c);
  // Once more, and the one above gives up as well.
  for (int kill = 0; kill < 2; ++kill) {
    test::kill_child(sup.nested("sub"), "b");
    events.wait_for(kind::exited, "sub/b");
    if (kill == 0) events.wait_for(kind::ready, "sub/b");
  }
  CHECK(sup.wait(1h).has_value());
  CHECK_FALSE(sup.running());
  CHECK_FALSE(again.running());
  rt.self()->receive(
      [&](const caf::down_msg& down) { CHECK(down.reason == troupe::errc::gave_up); });
  CHECK(test::ended({c}, 0ms));
  oracle.check();
}

TEST_CASE("a supervisor with children that are supervisors can be killed off at once",
          "[process][supervisor][nested]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  test::event_log events;
  troupe::supervisor_spec leaves;
  leaves.children = {test::patient_spec("x")};
  leaves.children[0].start = troupe::run(stubborn, me());
  troupe::supervisor_spec none;  // ends on the spot
  auto temporary = nested("none", none);
  temporary.restart = restart_type::temporary;
  auto transient = nested("empty", none);
  transient.restart = restart_type::transient;
  troupe::supervisor_spec middle;
  middle.intensity = 0;
  middle.children = {temporary, nested("leaves", leaves), transient, nested("permanent", none)};
  auto killed = nested("middle", middle);
  killed.shutdown = troupe::brutal_kill;
  troupe::supervisor_spec spec;
  spec.children = {killed};
  auto sup = rt.supervise(spec);
  auto below = sup.nested("middle").nested("leaves");
  hang(below.child("x"));
  sup.terminate_child("middle");
  CHECK(test::states(sup) == "middle down");
  const auto all = events.lines();
  CHECK(std::count(all.begin(), all.end(), "middle/permanent started") == 1);
  CHECK(std::count(all.begin(), all.end(), "middle/permanent restarting") == 0);
  CHECK(std::count(all.begin(), all.end(), "middle gave up") == 0);
  sup.stop();
  oracle.check();
}

TEST_CASE("handles of a supervisor that has ended say so", "[process][supervisor][stop]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  troupe::supervisor_spec spec;
  spec.children = {test::patient_spec("a")};
  auto sup = rt.supervise(spec);
  const auto child = sup.child("a");
  rt.self()->monitor(child);
  sup.stop();
  sup.stop();
  rt.self()->receive(
      [&](const caf::down_msg& down) { CHECK(down.reason == troupe::errc::stopped); });
  CHECK(test::outcome_of(child, 1) == "stopped");
  CHECK(test::outcome_of_call([&] { sup.start_child(test::patient_spec("b")); }) == "not_running");
  CHECK(test::outcome_of_call([&] { sup.terminate_child("a"); }) == "not_running");
  CHECK(test::outcome_of_call([&] { sup.restart_child("a"); }) == "not_running");
  CHECK(test::outcome_of_call([&] { sup.delete_child("a"); }) == "not_running");
  CHECK(sup.wait(std::chrono::nanoseconds::max()).has_value());
  oracle.check();
}

namespace {

troupe::supervisor kept;
caf::actor kept_child;

troupe::supervisor_spec restless() {
  troupe::supervisor_spec below;
  below.intensity = 1'000'000;
  below.children = {test::patient_spec("x"), test::patient_spec("y")};
  below.strategy = restart_strategy::one_for_all;
  troupe::supervisor_spec spec;
  spec.intensity = 1'000'000;
  for (int i = 0; i < 3; ++i) spec.children.push_back(test::patient_spec(std::to_string(i)));
  spec.children.push_back(nested("sub", below));
  return spec;
}

/// Kills children of its tree for ever, or until it ends as `argument` says.
int restless_root(troupe::runtime& rt, const std::string& argument) {
  auto sup = rt.supervise(restless());
  kept = sup;
  kept_child = sup.child("0");
  std::cout << "up" << std::endl;
  for (int round = 0;; ++round) {
    const auto hurt = [](const troupe::supervisor& of) {
      for (const auto& c : of.which_children())
        if (c.pid) kill(*c.pid, SIGKILL);
    };
    hurt(sup);
    hurt(sup.nested("sub"));
    sup.wait(std::chrono::microseconds{test::random_up_to(2000)});
    if (round < 10 || argument.empty()) continue;
    if (argument == "throw") throw std::runtime_error{"thrown"};
    if (argument == "exit") std::exit(7);
    if (argument == "abort") std::abort();
    return 9;
  }
}
/// Its supervisor gives up, which it hears of or not.
int giving_up_root(troupe::runtime& rt, const std::string& watches) {
  if (!watches.empty()) rt.watch([](const troupe::lifecycle_event&) {});
  troupe::supervisor_spec spec;
  spec.intensity = 0;
  spec.children = {test::patient_spec("weak")};
  auto sup = rt.supervise(spec);
  rt.self()->monitor(sup.child("weak"));
  rt.kill(*sup.process_of("weak"));
  rt.self()->receive([](const caf::down_msg&) {});
  return 0;
}
const test::victim_role giving_up_victim{"giving up root", giving_up_root};

const test::victim_role restless_victim{"restless root", restless_root};

}  // namespace

TEST_CASE("main may end in the middle of restarts", "[process][supervisor][root]") {
  struct row {
    std::string way;
    int code;
  };
  for (const row& r : {row{"return", 9}, row{"throw", 1}, row{"exit", 7}}) {
    INFO(r.way);
    test::victim root{"restless root", {r.way, {}, false}};
    CHECK(root.line() == "up");
    const int status = root.status();
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == r.code);
    CHECK(root.processes().empty());
  }
  test::victim root{"restless root", {"abort", {}, false}};
  CHECK(WTERMSIG(root.status()) == SIGABRT);
  CHECK(root.nothing_left(1s));
}

TEST_CASE("a root killed in the middle of restarts leaves nothing", "[process][supervisor][root]") {
  for (int round = 0; round < test::times(10, 200); ++round) {
    INFO("round " << round);
    test::victim root{"restless root"};
    if (round % 3 != 0) REQUIRE_FALSE(root.line().empty());
    REQUIRE_FALSE(root.ended_within(std::chrono::microseconds{test::random_up_to(30'000)}));
    root.kill();
    CHECK(WTERMSIG(root.status()) == SIGKILL);
    CHECK(root.nothing_left(1s));
  }
}

TEST_CASE("that a supervisor gives up is said on stderr unless the program watches it",
          "[process][supervisor]") {
  const bool watches = GENERATE(false, true);
  test::victim root{
      "giving up root",
      {.argument = watches ? "yes" : "", .through = {"sh", "-c", "exec \"$0\" 2>&1"}}};
  const std::string said = root.rest();
  INFO(said);
  CHECK(test::contains(said,
                       "troupe: a supervisor has ended, and all its children with it: it gave "
                       "up") == !watches);
  CHECK(test::contains(said, "because of weak: process") == !watches);
  CHECK(root.status() == 0);
}
