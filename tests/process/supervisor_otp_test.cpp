// Cases of OTP's supervisor_SUITE, Elixir's DynamicSupervisor and Pekko's SupervisionSpec that mean
// something only with real processes, or are worth seeing with them.
#include <support/ledger.hpp>
#include <support/oracle.hpp>
#include <support/processes.hpp>
#include <support/supervised.hpp>

#include <unistd.h>

#include <algorithm>

using namespace std::chrono_literals;
using test::count;
using test::dynamic;
using test::failing_spec;
using test::outcome_of_call;
using test::patient_spec;
using test::three;
using troupe::auto_shutdown_mode;
using troupe::child_status;
using troupe::restart_strategy;
using troupe::restart_type;
using kind = troupe::lifecycle_event::kind;
using sequence = std::vector<std::uint64_t>;

TEST_CASE("supervisor_SUITE: sup_start_normal - a supervisor starts, and ends when it is stopped",
          "[process][supervisor][otp]") {
  const test::oracle oracle;
  auto sup = test::runtime().supervise({});
  CHECK(sup.running());
  CHECK(count(sup) == test::counts{0, 0, 0, 0});
  sup.stop();
  CHECK_FALSE(sup.running());
  oracle.check();
}

TEST_CASE("supervisor_SUITE: child_adm - children are added, ended, restarted and forgotten",
          "[process][supervisor][otp]") {
  const test::oracle oracle;
  auto sup = test::runtime().supervise({});
  const auto first = sup.start_child(patient_spec("a"));
  CHECK(first.now == child_status::state::running);
  CHECK(outcome_of_call([&] { sup.start_child(patient_spec("a")); }) == "already_started");
  CHECK(sup.which_child("a")->pid == first.pid);
  sup.terminate_child("a");
  CHECK(test::ended({*first.pid}, 0ms));
  CHECK(count(sup) == test::counts{1, 0, 0, 1});
  sup.terminate_child("a");
  CHECK(outcome_of_call([&] { sup.start_child(patient_spec("a")); }) == "already_present");
  const auto again = sup.restart_child("a");
  CHECK(again.pid != first.pid);
  CHECK(test::ask(sup.child("a"), caf::get_atom_v) == again.pid);
  CHECK(outcome_of_call([&] { sup.restart_child("a"); }) == "running");
  CHECK(outcome_of_call([&] { sup.delete_child("a"); }) == "running");
  CHECK(outcome_of_call([&] { sup.terminate_child("none"); }) == "not_found");
  CHECK(outcome_of_call([&] { sup.restart_child("none"); }) == "not_found");
  CHECK(outcome_of_call([&] { sup.delete_child("none"); }) == "not_found");
  const auto handle = sup.child("a");
  sup.terminate_child("a");
  sup.delete_child("a");
  CHECK(count(sup) == test::counts{0, 0, 0, 0});
  CHECK(test::outcome_of(handle, 1) == "stopped");
  sup.stop();
  oracle.check();
}

TEST_CASE("supervisor_SUITE: child_adm_simple - dynamic children are ended by key",
          "[process][supervisor][otp]") {
  const test::oracle oracle;
  auto sup = test::runtime().supervise(dynamic());
  const auto a = sup.start_child(troupe::run(test::patient));
  const auto b = sup.start_child(troupe::run(test::patient));
  CHECK(outcome_of_call([&] { sup.restart_child("worker"); }) == "simple_one_for_one");
  CHECK(outcome_of_call([&] { sup.delete_child("worker"); }) == "simple_one_for_one");
  CHECK(outcome_of_call([&] { sup.terminate_child("worker"); }) == "simple_one_for_one");
  sup.terminate_child(a.key);
  sup.terminate_child(a.key);  // it is gone: ok
  CHECK(outcome_of_call([&] { sup.terminate_child(b.key + 100); }) == "not_found");
  CHECK(count(sup) == test::counts{1, 1, 0, 1});
  CHECK(test::ask(sup.child(b.key), 1) == 1);
  sup.stop();
  oracle.check();
}

