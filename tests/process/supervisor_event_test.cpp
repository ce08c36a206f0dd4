// What is told of supervised children, and calls to their supervisor while much goes on.
#include <support/gate.hpp>
#include <support/ledger.hpp>
#include <support/oracle.hpp>
#include <support/processes.hpp>
#include <support/settings.hpp>
#include <support/supervised.hpp>

#include <unistd.h>

#include <algorithm>
#include <set>

using namespace std::chrono_literals;
using test::outcome_of_call;
using troupe::child_status;
using troupe::restart_strategy;
using troupe::restart_type;
using kind = troupe::lifecycle_event::kind;
using lines = std::vector<std::string>;

namespace {

/// Ends in this way unless it is the first life, which answers.
caf::behavior never_again(caf::event_based_actor* self, const std::string& place,
                          const std::string& way) {
  test::note(place, static_cast<std::uint64_t>(getpid()));
  if (test::notes_at(place).size() > 1) test::hurt_process(way);
  return test::patient(self);
}

/// Opens the gate in its second life.
caf::behavior opener(caf::event_based_actor* self, const std::string& lives,
                     const std::string& gate) {
  test::note(lives, 1);
  if (test::notes_at(lives).size() > 1) test::open_gate(gate);
  return test::patient(self);
}

/// Its first life links to what it is given.
caf::behavior linked_to_first(caf::event_based_actor* self) {
  return {[=](const caf::actor& whom) { self->link_to(whom); }};
}

}  // namespace

TEST_CASE("what a supervisor in a process of its own told is told before its end",
          "[process][supervisor][events]") {
  const test::ledger lives;
  const test::gate c_runs_again;
  const test::oracle oracle;
  auto& rt = test::runtime();
  troupe::supervisor_spec below;
  below.strategy = restart_strategy::rest_for_one;
  below.children = {test::patient_spec("a"),
                    test::patient_spec("b"),
                    {.id = "c", .start = troupe::run(opener, lives.place(), c_runs_again.place())}};
  troupe::supervisor_spec spec;
  spec.children = {{.id = "s",
                    .start = troupe::supervise(troupe::own_process, below),
                    .type = troupe::child_type::supervisor}};
  lines seen;
  int a = 0;
  rt.watch([&](const troupe::lifecycle_event& e) {
    seen.push_back(e.path + ' ' + std::string{to_string(e.what)});
    if (seen.back() == "s/a ready") a = *e.pid;
    if (seen.back() != "s ready") return;
    if (std::count(seen.begin(), seen.end(), "s ready") == 2) {
      rt.self()->send(rt.self(), caf::tick_atom_v);
      return;
    }
    // Nothing is read while this handler runs: all that s tells until its end comes with its end.
    test::kill_process(a);
    test::pass(c_runs_again.place());
    test::kill_process(*e.pid);
    REQUIRE(test::ended({*e.pid}, 30s));
  });
  auto sup = rt.supervise(spec);
  rt.self()->receive([](caf::tick_atom) {});
  rt.watch({});
  const auto end = std::find(seen.begin(), seen.end(), "s exited");
  REQUIRE(end != seen.end());
  CHECK(std::count(seen.begin(), end, "s/a ready") == 2);
  CHECK(std::count(seen.begin(), end, "s/b stopped") == 1);
  CHECK(std::count(end, seen.end(), "s/a ready") == 1);
  CHECK(*(end + 1) == "s restarting");
  sup.stop();
  oracle.check();
}

TEST_CASE("what happens to children is told in order, with its report",
          "[process][supervisor][events]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  test::event_log events;
  troupe::supervisor_spec below;
  below.children = {test::patient_spec("deep")};
  troupe::supervisor_spec spec;
  spec.strategy = restart_strategy::rest_for_one;
  spec.children = {
      test::patient_spec("a"),
      {.id = "sub", .start = troupe::supervise(below), .type = troupe::child_type::supervisor},
      test::patient_spec("z")};
  auto sup = rt.supervise(spec);
  const int first = *sup.which_child("a")->pid;
  test::kill_process(first, SIGSEGV);
  events.wait_for(kind::ready, "a");
  events.wait_for(kind::ready, "z");
  events.wait_for(kind::ready, "z");
  sup.stop();
  rt.self()->receive(caf::after(0s) >> [] {});
  CHECK(events.lines() ==
        lines{"a started",        "a ready",        "sub started",      "sub/deep started",
              "sub/deep ready",   "sub ready",      "z started",        "z ready",
              "a exited",         "a restarting",   "z stopped",        "sub/deep stopped",
              "sub stopped",      "a started",      "a ready",          "sub started",
              "sub/deep started", "sub/deep ready", "sub ready",        "z started",
              "z ready",          "z stopped",      "sub/deep stopped", "sub stopped",
              "a stopped"});
  for (const auto& e : events.all()) {
    INFO(e.path << ' ' << to_string(e.what));
    CHECK((e.life == 1 || e.life == 2));
    const bool is_end = e.what == kind::exited || e.what == kind::stopped;
    CHECK((e.report != nullptr) == (is_end && e.path != "sub"));
    if (is_end) CHECK_FALSE(e.reason.empty());
    if (e.what == kind::exited) {
      CHECK(e.pid == first);
      CHECK(e.report->pid == first);
      CHECK(e.report->signal == SIGSEGV);
    }
    if (e.what == kind::ready && e.path != "sub") CHECK(e.pid.has_value());
    if (e.what == kind::restarting) CHECK(e.delay == 0s);
  }
  oracle.check();
}

