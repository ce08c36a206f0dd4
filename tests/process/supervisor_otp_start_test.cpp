// Cases of OTP's supervisor_SUITE about starts, stops, names and what children are doing, with real
// processes.
#include <support/oracle.hpp>
#include <support/processes.hpp>
#include <support/settings.hpp>
#include <support/supervised.hpp>

#include <unistd.h>

#include <algorithm>
#include <csignal>

using namespace std::chrono_literals;
using test::count;
using test::counts;
using test::dynamic;
using test::failing_spec;
using test::outcome_of_call;
using test::patient_spec;
using troupe::restart_strategy;
using troupe::restart_type;
using kind = troupe::lifecycle_event::kind;
using lines = std::vector<std::string>;
using sequence = std::vector<std::uint64_t>;

namespace {

/// Stops itself, for good unless somebody makes it go on, when it is told to end.
caf::behavior slow_to_end(caf::event_based_actor* self, const std::string& place, int number) {
  self->attach_functor([=](const caf::error&) {
    test::note(place, static_cast<std::uint64_t>(number));
    raise(SIGSTOP);
    test::note(place, 100 + static_cast<std::uint64_t>(number));
  });
  return test::patient(self);
}

troupe::child_spec slow_spec(const test::ledger& notes, int number) {
  auto spec = patient_spec(std::to_string(number));
  spec.start = troupe::run(slow_to_end, notes.place(), number);
  spec.shutdown = troupe::infinity;
  return spec;
}

bool is_stopped(int pid) {
  return pid > 1 && test::status_of(pid, "State").rfind("T", 0) == 0;
}

/// Does to itself what `way` says when it is told to end.
caf::behavior bad_end(caf::event_based_actor* self, const std::string& way) {
  self->attach_functor([=](const caf::error&) { test::hurt_process(way); });
  return test::patient(self);
}

/// Takes a name, so that it can't start while somebody else has it.
caf::behavior named(caf::event_based_actor* self, troupe::runtime& rt, const std::string& name) {
  rt.names().add(name, caf::actor{self});
  return test::patient(self);
}

troupe::child_spec named_spec(const std::string& id, const std::string& name) {
  auto spec = patient_spec(id);
  spec.start = troupe::run(named, name);
  return spec;
}

/// Quits while it is made, for as long as its number was noted no more often than this.
caf::behavior ignoring(caf::event_based_actor* self, const std::string& place, int lives) {
  test::note(place, 1);
  if (static_cast<int>(test::notes_at(place).size()) <= lives) {
    self->quit();
    return {};
  }
  return test::patient(self);
}

/// What goes wrong while it is made.
caf::behavior spoiled(caf::event_based_actor* self, const std::string& way) {
  if (way == "quit") self->quit(caf::sec::runtime_error);
  test::hurt_process(way);
  return test::patient(self);
}

/// The pid behind a name.
int who_has(const std::string& name) {
  const auto who = test::runtime().names().find(name);
  return who ? test::ask(*who, caf::get_atom_v) : -1;
}

}  // namespace

TEST_CASE(
    "supervisor_SUITE: sup_start_ignore_child - one that quits while it is made is kept, down",
    "[process][supervisor][otp]") {
  const test::ledger notes;
  const test::oracle oracle;
  test::event_log events;
  troupe::supervisor_spec spec;
  spec.intensity = 0;
  spec.children = {patient_spec("1")};
  spec.children[0].start = troupe::run(ignoring, notes.place(), 2);
  auto sup = test::runtime().supervise(spec);
  CHECK(test::states(sup) == "1 down");
  CHECK(test::outcome_of(sup.child("1"), 1) == "stopped");
  const auto again = sup.restart_child("1");
  CHECK(again.now == troupe::child_status::state::down);
  CHECK(sup.start_child(patient_spec("2")).now == troupe::child_status::state::running);
  CHECK(test::states(sup) == "1 down, 2 running");
  CHECK(count(sup) == counts{2, 1, 0, 2});
  CHECK(sup.restart_child("1").now == troupe::child_status::state::running);
  CHECK(test::ask(sup.child("1"), 3) == 3);
  sup.stop();
  const auto all = events.lines();
  CHECK(std::count(all.begin(), all.end(), "1 ready") == 1);
  oracle.check();
}