TEST_CASE("supervisor_SUITE: one_for_one - the restart beyond the intensity ends the supervisor",
          "[process][supervisor][otp]") {
  const test::oracle oracle;
  test::event_log events;
  auto spec = three(restart_strategy::one_for_one);
  spec.intensity = 2;
  auto sup = test::runtime().supervise(spec);
  const int sibling = *sup.which_child("a")->pid;
  for (int restart = 0; restart < 2; ++restart) {
    test::kill_child(sup, "b");
    events.wait_for_restart("b");
    CHECK(sup.which_child("a")->pid == sibling);
  }
  test::kill_child(sup, "b");
  CHECK(sup.wait(1h).has_value());
  CHECK(test::ended({sibling}, 0ms));
  oracle.check();
}

TEST_CASE("supervisor_SUITE: one_for_one_escalation - a child that can't restart ends all",
          "[process][supervisor][otp]") {
  const test::ledger notes;
  const test::oracle oracle;
  auto spec = three(restart_strategy::one_for_one);
  spec.intensity = 4;
  spec.children.push_back(failing_spec(notes, 1, test::all_but_the_first()));
  auto sup = test::runtime().supervise(spec);
  const auto pids = test::pids(sup);
  test::kill_process(pids.back());
  CHECK(sup.wait(1h).has_value());
  CHECK(notes.sequence().size() == 5);  // one start, four restarts
  CHECK(test::ended(pids, 0ms));
  oracle.check();
}

TEST_CASE("supervisor_SUITE: one_for_all_other_child_fails_restart - the first is taken down again",
          "[process][supervisor][otp]") {
  const test::ledger notes;
  const test::oracle oracle;
  test::event_log events;
  troupe::supervisor_spec spec;
  spec.strategy = restart_strategy::one_for_all;
  spec.intensity = 5;
  spec.children = {failing_spec(notes, 1), failing_spec(notes, 2, {2}), failing_spec(notes, 3)};
  auto sup = test::runtime().supervise(spec);
  test::kill_child(sup, "1");
  events.wait_for(kind::ready, "3");
  events.wait_for(kind::ready, "3");
  CHECK(notes.sequence() == sequence{1, 2, 3, 1, 2, 1, 2, 3});
  CHECK(test::states(sup) == "1 running, 2 running, 3 running");
  sup.stop();
  oracle.check();
}

TEST_CASE(
    "supervisor_SUITE: rest_for_one_other_child_fails_restart - the first is not restarted twice",
    "[process][supervisor][otp]") {
  const test::ledger notes;
  const test::oracle oracle;
  test::event_log events;
  troupe::supervisor_spec spec;
  spec.strategy = restart_strategy::rest_for_one;
  spec.intensity = 5;
  spec.children = {failing_spec(notes, 1), failing_spec(notes, 2, {2}), failing_spec(notes, 3)};
  auto sup = test::runtime().supervise(spec);
  test::kill_child(sup, "1");
  events.wait_for(kind::ready, "3");
  events.wait_for(kind::ready, "3");
  CHECK(notes.sequence() == sequence{1, 2, 3, 1, 2, 2, 3});
  sup.stop();
  oracle.check();
}

TEST_CASE("supervisor_SUITE: sup_stop_brutal_kill_dynamic - dynamic children may be killed at once",
          "[process][supervisor][otp]") {
  const test::oracle oracle;
  test::event_log events;
  auto spec = dynamic();
  spec.children[0].shutdown = troupe::brutal_kill;
  auto sup = test::runtime().supervise(spec);
  for (const auto& c : sup.start_children(std::vector(10, troupe::run(test::patient))))
    test::runtime().self()->send(sup.child(c.key), "hang");
  const auto pids = test::pids(sup);
  sup.stop();
  CHECK(test::ended(pids, 0ms));
  oracle.check();
}

TEST_CASE("supervisor_SUITE: sup_stop_race - children that end by themselves don't disturb a stop",
          "[process][supervisor][otp]") {
  const test::oracle oracle;
  const std::vector<std::string> ways{"quit", "quit as asked", "quit with an error", "exit 1",
                                      "kill"};
  for (const auto type :
       {restart_type::permanent, restart_type::transient, restart_type::temporary}) {
    for (const bool is_dynamic : {false, true}) {
      auto spec = is_dynamic ? dynamic(type) : troupe::supervisor_spec{};
      spec.intensity = 100;
      if (!is_dynamic)
        for (std::size_t i = 0; i < ways.size(); ++i)
          spec.children.push_back(patient_spec(std::to_string(i), type));
      auto sup = test::runtime().supervise(spec);
      if (is_dynamic) sup.start_children(std::vector(ways.size(), troupe::run(test::patient)));
      auto way = ways.begin();
      for (const auto& c : sup.which_children()) {
        test::runtime().self()->send(sup.child(c.key), *way++);
      }
      test::runtime().flush();
      sup.stop();
      CHECK_FALSE(sup.running());
    }
  }
  oracle.check();
}

