// Cases of OTP's supervisor_SUITE about starting, and about specs. docs/otp-conformance.md lists
// all.
#include <support/catch.hpp>
#include <support/fake_supervisor.hpp>

#include <algorithm>

using namespace std::chrono_literals;
using namespace test;
using troupe::brutal_kill;
using troupe::infinity;
using troupe::restart_strategy;
using troupe::restart_type;
using troupe::policy::end_reason;
using troupe::policy::outcome;
using troupe::policy::validate;
using lines = std::vector<std::string>;
using counts = std::vector<std::size_t>;

namespace {

constexpr auto one_for_one = restart_strategy::one_for_one;
constexpr auto dynamic = restart_strategy::dynamic;
constexpr auto temporary = restart_type::temporary;

/// Fields of all faults, in order.
lines faulty(const troupe::supervisor_spec& spec) {
  lines fields;
  for (const auto& f : validate(spec)) fields.push_back(f.field);
  return fields;
}

}  // namespace

TEST_CASE("supervisor_SUITE: sup_start_normal - a supervisor starts, and ends when it is stopped",
          "[policy][otp]") {
  fake_supervisor sup{flags(one_for_one, 2)};
  sup.start();
  CHECK(sup.decisions().is_running());
  sup.stop();
  REQUIRE(sup.finished());
  CHECK(sup.finished()->reason == end_reason::stopped);
}

TEST_CASE("supervisor_SUITE: sup_start_ignore_child - a child that ignores is kept without process",
          "[policy][otp]") {
  fake_supervisor sup{flags(one_for_one, 2)};
  sup.start();
  sup.script("child1").when_started = fake_script::start::ignore;
  CHECK(sup.result(sup.start_child(child("child1"))) == outcome::ignored);
  CHECK(sup.result(sup.start_child(child("child2"))) == outcome::ok);
  CHECK(sup.children() == lines{"child1 undefined", "child2 2"});
  CHECK(sup.counts() == counts{2, 1, 0, 2});
}

TEST_CASE("supervisor_SUITE: sup_start_ignore_temporary_child - it is not kept if temporary",
          "[policy][otp]") {
  fake_supervisor sup{
      flags(one_for_one, 2, {child("child1", temporary), child("child2", temporary)})};
  sup.script("child1").when_started = fake_script::start::ignore;
  sup.start();
  CHECK(sup.decisions().is_running());
  CHECK(sup.children() == lines{"child2 2"});
  CHECK(sup.counts() == counts{1, 1, 0, 1});
}

TEST_CASE(
    "supervisor_SUITE: sup_start_ignore_temporary_child_start_child - nor if start_child added it",
    "[policy][otp]") {
  fake_supervisor sup{flags(one_for_one, 2)};
  sup.start();
  sup.script("child1").when_started = fake_script::start::ignore;
  CHECK(sup.result(sup.start_child(child("child1", temporary))) == outcome::ignored);
  CHECK(sup.result(sup.start_child(child("child2", temporary))) == outcome::ok);
  CHECK(sup.children() == lines{"child2 2"});
  CHECK(sup.counts() == counts{1, 1, 0, 1});
}

TEST_CASE(
    "supervisor_SUITE: sup_start_ignore_temporary_child_start_child_simple - nor if it is dynamic",
    "[policy][otp]") {
  fake_supervisor sup{flags(dynamic, 2, {child("child1", temporary)})};
  sup.start();
  sup.script("child1").when_started = fake_script::start::ignore;
  CHECK(sup.result(sup.start_child()) == outcome::ignored);
  sup.script("child1").when_started = fake_script::start::ready;
  CHECK(sup.result(sup.start_child()) == outcome::ok);
  CHECK(sup.children() == lines{"#2 2"});
  CHECK(sup.counts() == counts{1, 1, 0, 1});
}

TEST_CASE(
    "supervisor_SUITE: sup_start_ignore_permanent_child_start_child_simple - nor a permanent one",
    "[policy][otp]") {
  fake_supervisor sup{flags(dynamic, 2, {child("child1")})};
  sup.start();
  sup.script("child1").when_started = fake_script::start::ignore;
  CHECK(sup.result(sup.start_child()) == outcome::ignored);
  sup.script("child1").when_started = fake_script::start::ready;
  CHECK(sup.result(sup.start_child()) == outcome::ok);
  CHECK(sup.children() == lines{"#2 2"});
  CHECK(sup.counts() == counts{1, 1, 0, 1});
  sup.stop();
  REQUIRE(sup.finished());
  CHECK(sup.finished()->reason == end_reason::stopped);
}