TEST_CASE("an actor that throws or fails while it is made was not started, and says why",
          "[process][supervisor][start]") {
  const test::oracle oracle;
  const lines ways{"throw", "quit", "exit 0", "abort"};
  const lines reasons{"hurt", "runtime_error", "exit code 0", "SIGABRT"};
  for (std::size_t i = 0; i < ways.size(); ++i) {
    INFO(ways[i]);
    auto bad = patient_spec("bad");
    bad.start = troupe::run(spoiled, ways[i]);
    auto sup = test::runtime().supervise({});
    for (int calls = 0; calls < 2; ++calls) {
      try {
        if (calls == 0) sup.start_child(bad);
        if (calls == 1) test::runtime().supervise({.children = {bad}});
        FAIL("it was started");
      } catch (const troupe::failure& e) {
        INFO(e.what());
        CHECK(e.error() == troupe::errc::start_failed);
        CHECK(test::contains(e.what(), reasons[i]));
      }
    }
    CHECK(count(sup) == counts{0, 0, 0, 0});
    sup.stop();
  }
  oracle.check();
}

TEST_CASE("supervisor_SUITE: sup_start_restart_child_returns_error - it stays, and is down",
          "[process][supervisor][otp]") {
  const test::ledger notes;
  const test::oracle oracle;
  troupe::supervisor_spec spec;
  spec.children = {failing_spec(notes, 1, {2, 3}), patient_spec("b")};
  auto sup = test::runtime().supervise(spec);
  sup.terminate_child("1");
  for (int i = 0; i < 2; ++i) {
    CHECK(outcome_of_call([&] { sup.restart_child("1"); }) == "start_failed");
    CHECK(test::states(sup) == "1 down, b running");
    CHECK(test::outcome_of(sup.child("1"), 1) == "stopped");
  }
  CHECK(sup.restart_child("1").now == troupe::child_status::state::running);
  CHECK(test::ask(sup.child("1"), 7) == 7);
  sup.stop();
  oracle.check();
}

TEST_CASE("supervisor_SUITE: faulty_application_shutdown - a child that does not start ends all",
          "[process][supervisor][otp]") {
  const test::ledger notes;
  const test::oracle oracle;
  test::event_log events;
  troupe::supervisor_spec spec;
  spec.children = {patient_spec("a"), patient_spec("b"), failing_spec(notes, 1, {1}),
                   patient_spec("d")};
  try {
    test::runtime().supervise(spec);
    FAIL("it was started");
  } catch (const troupe::failure& e) {
    INFO(e.what());
    CHECK(e.error() == troupe::errc::start_failed);
    CHECK(test::contains(e.what(), "1 could not be started"));
    CHECK(test::contains(e.what(), "exit code 1"));
  }
  test::runtime().self()->receive(caf::after(0s) >> [] {});
  CHECK(events.lines() == lines{"a started", "a ready", "b started", "b ready", "1 started",
                                "1 start failed", "b stopped", "a stopped"});
  oracle.check();
}

TEST_CASE("supervisor_SUITE: sup_stop_infinity - any child may take as long as it likes",
          "[process][supervisor][otp]") {
  const test::ledger notes;
  const test::oracle oracle;
  auto& rt = test::runtime();
  test::event_log events;
  troupe::supervisor_spec below;
  below.children = {slow_spec(notes, 1)};
  troupe::supervisor_spec spec;
  spec.children = {test::nested("sub", below), slow_spec(notes, 2)};
  auto sup = rt.supervise(spec);
  const std::vector<int> pids{*sup.nested("sub").which_child("1")->pid, *sup.which_child("2")->pid};
  int looks = 0;
  const auto release = rt.every(1ms, [&] {
    for (const int pid : pids)
      if (is_stopped(pid) && ++looks % 20 == 0) test::kill_process(pid, SIGCONT);
  });
  sup.stop();
  CHECK(looks >= 40);
  CHECK(notes.sequence() == sequence{2, 102, 1, 101});
  for (const auto* path : {"2", "sub/1"}) CHECK_FALSE(events.end_of(path).report->signal);
  oracle.check();
}

