// Supervisors used in ways that nobody should: watched from other processes, nested deeply, changed
// and stopped in the middle of everything.
#include <support/oracle.hpp>
#include <support/processes.hpp>
#include <support/supervised.hpp>

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <limits>
#include <stdexcept>

using namespace std::chrono_literals;
using test::count;
using test::counts;
using test::outcome_of_call;
using test::patient_spec;
using troupe::restart_strategy;
using kind = troupe::lifecycle_event::kind;
using lines = std::vector<std::string>;

namespace {

troupe::child_spec apart(std::string id, troupe::supervisor_spec below) {
  auto spec = test::nested(std::move(id), below);
  spec.start = troupe::supervise(troupe::own_process, std::move(below));
  return spec;
}

/// Supervisors all the way down to a patient "x".
troupe::supervisor_spec deep(int levels, bool in_own_processes) {
  troupe::supervisor_spec spec;
  spec.intensity = 5;
  if (levels == 0) {
    spec.children = {patient_spec("x")};
  } else {
    auto below = deep(levels - 1, in_own_processes);
    spec.children = {in_own_processes ? apart("s", below) : test::nested("s", below)};
  }
  return spec;
}

troupe::supervisor bottom_of(troupe::supervisor top, int levels) {
  for (; levels > 0; --levels) top = top.nested("s");
  return top;
}

/// Manages another process's supervisor: tells the states of its children, and makes one of them
/// end.
caf::behavior manager(caf::event_based_actor*, const caf::actor& handle) {
  const auto sup = std::make_shared<troupe::supervisor>(handle);
  return {[=](caf::get_atom) { return test::states(*sup); },
          [=](const std::string& id) {
            sup->terminate_child(id);
            return test::states(*sup);
          },
          [=](int number) {
            sup->start_child(patient_spec(std::to_string(number)));
            return number;
          }};
}

/// Ends at once unless it is the first life.
caf::behavior once(caf::event_based_actor* self, const std::string& place) {
  test::note(place, 1);
  if (test::notes_at(place).size() > 1) _exit(5);
  return test::patient(self);
}

/// Can't be started.
caf::behavior thrower(caf::event_based_actor*) {
  throw std::runtime_error{"not this one"};
}

}  // namespace

TEST_CASE("events of a supervisor in a process of its own are told here, also after its end",
          "[process][supervisor][events]") {
  const test::oracle oracle;
  test::event_log events;
  troupe::supervisor_spec below;
  below.strategy = restart_strategy::one_for_all;
  below.intensity = 2;
  below.children = {patient_spec("a"), patient_spec("b")};
  auto sup = test::runtime().supervise({.intensity = 5, .children = {apart("sub", below)}});
  const int first = *sup.nested("sub").which_child("a")->pid;
  test::kill_process(first);
  const auto exited = events.wait_for(kind::exited, "sub/a");
  CHECK(exited.pid == first);
  REQUIRE(exited.report != nullptr);
  CHECK(exited.report->signal == SIGKILL);
  events.wait_for(kind::ready, "sub/b");
  // Between its own and those of its children there is no order: they come from two processes.
  auto below_it = events.lines();
  std::erase_if(below_it, [](const auto& line) { return line.rfind("sub/", 0) != 0; });
  CHECK(below_it == lines{"sub/a started", "sub/a ready", "sub/b started", "sub/b ready",
                          "sub/a exited", "sub/a restarting", "sub/b stopped", "sub/a started",
                          "sub/a ready", "sub/b started", "sub/b ready"});
  test::kill_child(sup, "sub");
  events.wait_for(kind::exited, "sub");
  CHECK(events.wait_for(kind::ready, "sub").life == 2);
  CHECK(test::states(sup.nested("sub")) == "a running, b running");
  sup.stop();
  oracle.check();
}

TEST_CASE("a supervisor is managed from a sibling's process, in the middle of a restart loop, too",
          "[process][supervisor][calls]") {
  const test::ledger lives;
  const test::oracle oracle;
  auto& rt = test::runtime();
  test::event_log events;
  const bool in_own_process = GENERATE(false, true);
  troupe::supervisor_spec below;
  below.intensity = 1'000'000;
  below.children = {patient_spec("a"), patient_spec("loops")};
  below.children[1].start = troupe::run(once, lives.place());
  auto sup = rt.supervise(
      {.children = {in_own_process ? apart("sub", below) : test::nested("sub", below)}});
  const auto sub = sup.nested("sub");
  const auto other = rt.spawn(manager, sub.handle());
  CHECK(test::ask<std::string>(other, caf::get_atom_v) == "a running, loops running");
  test::kill_child(sub, "loops");
  for (int i = 0; i < 3; ++i) events.wait_for(kind::start_failed, "sub/loops");
  for (int number = 1; number <= 3; ++number) {
    CHECK(test::ask(other, number) == number);
    const auto c = count(sub);
    CHECK(c[0] == static_cast<std::size_t>(2 + number));
    CHECK(c[3] == static_cast<std::size_t>(2 + number));
    CHECK(sub.which_children().size() == static_cast<std::size_t>(2 + number));
  }
  CHECK(test::ask<std::string>(other, std::string{"loops"}) ==
        "a running, loops down, 1 running, 2 running, 3 running");
  rt.stop(other);
  sup.stop();
  oracle.check();
}