TEST_CASE("events of a back-off tell its delays, and the last one that it gave up",
          "[process][supervisor][events]") {
  const test::ledger lives;
  const test::oracle oracle;
  auto& rt = test::runtime();
  test::event_log events;
  troupe::child_spec child{.id = "a", .start = troupe::run(never_again, lives.place(), "exit 4")};
  child.back_off = troupe::backoff{2ms, 5ms, 2.0, 0.0, 1h};
  troupe::supervisor_spec spec;
  spec.intensity = 4;
  spec.children = {child};
  auto sup = rt.supervise(spec);
  test::kill_child(sup, "a");
  std::vector<std::chrono::nanoseconds> delays;
  for (int i = 0; i < 4; ++i) {
    events.wait_for(i == 0 ? kind::exited : kind::start_failed, "a");
    delays.push_back(events.wait_for(kind::restarting, "a").delay);
  }
  CHECK(delays == std::vector<std::chrono::nanoseconds>{0ms, 2ms, 4ms, 5ms});
  const auto last = events.wait_for(kind::gave_up, "a");
  CHECK(test::contains(last.reason, "exit code 4"));
  const auto why = sup.wait(1h);
  REQUIRE(why.has_value());
  CHECK(test::contains(*why, "exit code 4"));
  CHECK(lives.sequence().size() == 5);
  const auto all = events.lines();
  CHECK(std::count(all.begin(), all.end(), "a start failed") == 4);
  oracle.check();
}

TEST_CASE("a watcher may call the supervisor, and events keep their order",
          "[process][supervisor][events]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  troupe::supervisor_spec spec;
  spec.children = {test::patient_spec("a")};
  auto sup = rt.supervise(spec);
  lines seen;
  rt.watch([&](const troupe::lifecycle_event& e) {
    seen.push_back(e.path + ' ' + std::string{to_string(e.what)});
    if (e.what == kind::exited && e.path == "a") {
      sup.start_child(test::patient_spec("b"));  // runs the loop
      sup.terminate_child("b");
    }
  });
  test::kill_child(sup, "a");
  while (seen.size() < 7) sup.wait(1ms);
  const auto of = [&](const std::string& child) {
    lines some;
    for (const auto& line : seen)
      if (line.rfind(child, 0) == 0) some.push_back(line);
    return some;
  };
  CHECK(of("a") == lines{"a exited", "a restarting", "a started", "a ready"});
  CHECK(of("b") == lines{"b started", "b ready", "b stopped"});
  rt.watch({});
  sup.stop();
  oracle.check();
}

TEST_CASE("supervisor_SUITE: hanging_restart_loop - calls are answered while a child can't restart",
          "[process][supervisor][calls]") {
  const test::ledger lives;
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto strategy = GENERATE(restart_strategy::one_for_one, restart_strategy::one_for_all,
                                 restart_strategy::rest_for_one);
  INFO("strategy " << static_cast<int>(strategy));
  test::event_log events;
  troupe::supervisor_spec spec;
  spec.strategy = strategy;
  spec.intensity = 1'000'000;
  spec.children = {test::patient_spec("a"),
                   {.id = "b", .start = troupe::run(never_again, lives.place(), "exit 5")},
                   test::patient_spec("c")};
  auto sup = rt.supervise(spec);
  test::kill_child(sup, "b");
  for (int i = 0; i < 3; ++i) events.wait_for(kind::start_failed, "b");
  CHECK(sup.which_child("b")->now == child_status::state::restarting);
  const auto counts = sup.count_children();
  CHECK(counts.specs == 3);
  CHECK(counts.workers == 3);
  CHECK(counts.active <= 2);
  CHECK(outcome_of_call([&] { sup.start_child(test::patient_spec("b")); }) == "already_present");
  CHECK(outcome_of_call([&] { sup.restart_child("b"); }) == "restarting");
  CHECK(outcome_of_call([&] { sup.delete_child("b"); }) == "restarting");
  CHECK(sup.get_childspec("b").id == "b");
  CHECK(sup.which_children().size() == 3);
  for (int i = 0; i < 3; ++i) events.wait_for(kind::start_failed, "b");  // it goes on
  if (GENERATE(false, true)) {
    sup.terminate_child("b");
    CHECK(sup.which_child("b")->now == child_status::state::down);
    sup.delete_child("b");
    CHECK_FALSE(sup.which_child("b").has_value());
    // As OTP's it may be down for good now; if it was being started again, it comes up.
    while (sup.which_child("a")->now == child_status::state::restarting)
      static_cast<void>(sup.wait(1ms));
  }
  sup.stop();  // in the middle of it
  CHECK_FALSE(sup.running());
  oracle.check();
}

