// Cases of Elixir's dynamic_supervisor_test.exs. docs/otp-conformance.md lists them.
#include <support/catch.hpp>
#include <support/fake_supervisor.hpp>

using namespace std::chrono_literals;
using namespace test;
using troupe::restart_type;
using troupe::policy::end_reason;
using troupe::policy::outcome;
using troupe::policy::validate;
using lines = std::vector<std::string>;
using counts = std::vector<std::size_t>;

namespace {

troupe::supervisor_spec dynamic(int intensity = 3, std::optional<std::size_t> most = {}) {
  return {.strategy = troupe::restart_strategy::dynamic,
          .intensity = intensity,
          .max_children = most,
          .children = {child("pattern")}};
}

constexpr int many = 100'000;

bool gave_up(const fake_supervisor& sup) {
  return sup.finished() && sup.finished()->reason == end_reason::gave_up && sup.processes() == 0;
}

/// How three children end that share a way to be stopped.
lines stopped(troupe::shutdown_limit limit, const fake_script& script) {
  fake_supervisor sup{dynamic()};
  sup.start();
  sup.script("child") = script;
  auto c = child("child");
  c.shutdown = limit;
  for (int i = 0; i < 3; ++i) sup.start_child(c);
  sup.stop();
  sup.pass();
  CHECK(sup.finished());
  return sup.did({"stopped", "killed"});
}

}  // namespace

TEST_CASE("DynamicSupervisor: can be supervised directly - it starts without children",
          "[policy][elixir]") {
  fake_supervisor sup{dynamic()};
  sup.start();
  CHECK(sup.decisions().is_running());
  CHECK(sup.children().empty());
}

TEST_CASE("DynamicSupervisor: set default options - no limit to the number of children",
          "[policy][elixir]") {
  const troupe::supervisor_spec spec;
  CHECK_FALSE(spec.max_children);
  CHECK_FALSE(spec.pace);
}

TEST_CASE("DynamicSupervisor: with non-ok init - what is wrong with its flags is found",
          "[policy][elixir]") {
  auto spec = dynamic(-1);
  CHECK(validate(spec)[0].field == "intensity");
  spec = dynamic();
  spec.period = 0s;
  CHECK(validate(spec)[0].field == "period");
  spec = dynamic();
  spec.auto_shutdown = troupe::auto_shutdown_mode::any_significant;
  CHECK(validate(spec)[0].field == "auto_shutdown");
  CHECK(validate({.max_children = 3})[0].field == "max_children");
}

TEST_CASE("DynamicSupervisor: code_change with non-ok init - faulty flags change nothing",
          "[policy][elixir]") {
  fake_supervisor sup{dynamic()};
  sup.start();
  CHECK(sup.result(sup.change(dynamic(-1))) == outcome::bad_spec);
  CHECK(sup.decisions().flags().intensity == 3);
}

TEST_CASE("DynamicSupervisor: code_change with ok init - a new limit counts from now on",
          "[policy][elixir]") {
  fake_supervisor sup{dynamic()};
  sup.start();
  sup.start_child();
  CHECK(sup.result(sup.change(dynamic(3, 1))) == outcome::ok);
  CHECK(sup.counts() == counts{1, 1, 0, 1});
  CHECK(sup.result(sup.start_child()) == outcome::max_children);
}

TEST_CASE("DynamicSupervisor: supports new child spec - each child may have a spec of its own",
          "[policy][elixir]") {
  fake_supervisor sup{dynamic()};
  sup.start();
  const auto key = sup.started(sup.start_child(child("task", restart_type::temporary)));
  CHECK(sup.decisions().which_child(key)->spec->id == "task");
  // Ids of dynamic children need not differ.
  CHECK(sup.result(sup.start_child(child("task", restart_type::temporary))) == outcome::ok);
}