TEST_CASE("supervisors without children, and ten levels of them", "[process][supervisor][nested]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  test::event_log events;
  auto empty = rt.supervise({.children = {test::nested("none", {}), apart("apart", {})}});
  CHECK(count(empty) == counts{2, 2, 2, 0});
  CHECK(count(empty.nested("apart")) == counts{0, 0, 0, 0});
  empty.nested("apart").start_child(patient_spec("late"));
  CHECK(test::states(empty.nested("apart")) == "late running");
  empty.stop();

  for (const bool in_own_processes : {false, true}) {
    const int levels = in_own_processes ? 5 : 10;
    INFO(levels << " levels");
    auto sup = rt.supervise(deep(levels, in_own_processes));
    std::string path;
    for (int i = 0; i < levels; ++i) path += "s/";
    auto bottom = bottom_of(sup, levels);
    const auto x = bottom.child("x");
    CHECK(test::ask(x, 7) == 7);
    test::kill_child(bottom, "x");
    events.wait_for_restart(path + "x");
    CHECK(test::ask(x, 8) == 8);
    sup.stop();
  }
  oracle.check();
}

TEST_CASE("a period of nothing is refused, and a huge intensity is not too much",
          "[process][supervisor][spec]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  test::event_log events;
  troupe::supervisor_spec spec;
  spec.children = {patient_spec("a")};
  spec.period = 0s;
  CHECK_THROWS_AS(rt.supervise(spec), std::invalid_argument);
  spec.period = std::chrono::nanoseconds::max();
  spec.intensity = std::numeric_limits<int>::max();
  auto sup = rt.supervise(spec);
  for (int i = 0; i < 3; ++i) {
    test::kill_child(sup, "a");
    events.wait_for_restart("a");
  }
  spec.period = 0s;
  CHECK(outcome_of_call([&] { sup.change(spec); }) == "bad_spec");
  CHECK(sup.which_child("a")->restarts == 3);
  sup.stop();
  oracle.check();
}

TEST_CASE("a spec may change while a child can't restart, and decides from then on",
          "[process][supervisor][calls]") {
  const test::ledger lives;
  const test::oracle oracle;
  test::event_log events;
  troupe::supervisor_spec spec;
  spec.intensity = 1'000'000;
  spec.children = {patient_spec("a"), patient_spec("loops")};
  spec.children[1].start = troupe::run(once, lives.place());
  auto sup = test::runtime().supervise(spec);
  test::kill_child(sup, "loops");
  for (int i = 0; i < 3; ++i) events.wait_for(kind::start_failed, "loops");
  spec.children[1].start = troupe::run(test::patient);
  sup.change(spec);
  events.wait_for(kind::ready, "loops");
  CHECK(test::ask(sup.child("loops"), 4) == 4);
  CHECK(test::states(sup) == "a running, loops running");
  sup.stop();
  oracle.check();
}

TEST_CASE("calls that meet the end of a supervisor are answered", "[process][supervisor][calls]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  for (const bool in_own_process : {false, true}) {
    troupe::supervisor_spec below;
    below.children = {patient_spec("a"), patient_spec("b")};
    auto sup = rt.supervise(
        {.children = {in_own_process ? apart("sub", below) : test::nested("sub", below)}});
    auto sub = sup.nested("sub");
    // A watcher calls it while it stops.
    lines outcomes;
    rt.watch([&](const troupe::lifecycle_event& e) {
      if (e.what != kind::stopped || e.path == "sub") return;
      outcomes.push_back(outcome_of_call([&] { sup.start_child(patient_spec("late")); }));
      outcomes.push_back(outcome_of_call([&] { sup.terminate_child("sub"); }));
    });
    sup.stop();
    rt.self()->receive(caf::after(0s) >> [] {});
    rt.watch({});
    for (const auto& outcome : outcomes) CHECK(outcome == "not_running");
    CHECK_FALSE(sup.running());
    CHECK_FALSE(sub.running());
    CHECK(outcome_of_call([&] { sub.start_child(patient_spec("late")); }) != "value");
  }
  oracle.check();
}

TEST_CASE("of children that are started together those that can run, and the others are counted",
          "[process][supervisor][calls]") {
  const test::oracle oracle;
  auto sup = test::runtime().supervise(test::dynamic());
  const auto good = troupe::run(test::patient);
  std::string why;
  try {
    sup.start_children({good, troupe::run(thrower), good});
  } catch (const troupe::failure& e) {
    why = troupe::sentence_of(e.error());
  }
  INFO(why);
  CHECK(test::contains(why, "1 of 3 children were not started, the others run"));
  CHECK(sup.count_children().active == 2);
  sup.stop();
  oracle.check();
}

TEST_CASE("a handler of events that throws leaves no supervisor behind",
          "[process][supervisor][events]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  rt.watch([](const troupe::lifecycle_event& what) {
    if (what.what == kind::ready) throw std::runtime_error{"no more of this"};
  });
  CHECK_THROWS_WITH(rt.supervise({.children = {patient_spec("a"), patient_spec("b")}}),
                    "no more of this");
  rt.watch({});
  oracle.check();
}
