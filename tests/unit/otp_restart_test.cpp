// Cases of OTP's supervisor_SUITE about restarts: restart types, strategies, trees.
#include <support/catch.hpp>
#include <support/fake_supervisor.hpp>

using namespace std::chrono_literals;
using namespace test;
using troupe::restart_strategy;
using troupe::restart_type;
using troupe::policy::end_reason;
using troupe::policy::ending;
using troupe::policy::outcome;
using lines = std::vector<std::string>;
using counts = std::vector<std::size_t>;

namespace {

constexpr auto one_for_one = restart_strategy::one_for_one;
constexpr auto one_for_all = restart_strategy::one_for_all;
constexpr auto rest_for_one = restart_strategy::rest_for_one;
constexpr auto dynamic = restart_strategy::dynamic;
constexpr auto permanent = restart_type::permanent;
constexpr auto transient = restart_type::transient;
constexpr auto temporary = restart_type::temporary;

/// One child of a type ends in a way: what is left of it, and the counts.
void check_end(restart_type type, const ending& how, const lines& left, const counts& counted) {
  fake_supervisor sup{flags(one_for_one, 2)};
  sup.start();
  REQUIRE(sup.result(sup.start_child(child("child1", type))) == outcome::ok);
  sup.die("child1", how);
  CHECK(sup.children() == left);
  CHECK(sup.counts() == counted);
  CHECK_FALSE(sup.finished());
}

const lines restarted{"child1 2"};
const lines kept{"child1 undefined"};
const lines gone{};

bool gave_up(const fake_supervisor& sup) {
  return sup.finished() && sup.finished()->reason == end_reason::gave_up && sup.processes() == 0;
}

/// A child that starts once and never again.
void spoil(fake_supervisor& sup, const std::string& id) {
  sup.script(id).when_started = fake_script::start::fail;
}

}  // namespace

TEST_CASE("supervisor_SUITE: permanent_normal - a permanent child comes back after a good end",
          "[policy][otp]") {
  check_end(permanent, normal, restarted, {1, 1, 0, 1});
}

TEST_CASE("supervisor_SUITE: transient_normal - a transient one does not, its spec stays",
          "[policy][otp]") {
  check_end(transient, normal, kept, {1, 0, 0, 1});
}

TEST_CASE("supervisor_SUITE: temporary_normal - a temporary one does not, nothing stays",
          "[policy][otp]") {
  check_end(temporary, normal, gone, {0, 0, 0, 0});
}

TEST_CASE("supervisor_SUITE: permanent_shutdown - a permanent child comes back if it was shut down",
          "[policy][otp]") {
  check_end(permanent, asked_to, restarted, {1, 1, 0, 1});
}

TEST_CASE("supervisor_SUITE: transient_shutdown - a transient one does not", "[policy][otp]") {
  check_end(transient, asked_to, kept, {1, 0, 0, 1});
  fake_supervisor sup{flags(one_for_one, 2, {child("child1", transient)})};
  sup.start().die("child1", asked_to);
  CHECK(sup.result(sup.restart_child("child1")) == outcome::ok);
  sup.die("child1", asked_to);
  CHECK(sup.children() == kept);
}

TEST_CASE("supervisor_SUITE: temporary_shutdown - nor does a temporary one", "[policy][otp]") {
  check_end(temporary, asked_to, gone, {0, 0, 0, 0});
}

TEST_CASE("supervisor_SUITE: permanent_abnormal - a permanent child comes back after a failure",
          "[policy][otp]") {
  check_end(permanent, abnormal, restarted, {1, 1, 0, 1});
  check_end(permanent, killed, restarted, {1, 1, 0, 1});
}

TEST_CASE("supervisor_SUITE: transient_abnormal - so does a transient one", "[policy][otp]") {
  check_end(transient, abnormal, restarted, {1, 1, 0, 1});
  check_end(transient, killed, restarted, {1, 1, 0, 1});
}

TEST_CASE("supervisor_SUITE: temporary_abnormal - a temporary one does not", "[policy][otp]") {
  check_end(temporary, abnormal, gone, {0, 0, 0, 0});
  check_end(temporary, killed, gone, {0, 0, 0, 0});
}

TEST_CASE("supervisor_SUITE: temporary_bystander - a temporary child is not restarted with others",
          "[policy][otp]") {
  for (const auto strategy : {one_for_all, rest_for_one}) {
    fake_supervisor sup{flags(strategy, 2, {child("child1"), child("child2", temporary)})};
    sup.start();
    sup.did();
    sup.die("child1", normal);
    CHECK(sup.did({"stop ", "start ", "forget"}) ==
          lines{"stop child2", "forget child2", "start child1"});
    CHECK(sup.children() == lines{"child1 3"});
    CHECK_FALSE(sup.finished());
  }
}

TEST_CASE("supervisor_SUITE: multiple_restarts - restarts that are far apart never add up",
          "[policy][otp]") {
  fake_supervisor sup{{.intensity = 1, .period = 1s, .children = {child("child1")}}};
  sup.start();
  for (int i = 0; i < 5; ++i) {
    sup.die("child1");
    sup.pass(2100ms);
  }
  CHECK(sup.children() == lines{"child1 6"});
  CHECK(sup.result(sup.terminate_child("child1")) == outcome::ok);
  CHECK(sup.result(sup.delete_child("child1")) == outcome::ok);
}