TEST_CASE("DynamicSupervisor: with invalid child spec - it is refused with all that is wrong",
          "[policy][elixir]") {
  fake_supervisor sup{dynamic()};
  sup.start();
  auto bad = child("");
  bad.start = nullptr;
  bad.shutdown = -1s;
  bad.significant = true;
  const auto call = sup.start_child(bad);
  REQUIRE(sup.result(call) == outcome::bad_spec);
  lines fields;
  for (const auto& f : sup.answered(call)->faults) fields.push_back(f.field);
  CHECK(fields == lines{"id", "start", "shutdown", "significant", "significant"});
  CHECK(sup.counts() == counts{1, 0, 0, 0});
}

TEST_CASE("DynamicSupervisor: with different returns - ok, ignore or an error",
          "[policy][elixir]") {
  fake_supervisor sup{dynamic()};
  sup.start();
  CHECK(sup.result(sup.start_child()) == outcome::ok);
  sup.script("pattern").when_started = fake_script::start::ignore;
  CHECK(sup.result(sup.start_child()) == outcome::ignored);
  sup.script("pattern").when_started = fake_script::start::fail;
  CHECK(sup.result(sup.start_child()) == outcome::start_failed);
  CHECK(sup.counts() == counts{1, 1, 0, 1});
}

TEST_CASE("DynamicSupervisor: with throw/error/exit - however a start fails, the answer says so",
          "[policy][elixir]") {
  fake_supervisor sup{dynamic()};
  sup.start();
  sup.script("pattern").when_started = fake_script::start::fail;
  for (const auto& how : {abnormal, killed, normal}) {
    sup.script("pattern").failed = how;
    const auto call = sup.start_child();
    CHECK(sup.result(call) == outcome::start_failed);
    CHECK(sup.answered(call)->how == how);
  }
}

TEST_CASE("DynamicSupervisor: with max_children - one more than the limit is refused",
          "[policy][elixir]") {
  fake_supervisor none{dynamic(3, 0)};
  none.start();
  CHECK(none.result(none.start_child()) == outcome::max_children);
  CHECK(none.result(none.start_child(child("own"))) == outcome::max_children);
  fake_supervisor two{dynamic(3, 2)};
  two.start();
  CHECK(two.result(two.start_child()) == outcome::ok);
  const auto second = two.started(two.start_child());
  CHECK(two.result(two.start_child()) == outcome::max_children);
  two.terminate_child(second);
  CHECK(two.result(two.start_child()) == outcome::ok);
}

TEST_CASE("DynamicSupervisor: temporary child is not restarted regardless of reason",
          "[policy][elixir]") {
  fake_supervisor sup{dynamic()};
  sup.start();
  for (const auto& how : {asked_to, abnormal}) {
    sup.die(sup.started(sup.start_child(child("c", restart_type::temporary))), how);
    CHECK(sup.counts() == counts{1, 0, 0, 0});
  }
}

TEST_CASE("DynamicSupervisor: transient child is restarted unless normal/shutdown/{shutdown, _}",
          "[policy][elixir]") {
  fake_supervisor sup{dynamic()};
  sup.start();
  for (const auto& how : {asked_to, normal}) {
    sup.die(sup.started(sup.start_child(child("c", restart_type::transient))), how);
    CHECK(sup.counts() == counts{1, 0, 0, 0});
  }
  sup.die(sup.started(sup.start_child(child("c", restart_type::transient))), abnormal);
  CHECK(sup.counts() == counts{1, 1, 0, 1});
}

TEST_CASE("DynamicSupervisor: permanent child is restarted regardless of reason",
          "[policy][elixir]") {
  fake_supervisor sup{dynamic(many)};
  sup.start();
  std::size_t n = 0;
  for (const auto& how : {asked_to, normal, abnormal}) {
    sup.die(sup.started(sup.start_child()), how);
    ++n;
    CHECK(sup.counts() == counts{1, n, 0, n});
  }
}

