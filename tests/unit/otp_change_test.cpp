// Cases of OTP's supervisor_SUITE about new specs for a supervisor that runs (code_change).
#include <support/catch.hpp>
#include <support/fake_supervisor.hpp>

using namespace std::chrono_literals;
using namespace test;
using troupe::brutal_kill;
using troupe::restart_strategy;
using troupe::policy::end_reason;
using troupe::policy::outcome;
using lines = std::vector<std::string>;

namespace {

troupe::child_spec child(std::string id, troupe::shutdown_limit shutdown) {
  auto c = test::child(std::move(id));
  c.shutdown = shutdown;
  return c;
}

}  // namespace

TEST_CASE("supervisor_SUITE: code_change - flags and children of a running supervisor change",
          "[policy][otp]") {
  fake_supervisor sup{{.intensity = 0, .period = 1s}};
  sup.start();
  CHECK(sup.result(sup.change({.intensity = 1, .period = 3s})) == outcome::ok);
  CHECK(sup.decisions().flags().intensity == 1);
  CHECK(sup.decisions().flags().period == 3s);

  auto faulty = test::child("child1");
  faulty.start = nullptr;
  const auto refused = sup.change({.intensity = 7, .children = {faulty}});
  CHECK(sup.result(refused) == outcome::bad_spec);
  CHECK(sup.answered(refused)->faults[0].child == "child1");
  CHECK(sup.decisions().flags().intensity == 1);
  CHECK(sup.result(sup.change({.intensity = -1})) == outcome::bad_spec);

  // Added children are not started.
  CHECK(sup.result(sup.change({.children = {child("child1", 2s), child("child2", brutal_kill)}})) ==
        outcome::ok);
  CHECK(sup.children() == lines{"child1 undefined", "child2 undefined"});
  CHECK(sup.result(sup.restart_child("child1")) == outcome::ok);
  CHECK(sup.result(sup.restart_child("child2")) == outcome::ok);

  // child1 changes, child3 is new, child2 is left out and stays.
  CHECK(sup.result(sup.change({.children = {child("child1", 1s), child("child3", brutal_kill)}})) ==
        outcome::ok);
  CHECK(sup.children() == lines{"child1 1", "child3 undefined", "child2 2"});
  sup.did();
  sup.stop();
  CHECK(sup.did({"stop ", "kill "}) == lines{"kill child2", "stop child1"});
}

TEST_CASE("supervisor_SUITE: code_change_map - the new spec of a child is the one that counts",
          "[policy][otp]") {
  fake_supervisor sup{{.children = {child("child1", 2s)}}};
  sup.start();
  CHECK(sup.decisions().which_child("child1")->spec->shutdown == troupe::shutdown_limit{2s});
  auto changed = child("child1", 1s);
  changed.restart = troupe::restart_type::transient;
  CHECK(sup.result(sup.change({.children = {changed}})) == outcome::ok);
  CHECK(sup.decisions().which_child("child1")->spec->shutdown == troupe::shutdown_limit{1s});
  CHECK(sup.children() == lines{"child1 1"});
  sup.die("child1", normal);
  CHECK(sup.children() == lines{"child1 undefined"});
}

TEST_CASE("supervisor_SUITE: code_change_simple - the pattern of a dynamic supervisor changes",
          "[policy][otp]") {
  const auto dynamic = restart_strategy::dynamic;
  fake_supervisor sup{{.strategy = dynamic, .children = {child("child1", brutal_kill)}}};
  sup.start();
  const auto old = sup.started(sup.start_child());
  CHECK(sup.result(sup.change({.strategy = dynamic, .children = {child("child1", 1s)}})) ==
        outcome::ok);
  CHECK(sup.decisions().which_child(old)->spec->shutdown == troupe::shutdown_limit{1s});
  CHECK(sup.result(sup.change(
            {.strategy = dynamic, .children = {test::child("child1"), test::child("child2")}})) ==
        outcome::bad_spec);
  CHECK(sup.result(sup.change({.strategy = dynamic})) == outcome::bad_spec);
  CHECK(sup.children() == lines{"#1 1"});
}

TEST_CASE("supervisor_SUITE: code_change_simple_map - it can't cease to be dynamic",
          "[policy][otp]") {
  const auto dynamic = restart_strategy::dynamic;
  fake_supervisor sup{{.strategy = dynamic, .children = {test::child("child1")}}};
  sup.start();
  CHECK(sup.result(sup.change({.children = {test::child("child1")}})) == outcome::bad_spec);
  CHECK(sup.result(sup.change({.strategy = dynamic, .children = {child("child1", 1s)}})) ==
        outcome::ok);
  const auto key = sup.started(sup.start_child());
  CHECK(sup.decisions().which_child(key)->spec->shutdown == troupe::shutdown_limit{1s});

  fake_supervisor other{{}};
  other.start();
  CHECK(other.result(other.change({.strategy = dynamic, .children = {test::child("child1")}})) ==
        outcome::bad_spec);
}

TEST_CASE("a change does not keep what a temporary child was started with",
          "[policy][supervision]") {
  auto once = test::child("once", troupe::restart_type::temporary);
  fake_supervisor sup{{.children = {once}}};
  sup.start();
  auto start = std::make_shared<const troupe::child_start>();
  const std::weak_ptr<const troupe::child_start> kept = start;
  once.start = std::move(start);
  CHECK(sup.result(sup.change({.children = {std::move(once)}})) == outcome::ok);
  CHECK(kept.expired());
}