TEST_CASE("supervisor_SUITE: one_for_one - only who ended is restarted, until it is too often",
          "[policy][otp]") {
  fake_supervisor sup{flags(one_for_one, 2, {child("child1"), child("child2")})};
  sup.start();
  const int sibling = sup.pid("child2");
  sup.die("child1");
  CHECK(sup.pid("child2") == sibling);
  CHECK(sup.counts() == counts{2, 2, 0, 2});
  sup.die("child2");
  CHECK_FALSE(sup.finished());
  sup.die("child1");
  CHECK(gave_up(sup));
}

TEST_CASE("supervisor_SUITE: one_for_one_escalation - failed restarts count, too",
          "[policy][otp]") {
  fake_supervisor sup{flags(one_for_one, 4, {child("child1"), child("child2")})};
  sup.start();
  spoil(sup, "child1");
  sup.did();
  sup.die("child1");
  CHECK(gave_up(sup));
  CHECK(sup.did({"start ", "stop "}) ==
        lines{"start child1", "start child1", "start child1", "start child1", "stop child2"});
}

TEST_CASE("supervisor_SUITE: one_for_all - all are restarted, until it is too often",
          "[policy][otp]") {
  fake_supervisor sup{flags(one_for_all, 2, {child("child1"), child("child2")})};
  sup.start();
  sup.did();
  sup.die("child1");
  CHECK(sup.did({"stop ", "start "}) == lines{"stop child2", "start child1", "start child2"});
  CHECK(sup.children() == lines{"child1 3", "child2 4"});
  CHECK(sup.counts() == counts{2, 2, 0, 2});
  sup.die("child2");
  CHECK(sup.did({"stop ", "start "}) == lines{"stop child1", "start child1", "start child2"});
  sup.die("child2");
  CHECK(gave_up(sup));
}

TEST_CASE("supervisor_SUITE: one_for_all_escalation - a sibling that fails to restart counts, too",
          "[policy][otp]") {
  fake_supervisor sup{flags(one_for_all, 4, {child("child1"), child("child2")})};
  sup.start();
  spoil(sup, "child2");
  sup.did();
  sup.die("child1");
  CHECK(gave_up(sup));
  CHECK(sup.did({"start child2"}).size() == 4);
}

TEST_CASE(
    "supervisor_SUITE: one_for_all_other_child_fails_restart - who came up goes down once more",
    "[policy][otp]") {
  fake_supervisor sup{flags(one_for_all, 3, {child("child1"), child("child2")})};
  sup.start();
  sup.script("child2").when_started = fake_script::start::hang;
  sup.die("child1");
  CHECK(sup.children() == lines{"child1 3", "child2 restarting"});
  sup.did();
  sup.script("child2").when_started = fake_script::start::ready;
  sup.die("child2", normal);
  CHECK(sup.did({"failed", "stop ", "start "}) ==
        lines{"failed child2", "stop child1", "start child1", "start child2"});
  CHECK(sup.children() == lines{"child1 5", "child2 6"});
}

TEST_CASE("supervisor_SUITE: simple_one_for_one - dynamic children restart one by one",
          "[policy][otp]") {
  fake_supervisor sup{flags(dynamic, 2, {child("child")})};
  sup.start();
  const auto child1 = sup.started(sup.start_child());
  const auto child2 = sup.started(sup.start_child());
  sup.die(child1);
  CHECK(sup.children() == lines{"#1 3", "#2 2"});
  CHECK(sup.counts() == counts{1, 2, 0, 2});
  sup.die(child2);
  sup.die(child1);
  CHECK(gave_up(sup));
}

TEST_CASE(
    "supervisor_SUITE: simple_one_for_one_extra - each restarts with what it was started with",
    "[policy][otp]") {
  troupe::policy::supervision sup{flags(dynamic, 2, {child("child")})};
  troupe::policy::actions out;
  const troupe::policy::time_point now{};
  const auto extra = std::make_shared<const troupe::child_start>();
  sup.start(now, out);
  out.clear();
  sup.start_child(1, extra, now, out);
  REQUIRE(out.size() == 1);
  CHECK(std::get<troupe::policy::start_process>(out[0]).start == extra);
  sup.ready({1, 1}, now, out);
  out.clear();
  sup.ended({1, 1}, abnormal, now, out);
  REQUIRE(out.size() == 3);
  CHECK(std::get<troupe::policy::start_process>(out[2]).start == extra);
}

TEST_CASE("supervisor_SUITE: simple_one_for_one_escalation - a dynamic child that can't restart",
          "[policy][otp]") {
  fake_supervisor sup{flags(dynamic, 4, {child("child")})};
  sup.start();
  const auto child1 = sup.started(sup.start_child());
  sup.start_child();
  spoil(sup, "child");
  sup.did();
  sup.die(child1);
  CHECK(gave_up(sup));
  CHECK(sup.did({"start #1"}).size() == 4);
}