TEST_CASE("supervisor_SUITE: tree - static children come back with their supervisor, dynamic don't",
          "[process][supervisor][otp]") {
  const test::oracle oracle;
  test::event_log events;
  const auto supervisor_child = [](const std::string& id, troupe::supervisor_spec below) {
    auto spec = test::nested(id, std::move(below));
    spec.restart = restart_type::transient;
    return spec;
  };
  troupe::supervisor_spec fixed;
  fixed.children = {patient_spec("x")};
  troupe::supervisor_spec spec;
  spec.strategy = restart_strategy::one_for_all;
  spec.intensity = 4;
  spec.children = {patient_spec("a"), supervisor_child("fixed", fixed),
                   supervisor_child("dynamic", dynamic())};
  auto sup = test::runtime().supervise(spec);
  sup.nested("dynamic").start_children(std::vector(2, troupe::run(test::patient)));
  sup.nested("fixed").start_child(patient_spec("added"));
  CHECK(count(sup) == test::counts{3, 3, 2, 1});
  test::kill_child(sup, "a");
  events.wait_for_restart("a", "dynamic");
  CHECK(count(sup) == test::counts{3, 3, 2, 1});
  CHECK(test::states(sup.nested("fixed")) == "x running");
  CHECK(count(sup.nested("dynamic")) == test::counts{1, 0, 0, 0});
  // One that was stopped is started again with the others.
  sup.terminate_child("fixed");
  CHECK(test::states(sup) == "a running, fixed down, dynamic running");
  test::kill_child(sup, "a");
  events.wait_for_restart("a", "dynamic");
  CHECK(test::states(sup) == "a running, fixed running, dynamic running");
  sup.stop();
  oracle.check();
}

TEST_CASE("supervisor_SUITE: temporary_bystander - it goes with the others, and stays away",
          "[process][supervisor][otp]") {
  const test::oracle oracle;
  const auto strategy = GENERATE(restart_strategy::one_for_all, restart_strategy::rest_for_one);
  test::event_log events;
  troupe::supervisor_spec spec;
  spec.strategy = strategy;
  spec.children = {patient_spec("a"), patient_spec("t", restart_type::temporary),
                   patient_spec("b")};
  auto sup = test::runtime().supervise(spec);
  const int temporary = *sup.which_child("t")->pid;
  const auto handle = sup.child("t");
  test::kill_child(sup, "a");
  events.wait_for_restart("a", "b");
  CHECK(test::states(sup) == "a running, b running");
  CHECK(test::ended({temporary}, 0ms));
  CHECK(test::outcome_of(handle, 1) == "stopped");
  sup.stop();
  oracle.check();
}

TEST_CASE("supervisor_SUITE: significant_transient - the good end of a significant child ends all",
          "[process][supervisor][otp]") {
  const test::oracle oracle;
  const bool any = GENERATE(true, false);
  test::event_log events;
  auto spec = three(restart_strategy::one_for_one);
  spec.auto_shutdown =
      any ? auto_shutdown_mode::any_significant : auto_shutdown_mode::all_significant;
  for (const auto i : {1U, 2U}) {
    spec.children[i].restart = restart_type::transient;
    spec.children[i].significant = true;
  }
  auto sup = test::runtime().supervise(spec);
  test::kill_child(sup, "b");  // restarted
  events.wait_for_restart("b");
  const auto pids = test::pids(sup);
  test::runtime().self()->send(sup.child("b"), "quit");
  if (!any) {
    events.wait_for(kind::exited, "b");
    CHECK(sup.running());
    test::runtime().self()->send(sup.child("c"), "quit");
  }
  const auto why = sup.wait(1h);
  REQUIRE(why.has_value());
  CHECK(test::contains(*why, any ? "significant child b" : "significant child c"));
  CHECK(test::ended(pids, 0ms));
  oracle.check();
}