TEST_CASE("DynamicSupervisor: child is restarted with different values - ok, ignore, error",
          "[policy][elixir]") {
  fake_supervisor sup{dynamic(many)};
  sup.start();
  sup.die(sup.started(sup.start_child()), asked_to);
  CHECK(sup.counts() == counts{1, 1, 0, 1});

  const auto ignores = sup.started(sup.start_child(child("ignores")));
  sup.script("ignores").when_started = fake_script::start::ignore;
  sup.die(ignores, asked_to);
  CHECK(sup.counts() == counts{1, 1, 0, 1});

  // A restart that fails is tried again and again.
  const auto fails = sup.started(sup.start_child(child("fails")));
  sup.script("fails").when_started = fake_script::start::fail;
  sup.script("fails").start_takes = 1s;
  sup.die(fails, asked_to);
  sup.pass(5s);
  CHECK(sup.counts() == counts{1, 1, 0, 2});
  CHECK(sup.children() == lines{"#1 2", "#3 restarting"});
}

TEST_CASE("DynamicSupervisor: restarting on init children counted in max_children",
          "[policy][elixir]") {
  fake_supervisor sup{dynamic(many, 1)};
  sup.start();
  const auto key = sup.started(sup.start_child());
  sup.script("pattern").when_started = fake_script::start::hang;
  sup.die(key, asked_to);
  CHECK(sup.counts() == counts{1, 0, 0, 1});
  CHECK(sup.result(sup.start_child()) == outcome::max_children);
}

TEST_CASE("DynamicSupervisor: restarting on exit children counted in max_children",
          "[policy][elixir]") {
  fake_supervisor sup{dynamic(many, 1)};
  sup.start();
  sup.die(sup.started(sup.start_child()), asked_to);
  CHECK(sup.counts() == counts{1, 1, 0, 1});
  CHECK(sup.result(sup.start_child()) == outcome::max_children);
}

TEST_CASE("DynamicSupervisor: child is restarted when trying again - the second attempt may do",
          "[policy][elixir]") {
  fake_supervisor sup{dynamic(2)};
  sup.start();
  const auto key = sup.started(sup.start_child());
  sup.script("pattern").when_started = fake_script::start::fail;
  sup.script("pattern").start_takes = 1s;
  sup.die(key, asked_to);
  sup.script("pattern") = {};
  sup.pass(1s);
  CHECK(sup.children() == lines{"#1 3"});
}

TEST_CASE("DynamicSupervisor: child triggers maximum restarts", "[policy][elixir]") {
  fake_supervisor sup{dynamic(1)};
  sup.start();
  const auto key = sup.started(sup.start_child());
  sup.script("pattern").when_started = fake_script::start::fail;
  sup.die(key, asked_to);
  CHECK(gave_up(sup));
}

TEST_CASE("DynamicSupervisor: child triggers maximum intensity when trying again",
          "[policy][elixir]") {
  fake_supervisor sup{dynamic(10)};
  sup.start();
  const auto key = sup.started(sup.start_child());
  sup.script("pattern").when_started = fake_script::start::fail;
  sup.did();
  sup.die(key, asked_to);
  CHECK(gave_up(sup));
  CHECK(sup.did({"start "}).size() == 10);
}

TEST_CASE("DynamicSupervisor: with valid shutdown - 0 and more are times", "[policy][elixir]") {
  fake_supervisor sup{dynamic()};
  sup.start();
  for (const auto time : {0s, 1s}) {
    auto c = child("c");
    c.shutdown = time;
    CHECK(sup.result(sup.start_child(c)) == outcome::ok);
  }
}

TEST_CASE("DynamicSupervisor: with invalid valid shutdown - less than 0 is none",
          "[policy][elixir]") {
  fake_supervisor sup{dynamic()};
  sup.start();
  auto c = child("c");
  c.shutdown = -1s;
  const auto call = sup.start_child(c);
  REQUIRE(sup.result(call) == outcome::bad_spec);
  CHECK(sup.answered(call)->faults[0].sentence == "Child 'c': shutdown must not be negative");
}