TEST_CASE("supervisor_SUITE: sup_stop_timeout_dynamic - of dynamic children those that hang",
          "[process][supervisor][otp]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  test::event_log events;
  auto spec = dynamic(restart_type::temporary);
  spec.children[0].shutdown = 50ms;
  auto sup = rt.supervise(spec);
  const auto hanging = sup.start_child(troupe::run(test::stubborn, test::me()));
  auto good = patient_spec("worker", restart_type::temporary);
  good.shutdown = troupe::infinity;  // the machine may be busy
  const auto orderly = sup.start_child(good);
  test::hang(sup.child(hanging.key));
  sup.stop();
  CHECK(events.end_of("worker#" + std::to_string(hanging.key)).report->signal == SIGKILL);
  CHECK(events.end_of("worker#" + std::to_string(orderly.key)).report->exit_code == 0);
  CHECK(test::ended({*hanging.pid, *orderly.pid}, 0ms));
  oracle.check();
}

TEST_CASE("supervisor_SUITE: sup_stop_brutal_kill - a child may be killed at once",
          "[process][supervisor][otp]") {
  const test::ledger notes;
  const test::oracle oracle;
  test::event_log events;
  auto spec = troupe::supervisor_spec{};
  auto brutal = test::orderly_spec(notes, 2);
  brutal.shutdown = troupe::brutal_kill;
  auto orderly = test::orderly_spec(notes, 1);
  orderly.shutdown = troupe::infinity;
  spec.children = {orderly, brutal};
  auto sup = test::runtime().supervise(spec);
  sup.stop();
  CHECK(notes.sequence() == sequence{1, 2, 101});
  CHECK(events.end_of("2").report->signal == SIGKILL);
  CHECK(events.end_of("1").report->exit_code == 0);
  oracle.check();
}

TEST_CASE(
    "supervisor_SUITE: sup_stop_non_shutdown_exit_dynamic - however they end when they are asked",
    "[process][supervisor][otp]") {
  const test::oracle oracle;
  const auto type =
      GENERATE(restart_type::permanent, restart_type::transient, restart_type::temporary);
  test::event_log events;
  auto sup = test::runtime().supervise(dynamic(type));
  const lines ways{"exit 0", "exit 3", "abort", "segv", "kill", "terminate", "throw"};
  std::vector<std::shared_ptr<const troupe::child_start>> starts;
  for (const auto& way : ways) starts.push_back(troupe::run(bad_end, way));
  sup.start_children(starts);
  const auto pids = test::pids(sup);
  sup.stop();
  CHECK_FALSE(sup.running());
  CHECK(test::ended(pids, 0ms));
  const auto all = events.lines();
  for (std::size_t i = 1; i <= ways.size(); ++i) {
    INFO(ways[i - 1]);
    const std::string path = "worker#" + std::to_string(i);
    CHECK(std::count(all.begin(), all.end(), path + " started") == 1);
    CHECK(std::count(all.begin(), all.end(), path + " stopped") == 1);
  }
  oracle.check();
}

TEST_CASE("supervisor_SUITE: count_children - many dynamic children are counted",
          "[process][supervisor][otp]") {
  const test::oracle oracle;
  const auto many = static_cast<std::size_t>(test::times(100, 2000));
  auto sup = test::runtime().supervise(dynamic(restart_type::temporary));
  CHECK(count(sup) == counts{1, 0, 0, 0});
  auto started = sup.start_children(std::vector(many, troupe::run(test::patient)));
  CHECK(count(sup) == counts{1, many, 0, many});
  for (std::size_t left = many; left > many - 10;) {
    sup.terminate_child(started[--left].key);
    CHECK(count(sup) == counts{1, left, 0, left});
  }
  sup.stop();
  oracle.check();
}

