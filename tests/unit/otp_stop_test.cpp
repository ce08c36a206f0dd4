// Cases of OTP's supervisor_SUITE about stopping, and about order.
#include <support/catch.hpp>
#include <support/fake_supervisor.hpp>

using namespace std::chrono_literals;
using namespace test;
using troupe::brutal_kill;
using troupe::infinity;
using troupe::restart_strategy;
using troupe::restart_type;
using troupe::policy::end_reason;
using troupe::policy::outcome;
using lines = std::vector<std::string>;

namespace {

constexpr auto one_for_one = restart_strategy::one_for_one;
constexpr auto dynamic = restart_strategy::dynamic;
constexpr auto permanent = restart_type::permanent;
constexpr auto transient = restart_type::transient;
constexpr auto temporary = restart_type::temporary;

troupe::child_spec child(std::string id, troupe::shutdown_limit shutdown,
                         restart_type restart = permanent) {
  auto c = test::child(std::move(id), restart);
  c.shutdown = shutdown;
  return c;
}

}  // namespace

TEST_CASE("supervisor_SUITE: sup_stop_infinity - any child may take as long as it likes",
          "[policy][otp]") {
  auto child1 = child("child1", infinity);
  child1.type = troupe::child_type::supervisor;
  fake_supervisor sup{flags(one_for_one, 2, {child1, child("child2", infinity)})};
  sup.script("child2").stop_takes = 10h;
  sup.start();
  sup.stop();
  sup.pass(10h - 1s);
  CHECK_FALSE(sup.finished());
  sup.pass(1s);
  CHECK(sup.did({"stopped", "killed", "finish"}) ==
        lines{"stopped child2", "stopped child1", "finish"});
}

TEST_CASE("supervisor_SUITE: sup_stop_timeout - who takes longer than its time is killed",
          "[policy][otp]") {
  fake_supervisor sup{flags(one_for_one, 2, {child("child1", 1000ms), child("child2", 1000ms)})};
  sup.start();
  sup.script("child2").obeys = false;
  sup.die("child2");  // the script is that of a process from its start
  sup.did();
  sup.stop();
  sup.pass(999ms);
  CHECK(sup.did() == lines{"stop child2"});
  sup.pass(1ms);
  CHECK(sup.did() == lines{"killed child2", "stop child1", "stopped child1", "finish"});
}

TEST_CASE("supervisor_SUITE: sup_stop_timeout_dynamic - the same for dynamic children",
          "[policy][otp]") {
  fake_supervisor sup{flags(dynamic, 2, {child("child", 1000ms, temporary)})};
  sup.start();
  sup.start_child();
  sup.script("child").obeys = false;
  sup.start_child();
  sup.did();
  sup.stop();
  CHECK(sup.did() == lines{"stop #2", "stop #1", "stopped #1"});
  sup.pass(1s);
  CHECK(sup.did() == lines{"killed #2", "finish"});
}

TEST_CASE("supervisor_SUITE: sup_stop_brutal_kill - a child may be killed at once",
          "[policy][otp]") {
  fake_supervisor sup{
      flags(one_for_one, 2, {child("child1", 1000ms), child("child2", brutal_kill)})};
  sup.start();
  sup.did();
  sup.stop();
  CHECK(sup.did() ==
        lines{"kill child2", "killed child2", "stop child1", "stopped child1", "finish"});
}

TEST_CASE("supervisor_SUITE: sup_stop_brutal_kill_dynamic - so may dynamic children",
          "[policy][otp]") {
  fake_supervisor sup{flags(dynamic, 2, {child("child", brutal_kill, temporary)})};
  sup.start();
  for (int i = 0; i < 10; ++i) sup.start_child();
  sup.did();
  sup.stop();
  const auto did = sup.did();
  REQUIRE(did.size() == 21);
  for (std::size_t i = 0; i < 10; ++i) {
    CHECK(did[i].starts_with("kill #"));
    CHECK(did[10 + i].starts_with("killed #"));
  }
  CHECK(did.back() == "finish");
}

TEST_CASE("supervisor_SUITE: sup_stop_race - children that end by themselves don't disturb a stop",
          "[policy][otp]") {
  fake_supervisor sup{flags(one_for_one, 2, {child("a", 1s, temporary)})};
  sup.start();
  std::vector<std::pair<std::string, troupe::policy::ending>> others;
  for (const auto restart : {temporary, transient, permanent})
    for (const auto& how : {normal, asked_to, abnormal, killed}) {
      others.emplace_back("child" + std::to_string(others.size()), how);
      REQUIRE(sup.result(sup.start_child(child(others.back().first, 1s, restart))) == outcome::ok);
    }
  sup.script("z").stop_takes = 1s;
  sup.start_child(child("z", 2s, temporary));
  sup.did();
  sup.stop();
  for (const auto& [id, how] : others) sup.die(id, how);
  CHECK(sup.did({"stop ", "start", "restart", "finish"}) == lines{"stop z"});
  sup.pass(1s);
  CHECK(sup.did() == lines{"stopped z", "stop a", "stopped a", "finish"});
  CHECK(sup.finished()->reason == end_reason::stopped);
}

TEST_CASE(
    "supervisor_SUITE: sup_stop_non_shutdown_exit_dynamic - however dynamic children end, it stops",
    "[policy][otp]") {
  for (const auto restart : {temporary, transient, permanent}) {
    fake_supervisor sup{flags(dynamic, 2, {child("child", 5s, restart)})};
    sup.start();
    for (const auto& how : {normal, asked_to, abnormal, killed}) {
      sup.script("child").stopped = how;
      sup.start_child();
    }
    sup.stop();
    REQUIRE(sup.finished());
    CHECK(sup.finished()->reason == end_reason::stopped);
    CHECK(sup.did({"restart"}).empty());
    CHECK(sup.processes() == 0);
  }
}

TEST_CASE("supervisor_SUITE: simple_one_for_one_shutdown - dynamic children stop at the same time",
          "[policy][otp]") {
  fake_supervisor sup{flags(dynamic, 2, {child("child", 2s)})};
  sup.start();
  for (const auto takes : {1s, 1s, 5s}) {
    sup.script("child").stop_takes = takes;
    sup.start_child();
  }
  sup.did();
  sup.stop();
  CHECK(sup.did() == lines{"stop #3", "stop #2", "stop #1"});
  sup.pass(1s);
  CHECK(sup.did() == lines{"stopped #2", "stopped #1"});
  sup.pass(1s);
  CHECK(sup.did() == lines{"killed #3", "finish"});
}

TEST_CASE("supervisor_SUITE: order_of_children - stopped in reverse, also for a rest_for_one",
          "[policy][otp]") {
  fake_supervisor sup{flags(restart_strategy::rest_for_one, 2,
                            {test::child("ch7"), test::child("ch3"), test::child("ch10"),
                             test::child("ch2"), test::child("ch5")})};
  sup.start();
  CHECK(sup.did({"start "}) ==
        lines{"start ch7", "start ch3", "start ch10", "start ch2", "start ch5"});
  sup.die("ch10");
  CHECK(sup.did({"stop ", "start "}) ==
        lines{"stop ch5", "stop ch2", "start ch10", "start ch2", "start ch5"});
  sup.stop();
  CHECK(sup.did({"stop "}) == lines{"stop ch5", "stop ch2", "stop ch10", "stop ch3", "stop ch7"});
}
