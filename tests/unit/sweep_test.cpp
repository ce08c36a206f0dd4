// Sweeps: all, or the rest, of a supervisor's children are stopped and started again.
#include <support/catch.hpp>
#include <support/fake_supervisor.hpp>

using namespace std::chrono_literals;
using namespace test;
using enum troupe::restart_strategy;
using troupe::policy::child_state;
using troupe::policy::outcome;
using lines = std::vector<std::string>;

TEST_CASE("siblings that die together restart together, and count once", "[policy][supervision]") {
  fake_supervisor sup{flags(one_for_all, 1, {child("a"), child("b"), child("c")})};
  sup.start();
  sup.script("c").stop_takes = 1s;
  sup.die("c");  // the script is that of a process from its start
  sup.pass(1h + 1s);
  sup.did();
  sup.die("a");
  sup.die("b");
  CHECK(sup.did() == lines{"exited a", "restart a", "stop c", "exited b"});
  sup.pass(1s);
  CHECK(sup.did({"start ", "stop "}) == lines{"start a", "start b", "start c"});
  CHECK_FALSE(sup.finished());
}

TEST_CASE("the death of an earlier child widens a rest_for_one that has begun",
          "[policy][supervision]") {
  fake_supervisor sup{flags(rest_for_one, 5, {child("a"), child("b"), child("c"), child("d")})};
  sup.script("d").stop_takes = 1s;
  sup.start();
  sup.did();
  sup.die("c");
  sup.die("b");
  CHECK(sup.did({"stop ", "start "}) == lines{"stop d"});
  sup.pass(1s);
  CHECK(sup.did({"stop ", "start "}) == lines{"start b", "start c", "start d"});
  CHECK(sup.children() == lines{"a 1", "b 5", "c 6", "d 7"});
}

TEST_CASE("a sweep begins anew when somebody dies whom it has just started",
          "[policy][supervision]") {
  fake_supervisor sup{three_children(one_for_all)};
  sup.start();
  sup.script("c").start_takes = 1s;
  sup.die("b");
  sup.did();
  CHECK(sup.state("c") == child_state::starting);
  sup.die("a");
  CHECK(sup.did({"stop ", "start "}) == lines{"stop c", "stop b", "start a", "start b", "start c"});
  sup.pass(1s);
  CHECK(sup.children() == lines{"a 7", "b 8", "c 9"});
}

TEST_CASE("children that are added to a sweep are started in their turn", "[policy][supervision]") {
  for (const auto strategy : {one_for_all, rest_for_one}) {
    fake_supervisor sup{three_children(strategy)};
    sup.script("c").stop_takes = 1s;
    sup.start();
    sup.did();
    sup.die("a");
    const auto added = sup.start_child(child("d"));
    CHECK(sup.state("d") == child_state::pending);
    CHECK(sup.result(sup.restart_child("b")) == outcome::running);
    sup.pass(1s);
    CHECK(sup.result(added) == outcome::ok);
    CHECK(sup.did({"start "}) == lines{"start a", "start b", "start c", "start d"});
  }
}

TEST_CASE("a child can be terminated while a sweep comes by", "[policy][supervision]") {
  fake_supervisor sup{three_children(one_for_all)};
  sup.script("c").stop_takes = 1s;
  sup.start();
  sup.script("a").start_takes = 1s;
  sup.die("b");
  SECTION("before it is stopped") {
    CHECK(sup.result(sup.terminate_child("a")) == outcome::ok);
    sup.pass(2s);
    CHECK(sup.children() == lines{"a undefined", "b 4", "c 5"});
  }
  SECTION("before it is started") {
    sup.pass(1s);
    CHECK(sup.state("c") == child_state::pending);
    CHECK(sup.result(sup.terminate_child("c")) == outcome::ok);
    sup.pass(1s);
    CHECK(sup.children() == lines{"a 4", "b 5", "c undefined"});
  }
  SECTION("while it is started") {
    sup.pass(1s);
    CHECK(sup.state("a") == child_state::starting);
    CHECK(sup.result(sup.terminate_child("a")) == outcome::ok);
    sup.pass(1s);
    CHECK(sup.children() == lines{"a undefined", "b 5", "c 6"});
  }
  SECTION("if the sweep runs for its sake, what has not been reached stays down") {
    sup.pass(1s);
    sup.did();
    CHECK(sup.result(sup.terminate_child("b")) == outcome::ok);
    CHECK(sup.did() == lines{"left down c"});
    sup.pass(1s);
    CHECK(sup.children() == lines{"a 4", "b undefined", "c undefined"});
    CHECK(sup.result(sup.restart_child("c")) == outcome::ok);
  }
}

TEST_CASE("a sweep goes on when the child for whose sake it began is terminated, once that is up",
          "[policy][supervision]") {
  fake_supervisor sup{flags(one_for_all, 9, {child("a"), child("b"), child("c"), child("d")})};
  sup.start();
  sup.script("c").start_takes = 1s;
  sup.die("a");
  CHECK(sup.children() == lines{"a 5", "b 6", "c restarting", "d undefined"});
  CHECK(sup.result(sup.terminate_child("a")) == outcome::ok);
  sup.pass(1s);
  CHECK(sup.children() == lines{"a undefined", "b 6", "c 7", "d 8"});
}

TEST_CASE("whom a sweep has left down comes up with the next one", "[policy][supervision]") {
  fake_supervisor sup{flags(one_for_all, 9, {child("a"), child("b")})};
  sup.script("b").stop_takes = 1s;
  sup.start();
  sup.script("b") = {};
  sup.script("c").start_takes = 2s;
  const auto asked = sup.start_child(child("c"));
  REQUIRE(sup.result(sup.start_child(child("d"))) == outcome::ok);
  sup.die("a");
  CHECK(sup.state("c") == child_state::pending);
  CHECK(sup.state("d") == child_state::pending);
  // Without a, only c is started, because somebody asks for it.
  CHECK(sup.result(sup.terminate_child("a")) == outcome::ok);
  sup.pass(1s);
  CHECK(sup.state("c") == child_state::starting);
  CHECK(sup.state("d") == child_state::down);
  CHECK(sup.result(sup.restart_child("b")) == outcome::ok);
  sup.die("b");
  sup.pass(2s);
  CHECK(sup.result(asked) == outcome::ok);
  CHECK(sup.counts() == std::vector<std::size_t>{4, 4, 0, 4});
}

TEST_CASE("256 siblings that die together are one restart of their group",
          "[policy][supervision]") {
  for (const auto strategy : {one_for_all, rest_for_one}) {
    std::vector<troupe::child_spec> children;
    for (int i = 0; i < 256; ++i) children.push_back(child("c" + std::to_string(i)));
    children.push_back(child("last"));
    fake_supervisor sup{flags(strategy, 1, children)};
    sup.script("last").stop_takes = 1s;
    sup.start();
    sup.did();
    for (int i = 0; i < 256; ++i) sup.die("c" + std::to_string(i), killed);
    sup.pass(1s);
    CHECK_FALSE(sup.finished());
    CHECK(sup.did({"start "}).size() == 257);
    CHECK(sup.processes() == 257);
  }
}