TEST_CASE("supervisor_SUITE: which_children - each child with what it is doing",
          "[process][supervisor][otp]") {
  const test::ledger notes;
  const test::oracle oracle;
  auto& rt = test::runtime();
  auto waits = patient_spec("waits");
  waits.back_off = troupe::backoff{1h, 1h, 1.0, 0.0, 2h};
  troupe::supervisor_spec spec;
  spec.intensity = 10;
  spec.children = {patient_spec("a"), patient_spec("ended"), waits,
                   test::nested("sub", test::three(restart_strategy::one_for_all)),
                   slow_spec(notes, 1)};
  auto sup = rt.supervise(spec);
  sup.terminate_child("ended");
  {
    test::event_log events;
    for (int life = 1; life <= 2; ++life) {
      test::kill_child(sup, "waits");
      events.wait_for(kind::exited, "waits");
      if (life == 1) events.wait_for(kind::ready, "waits");
    }
  }
  const auto all = sup.which_children();
  REQUIRE(all.size() == 5);
  CHECK(test::states(sup) == "a running, ended down, waits restarting, sub running, 1 running");
  for (const auto& c : all) {
    INFO(c.id);
    CHECK((c.type == troupe::child_type::supervisor) == (c.id == "sub"));
    CHECK(c.pid.has_value() == (c.id == "a" || c.id == "1"));
    CHECK(c.restarts == (c.id == "waits" ? 1U : 0U));
    CHECK(c.waiting == 0);
  }
  // Those that are on their way can be seen while somebody waits for them.
  lines seen;
  rt.watch([&](const troupe::lifecycle_event& e) {
    if (e.path == "late" && e.what == kind::started)
      seen.push_back(std::string{to_string(sup.which_child("late")->now)});
  });
  sup.start_child(patient_spec("late"));
  CHECK(seen == lines{"starting"});
  const int slow = *sup.which_child("1")->pid;
  seen.clear();
  const auto release = rt.every(1ms, [&] {
    if (!seen.empty() || !is_stopped(slow)) return;
    seen.push_back(std::string{to_string(sup.which_child("1")->now)});
    test::kill_process(slow, SIGCONT);
  });
  sup.terminate_child("1");
  CHECK(seen == lines{"stopping"});
  rt.watch({});
  sup.stop();
  oracle.check();
}

TEST_CASE("supervisor_SUITE: already_started_outside_supervisor - a name that is taken elsewhere",
          "[process][supervisor][otp]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto outside = rt.spawn(named, std::string{"taken"});
  CHECK(test::ask(outside, 1) == 1);  // it has begun
  auto sup = rt.supervise({});
  try {
    sup.start_child(named_spec("a", "taken"));
    FAIL("it was started");
  } catch (const troupe::failure& e) {
    INFO(e.what());
    CHECK(e.error() == troupe::errc::start_failed);
    CHECK(test::contains(e.what(), "taken"));
    CHECK(test::contains(e.what(), "refused"));
  }
  CHECK(count(sup) == counts{0, 0, 0, 0});
  CHECK(who_has("taken") == rt.process_of(outside).pid());
  rt.stop(outside);
  const auto inside = sup.start_child(named_spec("a", "taken"));
  CHECK(who_has("taken") == inside.pid);
  sup.stop();
  CHECK(who_has("taken") == -1);
  oracle.check();
}

TEST_CASE("supervisor_SUITE: simple_global_supervisor - names mean the new processes",
          "[process][supervisor][otp]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  test::event_log events;
  troupe::supervisor_spec below;
  below.intensity = 10;
  below.children = {named_spec("x", "worker below")};
  auto sub = test::nested("sub", below);
  sub.start = troupe::supervise(troupe::own_process, below);
  troupe::supervisor_spec spec;
  spec.intensity = 10;
  spec.children = {sub, named_spec("y", "worker")};
  auto sup = rt.supervise(spec);
  const auto check_new = [&](const std::string& name, int before) {
    const int now = who_has(name);
    CHECK(now > 0);
    CHECK(now != before);
  };
  const int y = who_has("worker");
  test::kill_process(y);
  events.wait_for_restart("y");
  check_new("worker", y);
  const int x = who_has("worker below");
  test::kill_process(x);
  events.wait_for_restart("sub/x");
  check_new("worker below", x);
  const int again = who_has("worker below");
  test::kill_child(sup, "sub");
  events.wait_for_restart("sub");
  check_new("worker below", again);
  sup.stop();
  CHECK(rt.names().all().empty());
  oracle.check();
}