TEST_CASE("supervisor_SUITE: significant_escalation - one that shut down may end the one above it",
          "[process][supervisor][otp]") {
  const test::oracle oracle;
  const bool significant = GENERATE(true, false);
  test::event_log events;
  troupe::supervisor_spec below;
  below.auto_shutdown = auto_shutdown_mode::any_significant;
  below.children = {patient_spec("x", restart_type::transient)};
  below.children[0].significant = true;
  troupe::supervisor_spec spec;
  spec.auto_shutdown = auto_shutdown_mode::any_significant;
  auto sub = test::nested("sub", below);
  sub.restart = restart_type::transient;
  sub.significant = significant;
  spec.children = {patient_spec("a"), sub};
  auto sup = test::runtime().supervise(spec);
  test::runtime().self()->send(sup.nested("sub").child("x"), "quit");
  if (significant) {
    CHECK(sup.wait(1h).has_value());
  } else {
    events.wait_for(kind::exited, "sub");
    CHECK(test::states(sup) == "a running, sub down");
    sup.stop();
  }
  oracle.check();
}

TEST_CASE("supervisor_SUITE: count_restarting_children - not active, but still a worker",
          "[process][supervisor][otp]") {
  const test::ledger notes;
  const test::oracle oracle;
  test::event_log events;
  auto spec = dynamic();
  spec.intensity = 10;
  spec.children[0].back_off = troupe::backoff{1h, 1h, 1.0, 0.0, 2h};
  auto sup = test::runtime().supervise(spec);
  const auto started = sup.start_children(std::vector(3, troupe::run(test::patient)));
  CHECK(count(sup) == test::counts{1, 3, 0, 3});
  for (const auto& c : {started[0], started[1]}) {
    const std::string path = "worker#" + std::to_string(c.key);
    for (int kill = 0; kill < 2; ++kill) {
      const auto all = sup.which_children();
      for (const auto& now : all)
        if (now.key == c.key) test::kill_process(*now.pid);
      events.wait_for(kind::exited, path);
      if (kill == 0) events.wait_for(kind::ready, path);
    }
  }
  CHECK(count(sup) == test::counts{1, 1, 0, 3});
  for (const auto& c : {started[0], started[1]}) sup.terminate_child(c.key);
  CHECK(count(sup) == test::counts{1, 1, 0, 1});
  sup.stop();
  oracle.check();
}

TEST_CASE("supervisor_SUITE: code_change - other flags and specs apply to what runs",
          "[process][supervisor][otp]") {
  const test::oracle oracle;
  test::event_log events;
  auto spec = three(restart_strategy::one_for_one);
  auto sup = test::runtime().supervise(spec);
  const auto before = test::pids(sup);
  spec.strategy = restart_strategy::one_for_all;
  spec.intensity = 7;
  spec.children.erase(spec.children.begin());      // a stays
  spec.children.push_back(patient_spec("added"));  // is not started
  sup.change(spec);
  CHECK(test::states(sup) == "b running, c running, added down, a running");
  CHECK(sup.which_child("a")->pid == before[0]);
  sup.restart_child("added");
  test::kill_child(sup, "c");
  events.wait_for_restart("c", "a");
  CHECK(test::states(sup) == "b running, c running, added running, a running");
  for (const auto& c : sup.which_children())
    CHECK(std::find(before.begin(), before.end(), c.pid) == before.end());
  spec.intensity = -1;
  CHECK(outcome_of_call([&] { sup.change(spec); }) == "bad_spec");
  sup.stop();
  oracle.check();
}

TEST_CASE("DynamicSupervisor: with max_children - it refuses more, and counts those that restart",
          "[process][supervisor][otp]") {
  const test::oracle oracle;
  test::event_log events;
  auto spec = dynamic();
  spec.max_children = 2;
  auto sup = test::runtime().supervise(spec);
  const auto a = sup.start_child(troupe::run(test::patient));
  sup.start_child(troupe::run(test::patient));
  CHECK(outcome_of_call([&] { sup.start_child(troupe::run(test::patient)); }) == "max_children");
  test::kill_process(*a.pid);
  const std::string path = "worker#" + std::to_string(a.key);
  events.wait_for(kind::exited, path);
  CHECK(outcome_of_call([&] { sup.start_child(troupe::run(test::patient)); }) == "max_children");
  events.wait_for(kind::ready, path);
  sup.terminate_child(a.key);
  CHECK(outcome_of_call([&] { sup.start_child(troupe::run(test::patient)); }) == "value");
  sup.stop();
  oracle.check();
}