TEST_CASE("supervisor_SUITE: hanging_restart_loop_simple - the same for a dynamic child",
          "[process][supervisor][calls]") {
  const test::ledger lives;
  const test::oracle oracle;
  auto& rt = test::runtime();
  test::event_log events;
  troupe::supervisor_spec spec;
  spec.strategy = restart_strategy::dynamic;
  spec.intensity = 1'000'000;
  spec.children = {test::patient_spec("worker")};
  auto sup = rt.supervise(spec);
  const auto hurt = sup.start_child(troupe::run(never_again, lives.place(), "exit 5"));
  const std::string path = "worker#" + std::to_string(hurt.key);
  test::kill_process(*hurt.pid);
  for (int i = 0; i < 3; ++i) events.wait_for(kind::start_failed, path);
  CHECK(test::states(sup) == "worker restarting");
  CHECK(outcome_of_call([&] { sup.restart_child("worker"); }) == "simple_one_for_one");
  CHECK(outcome_of_call([&] { sup.delete_child("worker"); }) == "simple_one_for_one");
  const auto other = sup.start_child(troupe::run(test::patient));
  CHECK(test::ask(sup.child(other.key), 5) == 5);
  sup.terminate_child(hurt.key);
  CHECK(test::states(sup) == "worker running");
  sup.stop();
  oracle.check();
}

TEST_CASE("256 workers killed at once come back, and calls are answered meanwhile",
          "[process][supervisor][calls]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const std::size_t count = static_cast<std::size_t>(test::times(64, 256));
  troupe::supervisor_spec spec;
  spec.strategy = restart_strategy::dynamic;
  spec.intensity = 1'000'000;
  spec.children = {test::patient_spec("worker")};
  auto sup = rt.supervise(spec);
  sup.start_children(std::vector(count, troupe::run(test::patient)));
  const auto before = test::pids(sup);
  const std::set<int> old(before.begin(), before.end());
  for (const int pid : before) REQUIRE(test::kill_process(pid));
  std::size_t back = 0;
  while (back < count) {
    CHECK(sup.count_children().workers == count);
    sup.wait(1ms);
    back = 0;
    for (const auto& c : sup.which_children())
      back += c.now == child_status::state::running && c.restarts == 1 ? 1U : 0U;
  }
  for (const auto& c : sup.which_children()) {
    CHECK(old.count(*c.pid) == 0);
    CHECK(test::ask(sup.child(c.key), caf::get_atom_v) == c.pid);
  }
  sup.stop();
  oracle.check();
}

TEST_CASE("a thousand dynamic children started by one call are all stopped",
          "[process][supervisor][calls]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const std::size_t count = static_cast<std::size_t>(test::times(150, 1000));
  troupe::supervisor_spec spec;
  spec.strategy = restart_strategy::dynamic;
  spec.children = {test::patient_spec("worker")};
  auto sup = rt.supervise(spec);
  const auto started = sup.start_children(std::vector(count, troupe::run(test::patient)));
  CHECK(started.size() == count);
  const auto counts = sup.count_children();
  CHECK(counts.specs == 1);
  CHECK(counts.active == count);
  CHECK(counts.workers == count);
  std::set<std::uint64_t> keys;
  std::vector<int> all;
  for (const auto& c : started) {
    CHECK(c.now == child_status::state::running);
    keys.insert(c.key);
    all.push_back(*c.pid);
  }
  CHECK(keys.size() == count);
  CHECK(test::ask(sup.child(started.back().key), caf::get_atom_v) == started.back().pid);
  sup.stop();
  CHECK(test::ended(all, 0ms));
  oracle.check();
}

TEST_CASE("an actor that ends with the error that told it of another's end has not ended well",
          "[process][supervisor][events]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  test::event_log events;
  auto spec = test::patient_spec("linked", troupe::restart_type::transient);
  spec.start = troupe::run(linked_to_first);
  troupe::supervisor_spec above;
  above.children = {spec};
  auto sup = rt.supervise(above);
  const auto child = sup.child("linked");
  const auto other = rt.spawn(test::patient);
  rt.self()->send(child, other);
  rt.kill(other);
  const auto exited = events.wait_for(kind::exited, "linked");
  CHECK(test::contains(exited.reason, "SIGKILL"));
  events.wait_for(kind::ready, "linked");
  sup.stop();
  oracle.check();
}
