// Supervisors below a supervisor in the same process: their handles, and those of their children,
// go on when they are started again.
#include <support/ledger.hpp>
#include <support/oracle.hpp>
#include <support/processes.hpp>
#include <support/settings.hpp>
#include <support/supervised.hpp>

#include <chrono>

using namespace std::chrono_literals;
using test::ask;
using test::kill_child;
using test::outcome_of;
using kind = troupe::lifecycle_event::kind;

namespace {

/// "sibling", and "below" with "a", which may restart once, in "middle".
troupe::supervisor_spec tree(troupe::restart_strategy strategy, int intensity = 100,
                             bool own_process = false) {
  troupe::supervisor_spec below;
  below.children = {test::patient_spec("a")};
  troupe::supervisor_spec middle;
  middle.intensity = 0;
  middle.children = {test::nested("below", below)};
  troupe::supervisor_spec spec;
  spec.strategy = strategy;
  spec.intensity = intensity;
  spec.children = {test::patient_spec("sibling"), test::nested("middle", middle)};
  if (own_process) spec.children.back().start = troupe::supervise(troupe::own_process, middle);
  return spec;
}

/// Its second death within its period makes "below" give up, and "middle" with it.
void kill_twice(const troupe::supervisor& below, test::event_log& events) {
  kill_child(below, "a");
  events.wait_for(kind::exited, "middle/below/a");
  events.wait_for(kind::ready, "middle/below/a");
  kill_child(below, "a");
  events.wait_for(kind::gave_up, "middle/below/a");
}

/// Asks somebody for whoever asks it.
caf::behavior between(caf::event_based_actor* self, const caf::actor& whom) {
  return {[=](int x) { return self->delegate(whom, x); }};
}

}  // namespace

TEST_CASE("handles below a supervisor go on when a sweep restarts it",
          "[process][supervisor][nested]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  auto sup = rt.supervise(tree(troupe::restart_strategy::one_for_all));
  test::event_log events;
  const auto below = sup.nested("middle").nested("below");
  CHECK(sup.count_children().supervisors == 1);
  const auto manager = below.handle();
  const auto a = below.child("a");
  const int before = ask(a, caf::get_atom_v);
  for (int i = 0; i < 3; ++i) {
    kill_child(sup, "sibling");
    events.wait_for(kind::exited, "sibling");
    CHECK(ask(a, 7) == 7);  // waits until it is there again
    CHECK(ask(a, caf::get_atom_v) != before);
    CHECK(below.running());
    CHECK(test::states(below) == "a running");
    CHECK(troupe::supervisor{manager}.count_children().active == 1);
    CHECK(below.child("a") == a);
    events.wait_for(kind::ready, "middle");
  }
  sup.stop();
  CHECK(outcome_of(a, 7) == "stopped");
  CHECK_FALSE(below.running());
  oracle.check();
}

TEST_CASE("what is sent below a supervisor that gives up waits for its next life",
          "[process][supervisor][nested]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  auto sup = rt.supervise(tree(troupe::restart_strategy::one_for_one));
  test::event_log events;
  const auto below = sup.nested("middle").nested("below");
  const auto a = below.child("a");
  rt.self()->monitor(a);
  kill_twice(below, events);
  CHECK(ask(a, 1) == 1);
  CHECK(sup.which_child("middle")->restarts == 1);
  CHECK(below.which_child("a")->restarts == 0);  // in this life
  kill_child(below, "a");                        // which counts anew
  CHECK(ask(a, 2) == 2);
  bool is_down = false;
  rt.self()->receive([&](const caf::down_msg&) { is_down = true; }, caf::after(0ms) >> [] {});
  CHECK_FALSE(is_down);
  sup.stop();
  rt.self()->receive([&](const caf::down_msg& down) {
    CHECK(down.source == a.address());
    CHECK(down.reason == troupe::errc::stopped);
  });
  oracle.check();
}

TEST_CASE("handles below end with gave_up when all above them have given up",
          "[process][supervisor][nested]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  auto sup = rt.supervise(tree(troupe::restart_strategy::one_for_one, 0));
  test::event_log events;
  const auto below = sup.nested("middle").nested("below");
  const auto a = below.child("a");
  rt.self()->monitor(a);
  kill_twice(below, events);
  rt.self()->receive([&](const caf::down_msg& down) {
    CHECK(down.reason == troupe::errc::gave_up);
    CHECK(test::contains(troupe::sentence_of(down.reason), "the supervisor of middle/below/a"));
  });
  CHECK(outcome_of(a, 1) == "gave_up");
  CHECK(sup.wait(10s).has_value());
  CHECK_FALSE(below.running());
  CHECK(test::outcome_of_call([&] { static_cast<void>(below.which_children()); }) == "not_running");
  oracle.check();
}

TEST_CASE("handles below a terminated supervisor say so until it is restarted",
          "[process][supervisor][nested]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const bool own_process = GENERATE(false, true);
  INFO((own_process ? "in a process of its own" : "in the same process"));
  auto sup = rt.supervise(tree(troupe::restart_strategy::one_for_one, 100, own_process));
  const auto a = sup.nested("middle").nested("below").child("a");
  CHECK(ask(a, 1) == 1);
  sup.terminate_child("middle");
  CHECK(outcome_of(a, 1) == "stopped");
  sup.restart_child("middle");
  CHECK(ask(a, 2) == 2);
  sup.terminate_child("middle");
  rt.self()->monitor(a);
  sup.delete_child("middle");
  rt.self()->receive([](const caf::down_msg& down) {
    CHECK(down.reason == troupe::errc::stopped);
    CHECK(test::contains(troupe::sentence_of(down.reason), "middle has ended and is forgotten"));
  });
  CHECK(outcome_of(a, 1) == "stopped");
  sup.stop();
  oracle.check();
}