TEST_CASE("DynamicSupervisor: supports new child spec - all of it counts, so it needs an id",
          "[process][supervisor][otp]") {
  const test::oracle oracle;
  test::event_log events;
  auto sup = test::runtime().supervise(dynamic());  // of permanent children
  const auto once = sup.start_child(patient_spec("own", restart_type::temporary));
  test::kill_process(*once.pid);
  events.wait_for(kind::exited, "own#" + std::to_string(once.key));
  CHECK(count(sup) == test::counts{1, 0, 0, 0});
  CHECK(outcome_of_call([&] { sup.start_child(patient_spec("")); }) == "bad_spec");
  sup.stop();
  oracle.check();
}

TEST_CASE("DynamicSupervisor: terminates with mixed children - each in its own way",
          "[process][supervisor][otp]") {
  const test::oracle oracle;
  auto sup = test::runtime().supervise(dynamic());
  std::vector<int> pids;
  const std::vector<troupe::shutdown_limit> limits{troupe::brutal_kill, troupe::infinity, 50ms, 5s};
  for (std::size_t i = 0; i < 8; ++i) {
    auto spec =
        patient_spec("worker", i % 2 == 0 ? restart_type::temporary : restart_type::permanent);
    spec.shutdown = limits[i % 4];
    pids.push_back(*sup.start_child(spec).pid);
  }
  sup.stop();
  CHECK(test::ended(pids, 0ms));
  oracle.check();
}

TEST_CASE("DynamicSupervisor: terminates restarting child - and what waited for it is answered",
          "[process][supervisor][otp]") {
  const test::oracle oracle;
  test::event_log events;
  auto spec = dynamic();
  spec.intensity = 10;
  spec.children[0].back_off = troupe::backoff{1h, 1h, 1.0, 0.0, 2h};
  auto sup = test::runtime().supervise(spec);
  const auto a = sup.start_child(troupe::run(test::patient));
  const auto handle = sup.child(a.key);
  const std::string path = "worker#" + std::to_string(a.key);
  for (int kill = 0; kill < 2; ++kill) {
    test::kill_process(test::ask(handle, caf::get_atom_v));
    events.wait_for(kind::exited, path);
  }
  auto waits = test::runtime().self()->request(handle, caf::infinite, 1);
  sup.terminate_child(a.key);
  waits.receive([](int) { FAIL("answered"); },
                [](const caf::error& e) { CHECK(e == troupe::errc::stopped); });
  CHECK(count(sup) == test::counts{1, 0, 0, 0});
  sup.stop();
  oracle.check();
}

TEST_CASE("SupervisionSpec: restart after exponential backoff - messages wait for it",
          "[process][supervisor][otp]") {
  const test::oracle oracle;
  test::event_log events;
  auto child = patient_spec("a");
  child.back_off = troupe::backoff{2ms, 10ms, 2.0, 0.0, 1h};
  troupe::supervisor_spec spec;
  spec.intensity = 10;
  spec.children = {child};
  auto sup = test::runtime().supervise(spec);
  const auto handle = sup.child("a");
  std::vector<std::chrono::nanoseconds> delays;
  for (int kill = 0; kill < 5; ++kill) {
    test::kill_process(test::ask(handle, caf::get_atom_v));  // waits while it is down
    events.wait_for(kind::exited, "a");
    delays.push_back(events.wait_for(kind::restarting, "a").delay);
  }
  CHECK(delays == std::vector<std::chrono::nanoseconds>{0ms, 2ms, 4ms, 8ms, 10ms});
  CHECK(test::ask(handle, 9) == 9);
  sup.stop();
  oracle.check();
}

TEST_CASE("SupervisionSpec: reset exponential backoff count after reset timeout - back to none",
          "[process][supervisor][otp]") {
  const test::oracle oracle;
  test::event_log events;
  auto child = patient_spec("a");
  child.back_off = troupe::backoff{1ms, 10ms, 2.0, 0.0, 1ns};
  troupe::supervisor_spec spec;
  spec.intensity = 10;
  spec.children = {child};
  auto sup = test::runtime().supervise(spec);
  for (int kill = 0; kill < 4; ++kill) {
    test::kill_process(test::ask(sup.child("a"), caf::get_atom_v));
    events.wait_for(kind::exited, "a");
    CHECK(events.wait_for(kind::restarting, "a").delay == 0s);  // it was healthy for long enough
  }
  sup.stop();
  oracle.check();
}