TEST_CASE("supervisor_SUITE: simple_one_for_one_corruption - ends of temporaries change nothing",
          "[policy][otp]") {
  fake_supervisor sup{flags(dynamic, 2, {child("child", temporary)})};
  sup.start();
  sup.die(sup.started(sup.start_child()));
  std::weak_ptr<const troupe::child_start> big;
  {
    auto start = std::make_shared<const troupe::child_start>();
    big = start;
    sup.start_child(std::move(start));
  }
  CHECK(big.expired());
  sup.die(2);
  CHECK(sup.children().empty());
}

TEST_CASE(
    "supervisor_SUITE: simple_one_for_one_restart_ignore - who ignores a restart is forgotten",
    "[policy][otp]") {
  fake_supervisor sup{flags(dynamic, 2, {child("child")})};
  sup.start();
  const auto child1 = sup.started(sup.start_child());
  sup.script("child").when_started = fake_script::start::ignore;
  sup.die(child1);
  CHECK(sup.children().empty());
  CHECK(sup.counts() == counts{1, 0, 0, 0});
}

TEST_CASE("supervisor_SUITE: rest_for_one - who was started later is restarted, until too often",
          "[policy][otp]") {
  fake_supervisor sup{flags(rest_for_one, 2, {child("child1"), child("child2"), child("child3")})};
  sup.start();
  CHECK(sup.counts() == counts{3, 3, 0, 3});
  sup.did();
  sup.die("child2");
  CHECK(sup.did({"stop ", "start "}) == lines{"stop child3", "start child2", "start child3"});
  CHECK(sup.children() == lines{"child1 1", "child2 4", "child3 5"});
  CHECK(sup.counts() == counts{3, 3, 0, 3});
  sup.die("child3");
  CHECK(sup.children() == lines{"child1 1", "child2 4", "child3 6"});
  sup.die("child2");
  CHECK(gave_up(sup));
}

TEST_CASE("supervisor_SUITE: rest_for_one_escalation - a later one that fails to restart counts",
          "[policy][otp]") {
  fake_supervisor sup{flags(rest_for_one, 4, {child("child1"), child("child2")})};
  sup.start();
  spoil(sup, "child2");
  sup.did();
  sup.die("child1");
  CHECK(gave_up(sup));
  CHECK(sup.did({"start "}) ==
        lines{"start child1", "start child2", "start child2", "start child2", "start child2"});
}

TEST_CASE(
    "supervisor_SUITE: rest_for_one_other_child_fails_restart - who came up before it is left "
    "alone",
    "[policy][otp]") {
  fake_supervisor sup{flags(rest_for_one, 3, {child("child1"), child("child2")})};
  sup.start();
  sup.script("child2").when_started = fake_script::start::hang;
  sup.die("child1");
  sup.did();
  sup.script("child2").when_started = fake_script::start::ready;
  sup.die("child2", normal);
  CHECK(sup.did({"failed", "stop ", "start "}) == lines{"failed child2", "start child2"});
  CHECK(sup.children() == lines{"child1 3", "child2 5"});
}

TEST_CASE("supervisor_SUITE: tree - static children come back with their supervisor, others don't",
          "[policy][otp]") {
  const auto subtree = [](const char* id, restart_type restart = permanent) {
    auto c = child(id, restart);
    c.type = troupe::child_type::supervisor;
    return c;
  };
  const auto spec1 = flags(one_for_one, 4, {child("child1"), child("child2")});
  const auto spec2 = flags(one_for_one, 4);
  fake_supervisor top{flags(one_for_all, 4)};
  top.start();
  top.start_child(subtree("supchild1"));
  top.start_child(subtree("supchild2"));
  top.start_child(subtree("supchild3", transient));
  CHECK(top.result(top.terminate_child("supchild3")) == outcome::ok);
  CHECK(top.counts() == counts{3, 2, 3, 0});

  fake_supervisor sup1{spec1};
  fake_supervisor sup2{spec2};
  sup1.start();
  sup2.start();
  CHECK(sup1.counts() == counts{2, 2, 0, 2});
  CHECK(sup2.counts() == counts{0, 0, 0, 0});
  sup2.start_child(child("child3"));
  sup2.start_child(child("child4"));
  sup2.die("child4");
  CHECK(sup1.children() == lines{"child1 1", "child2 2"});
  CHECK(sup2.children() == lines{"child3 1", "child4 3"});

  // supchild2 gives up, so top restarts all of its children, also the one that was terminated.
  spoil(sup2, "child3");
  sup2.die("child3");
  REQUIRE(gave_up(sup2));
  top.did();
  top.die("supchild2", asked_to);
  CHECK(top.did({"stop ", "start "}) ==
        lines{"stop supchild1", "start supchild1", "start supchild2", "start supchild3"});
  CHECK(top.counts() == counts{3, 3, 3, 0});
  fake_supervisor again1{spec1};
  fake_supervisor again2{spec2};
  CHECK(again1.start().counts() == counts{2, 2, 0, 2});
  CHECK(again2.start().counts() == counts{0, 0, 0, 0});
}