TEST_CASE("supervisor_SUITE: sup_start_child_returns_error - the error comes back, the child goes",
          "[policy][otp]") {
  fake_supervisor sup{flags(one_for_one, 2)};
  sup.start();
  sup.script("").when_started = fake_script::start::fail;
  for (const auto& how : {abnormal, killed, normal}) {
    sup.script("").failed = how;
    const auto call = sup.start_child(child("child1"));
    CHECK(sup.result(call) == outcome::start_failed);
    CHECK(sup.answered(call)->how == how);
    CHECK(sup.children().empty());
  }
}

TEST_CASE(
    "supervisor_SUITE: sup_start_restart_child_returns_error - it stays, down, if it was restarted",
    "[policy][otp]") {
  fake_supervisor sup{flags(one_for_one, 2, {child("child1")})};
  sup.start();
  CHECK(sup.result(sup.terminate_child("child1")) == outcome::ok);
  sup.script("child1").when_started = fake_script::start::fail;
  CHECK(sup.result(sup.restart_child("child1")) == outcome::start_failed);
  CHECK(sup.children() == lines{"child1 undefined"});
}

TEST_CASE("supervisor_SUITE: sup_start_child_returns_error_simple - the same for a dynamic one",
          "[policy][otp]") {
  fake_supervisor sup{flags(dynamic, 2, {child("child1")})};
  sup.start();
  sup.script("child1").when_started = fake_script::start::fail;
  for (const auto& how : {abnormal, killed}) {
    sup.script("child1").failed = how;
    const auto call = sup.start_child();
    CHECK(sup.result(call) == outcome::start_failed);
    CHECK(sup.answered(call)->how == how);
  }
  CHECK(sup.children().empty());
}

TEST_CASE("supervisor_SUITE: sup_start_map - what a spec leaves out has OTP's defaults",
          "[policy][otp]") {
  auto child2 = child("child2");
  child2.shutdown = brutal_kill;
  auto child3 = child("child3");
  child3.type = troupe::child_type::supervisor;
  fake_supervisor sup{{.children = {child("child1"), child2, child3}}};
  sup.start();
  const auto spec = [&](const char* id) { return sup.decisions().which_child(id)->spec; };
  CHECK(spec("child1")->restart == restart_type::permanent);
  CHECK(spec("child1")->type == troupe::child_type::worker);
  CHECK_FALSE(spec("child1")->significant);
  CHECK(spec("child1")->shutdown_or_default() == troupe::shutdown_limit{5s});
  CHECK(spec("child2")->shutdown_or_default() == brutal_kill);
  CHECK(spec("child3")->shutdown_or_default() == infinity);
  CHECK(spec("child1")->start_timeout_or_default() == 10s);
  CHECK(spec("child3")->start_timeout_or_default() == troupe::no_limit);
  CHECK_FALSE(sup.decisions().which_child("child4"));
  CHECK(sup.decisions().flags().strategy == one_for_one);
  CHECK(sup.decisions().flags().intensity == 1);
  CHECK(sup.decisions().flags().period == 5s);
  sup.stop();
  CHECK(sup.finished());
}

TEST_CASE("supervisor_SUITE: sup_start_map_simple - a dynamic child has the spec of the pattern",
          "[policy][otp]") {
  fake_supervisor sup{{.strategy = dynamic, .children = {child("pattern", temporary)}}};
  sup.start();
  for (int i = 0; i < 3; ++i) {
    const auto key = sup.started(sup.start_child());
    const auto spec = sup.decisions().which_child(key)->spec;
    CHECK(spec->id == "pattern");
    CHECK(spec->restart == temporary);
    CHECK(spec->shutdown_or_default() == troupe::shutdown_limit{5s});
  }
  CHECK_FALSE(sup.decisions().which_child(17));
}

TEST_CASE("supervisor_SUITE: sup_start_map_faulty_specs - id and start can't be left out",
          "[policy][otp]") {
  CHECK(faulty({.children = {child("")}}) == lines{"id"});
  auto nothing = child("child2");
  nothing.start = nullptr;
  CHECK(faulty({.children = {nothing}}) == lines{"start"});
  CHECK(faulty({.children = {child("child3")}}).empty());
}