TEST_CASE("only children of its spec go on when a supervisor is started again",
          "[process][supervisor][nested]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  troupe::supervisor_spec below;
  below.intensity = 0;
  below.children = {test::patient_spec("a")};
  auto pattern = test::dynamic();
  pattern.intensity = 0;
  troupe::supervisor_spec spec;
  spec.intensity = 100;
  spec.children = {test::nested("below", below), test::nested("dynamic", pattern)};
  auto sup = rt.supervise(spec);
  test::event_log events;
  auto named = sup.nested("below");
  auto dynamic = sup.nested("dynamic");
  named.start_child(test::patient_spec("added"));
  const auto a = named.child("a");
  const auto added = named.child("added");
  const auto first = dynamic.start_child(troupe::run(test::patient));
  const auto nameless = dynamic.child(first.key);

  kill_child(named, "added");
  CHECK(ask(a, 1) == 1);
  CHECK(outcome_of(added, 1) == "stopped");

  test::kill_process(*first.pid);
  events.wait_for(kind::ready, "dynamic");
  CHECK(outcome_of(nameless, 1) == "gave_up");
  const auto second = dynamic.start_child(troupe::run(test::patient));
  CHECK(second.key != first.key);
  CHECK(ask(dynamic.child(second.key), 1) == 1);
  sup.stop();
  oracle.check();
}

TEST_CASE("a supervisor below that is told to end has the time that its spec says",
          "[process][supervisor][nested]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  troupe::supervisor_spec below;
  below.children = {{.id = "stubborn", .start = troupe::run(test::stubborn, test::me())}};
  below.children.front().shutdown = 1h;
  troupe::supervisor_spec spec;
  spec.children = {test::nested("below", below)};
  spec.children.front().shutdown = 50ms;
  auto sup = rt.supervise(spec);
  test::hang(sup.nested("below").child("stubborn"));
  const int pid = *sup.nested("below").which_child("stubborn")->pid;
  sup.terminate_child("below");
  CHECK(test::ended({pid}, 0ms));
  CHECK(test::states(sup) == "below down");
  sup.stop();
  oracle.check();
}

TEST_CASE("a supervisor in a process of its own ends its children in order, however long they take",
          "[process][supervisor][nested]") {
  const test::ledger notes;
  const test::oracle oracle;
  auto& rt = test::runtime();
  const bool without_limit = GENERATE(false, true);
  troupe::supervisor_spec below;
  // Longer than a fifth of its supervisor's time, and in the long form than what ends of processes
  // have by default.
  const int delay = without_limit ? test::times(100, 11'000) : 400;
  for (int i = 1; i <= 2; ++i) {
    below.children.push_back(test::orderly_spec(notes, i, i == 2 ? delay : 0));
    below.children.back().shutdown = troupe::infinity;
  }
  troupe::supervisor_spec spec;
  spec.children = {test::nested("below", below)};
  spec.children.front().start = troupe::supervise(troupe::own_process, below);
  if (!without_limit) spec.children.front().shutdown = 1500ms;
  auto sup = rt.supervise(spec);
  sup.terminate_child("below");
  CHECK(notes.sequence() == std::vector<std::uint64_t>{1, 2, 102, 101});
  sup.stop();
  oracle.check();
}

TEST_CASE("a supervisor in a process of its own says why it can't start a child",
          "[process][supervisor][nested]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  auto sup = rt.supervise({.children = {test::patient_spec("a")}});
  troupe::supervisor_spec below;
  below.children = {test::patient_spec("b")};
  auto child = test::nested("below", below);
  child.start = troupe::supervise(troupe::own_process, below);
  child.limits.open_files = 18;  // enough for itself
  try {
    sup.start_child(child);
    FAIL("it was started");
  } catch (const troupe::failure& e) {
    INFO(e.what());
    CHECK(test::contains(e.what(), "Too many open files"));
    CHECK_FALSE(test::contains(e.what(), "SIGSEGV"));
  }
  sup.stop();
  oracle.check();
}

TEST_CASE(
    "what is on its way through a supervisor's process that dies as it starts may be repeated",
    "[process][supervisor][nested]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  troupe::supervisor_spec below;
  below.children = {test::patient_spec("a")};
  troupe::supervisor_spec spec;
  spec.intensity = 1000;
  spec.children = {test::nested("o", below)};
  spec.children.front().start = troupe::supervise(troupe::own_process, below);
  auto sup = rt.supervise(spec);
  const auto o = sup.nested("o");
  const auto a = o.child("a");
  const auto other = rt.spawn(between, a);
  for (int round = 0; round < test::times(40, 400); ++round) {
    INFO("round " << round);
    test::event_log events;
    kill_child(sup, "o");
    events.wait_for(kind::exited, "o");
    events.wait_for(kind::started, "o");
    auto direct = rt.self()->request(a, caf::infinite, round);
    auto relayed = rt.self()->request(other, caf::infinite, round);
    while (!sup.which_child("o")->pid) rt.self()->receive(caf::after(0s) >> [] {});
    kill_child(sup, "o");  // before it has said hello, as a rule
    for (auto* const one : {&direct, &relayed})
      one->receive([&](int x) { CHECK(x == round); },
                   [](const caf::error& e) {
                     INFO(troupe::describe(e));
                     CHECK((e == troupe::errc::not_started || e == troupe::errc::worker_lost));
                   });
    CHECK(o.which_children().size() == 1);  // of its next life
  }
  CHECK(ask(other, 7) == 7);
  sup.stop();
  rt.stop(other);
  oracle.check();
}