TEST_CASE("DynamicSupervisor: terminates children with brutal kill", "[policy][elixir]") {
  CHECK(stopped(troupe::brutal_kill, {}) == lines{"killed #3", "killed #2", "killed #1"});
}

TEST_CASE("DynamicSupervisor: terminates children with infinity shutdown", "[policy][elixir]") {
  CHECK(stopped(troupe::infinity, {.stop_takes = 24h}) ==
        lines{"stopped #3", "stopped #2", "stopped #1"});
}

TEST_CASE("DynamicSupervisor: terminates children with infinity shutdown and abnormal reason",
          "[policy][elixir]") {
  CHECK(stopped(troupe::infinity, {.stopped = abnormal}).size() == 3);
}

TEST_CASE("DynamicSupervisor: terminates children with integer shutdown", "[policy][elixir]") {
  CHECK(stopped(1s, {}) == lines{"stopped #3", "stopped #2", "stopped #1"});
}

TEST_CASE("DynamicSupervisor: terminates children with integer shutdown and abnormal reason",
          "[policy][elixir]") {
  CHECK(stopped(1s, {.stopped = abnormal}) == lines{"stopped #3", "stopped #2", "stopped #1"});
}

TEST_CASE("DynamicSupervisor: terminates children with expired integer shutdown",
          "[policy][elixir]") {
  CHECK(stopped(1ms, {.obeys = false}) == lines{"killed #3", "killed #2", "killed #1"});
}

TEST_CASE("DynamicSupervisor: terminates children with permanent restart and normal reason",
          "[policy][elixir]") {
  CHECK(stopped(troupe::infinity, {.stopped = normal}) ==
        lines{"stopped #3", "stopped #2", "stopped #1"});
}

TEST_CASE("DynamicSupervisor: terminates with mixed children", "[policy][elixir]") {
  fake_supervisor sup{dynamic()};
  sup.start();
  auto patient = child("patient");
  patient.shutdown = troupe::infinity;
  auto brutal = child("brutal");
  brutal.shutdown = troupe::brutal_kill;
  sup.start_child(patient);
  sup.start_child(brutal);
  sup.did();
  sup.stop();
  CHECK(sup.did() == lines{"kill #2", "stop #1", "killed #2", "stopped #1", "finish"});
}

TEST_CASE("DynamicSupervisor: terminates child with brutal kill", "[policy][elixir]") {
  fake_supervisor sup{dynamic()};
  sup.start();
  auto c = child("c");
  c.shutdown = troupe::brutal_kill;
  const auto key = sup.started(sup.start_child(c));
  sup.did();
  CHECK(sup.result(sup.terminate_child(key)) == outcome::ok);
  CHECK(sup.did({"kill"}) == lines{"kill #1", "killed #1"});
  CHECK(sup.counts() == counts{1, 0, 0, 0});
}

TEST_CASE("DynamicSupervisor: terminates child with integer shutdown", "[policy][elixir]") {
  fake_supervisor sup{dynamic()};
  sup.start();
  sup.script("c").obeys = false;
  auto c = child("c");
  c.shutdown = 1s;
  const auto key = sup.started(sup.start_child(c));
  const auto call = sup.terminate_child(key);
  CHECK(sup.answered(call) == nullptr);
  sup.pass(1s);
  CHECK(sup.result(call) == outcome::ok);
  CHECK(sup.counts() == counts{1, 0, 0, 0});
}

TEST_CASE("DynamicSupervisor: terminates restarting child", "[policy][elixir]") {
  fake_supervisor sup{dynamic(many)};
  sup.start();
  const auto key = sup.started(sup.start_child());
  sup.script("pattern").when_started = fake_script::start::hang;
  sup.die(key, asked_to);
  CHECK(sup.result(sup.terminate_child(key)) == outcome::ok);
  CHECK(sup.counts() == counts{1, 0, 0, 0});
  CHECK(sup.processes() == 0);
}