TEST_CASE("supervisor_SUITE: child_specs - what is wrong with a child is found before it starts",
          "[policy][otp]") {
  fake_supervisor sup{flags(one_for_one, 2)};
  sup.start();
  auto b1 = child("child");
  b1.start = nullptr;
  auto b2 = child("child", static_cast<restart_type>(7));
  auto b3 = child("child");
  b3.shutdown = -10ms;
  auto b4 = child("child");
  b4.type = static_cast<troupe::child_type>(7);
  for (const auto& [bad, field] : std::vector<std::pair<troupe::child_spec, std::string>>{
           {b1, "start"}, {b2, "restart"}, {b3, "shutdown"}, {b4, "type"}}) {
    const auto call = sup.start_child(bad);
    REQUIRE(sup.result(call) == outcome::bad_spec);
    REQUIRE(sup.answered(call)->faults.size() == 1);
    CHECK(sup.answered(call)->faults[0].field == field);
    CHECK(faulty({.children = {bad}}) == lines{field});
    CHECK(faulty({.strategy = dynamic, .children = {bad}}) == lines{field});
  }
  CHECK(sup.children().empty());
  CHECK(sup.did({"start "}).empty());

  auto good = child("child");
  good.shutdown = infinity;
  CHECK(faulty({.children = {good}}).empty());
  good.type = troupe::child_type::supervisor;
  CHECK(faulty({.children = {good}}).empty());
  good.shutdown = 1000ms;
  CHECK(faulty({.children = {good}}).empty());
  good.restart = temporary;
  CHECK(faulty({.children = {good}}).empty());

  CHECK(faulty({.children = {child("child"), child("child")}}) == lines{"id"});
  CHECK(faulty({.strategy = dynamic}) == lines{"children"});
  CHECK(faulty({.strategy = dynamic, .children = {child("a"), child("b")}}) == lines{"children"});
}

TEST_CASE("supervisor_SUITE: child_specs_map - what does not go together is found, too",
          "[policy][otp]") {
  auto significant = child("child");
  significant.significant = true;
  CHECK(faulty({.auto_shutdown = troupe::auto_shutdown_mode::any_significant,
                .children = {significant}}) == lines{"significant"});
  significant.restart = restart_type::transient;
  CHECK(faulty({.children = {significant}}) == lines{"significant"});
  CHECK(faulty({.auto_shutdown = troupe::auto_shutdown_mode::any_significant,
                .children = {significant}})
            .empty());

  // All of it at once, each with the child it is about.
  significant.restart = restart_type::permanent;
  significant.shutdown = -1s;
  const auto faults = validate({.intensity = -1, .children = {child("x"), significant}});
  REQUIRE(faults.size() == 4);
  CHECK(faults[0].child.empty());
  CHECK(faults[0].field == "intensity");
  CHECK(faults[1].sentence == "Child 'child': shutdown must not be negative");
  CHECK(std::ranges::all_of(faults.begin() + 1, faults.end(),
                            [](const auto& f) { return f.child == "child"; }));
}

TEST_CASE("supervisor_SUITE: sup_flags - what is wrong with a supervisor is found before it starts",
          "[policy][otp]") {
  CHECK(faulty({.strategy = static_cast<restart_strategy>(7)}) == lines{"strategy"});
  CHECK(faulty({.intensity = -1}) == lines{"intensity"});
  CHECK(faulty({.intensity = 0}).empty());
  CHECK(faulty({.period = 0s}) == lines{"period"});
  CHECK(faulty({.period = -1s}) == lines{"period"});
  CHECK(faulty({.auto_shutdown = static_cast<troupe::auto_shutdown_mode>(7)}) ==
        lines{"auto_shutdown"});
}

TEST_CASE(
    "supervisor_SUITE: faulty_application_shutdown - a child that does not start ends the start",
    "[policy][otp]") {
  fake_supervisor sup{flags(one_for_one, 2, {child("a"), child("b"), child("c"), child("d")})};
  sup.script("c").when_started = fake_script::start::fail;
  sup.script("c").failed = killed;
  const auto c = sup.decisions().which_child("c")->key;
  sup.start();
  CHECK(sup.did() == lines{"start a", "ready a", "start b", "ready b", "start c", "failed c",
                           "stop b", "stopped b", "stop a", "stopped a", "finish"});
  REQUIRE(sup.finished());
  CHECK(sup.finished()->reason == end_reason::start_failed);
  CHECK(sup.finished()->child == c);
  CHECK(sup.finished()->how == killed);
}
