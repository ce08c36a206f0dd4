// Cases of OTP's supervisor_SUITE about calls while a supervisor runs, and about restart loops.
#include <support/catch.hpp>
#include <support/fake_supervisor.hpp>

using namespace std::chrono_literals;
using namespace test;
using troupe::restart_strategy;
using troupe::restart_type;
using troupe::policy::end_reason;
using troupe::policy::outcome;
using lines = std::vector<std::string>;
using counts = std::vector<std::size_t>;

namespace {

constexpr auto one_for_one = restart_strategy::one_for_one;
constexpr auto dynamic = restart_strategy::dynamic;
constexpr auto permanent = restart_type::permanent;
constexpr auto transient = restart_type::transient;
constexpr auto temporary = restart_type::temporary;

}  // namespace

TEST_CASE("supervisor_SUITE: child_adm - start, terminate, restart and delete a child",
          "[policy][otp]") {
  fake_supervisor sup{flags(one_for_one, 2, {child("child1")})};
  sup.start();
  CHECK(sup.children() == lines{"child1 1"});
  CHECK(sup.counts() == counts{1, 1, 0, 1});
  const auto again = sup.start_child(child("child1"));
  CHECK(sup.result(again) == outcome::already_started);
  CHECK(sup.answered(again)->child == sup.decisions().which_child("child1")->key);

  CHECK(sup.result(sup.terminate_child("hej")) == outcome::not_found);
  CHECK(sup.result(sup.terminate_child("child1")) == outcome::ok);
  CHECK(sup.children() == lines{"child1 undefined"});
  CHECK(sup.counts() == counts{1, 0, 0, 1});
  CHECK(sup.result(sup.terminate_child("child1")) == outcome::ok);
  CHECK(sup.result(sup.start_child(child("child1"))) == outcome::already_present);

  CHECK(sup.result(sup.restart_child("child1")) == outcome::ok);
  CHECK(sup.children() == lines{"child1 2"});
  CHECK(sup.counts() == counts{1, 1, 0, 1});
  CHECK(sup.result(sup.restart_child("child1")) == outcome::running);
  CHECK(sup.result(sup.restart_child("child2")) == outcome::not_found);

  CHECK(sup.result(sup.delete_child("child1")) == outcome::running);
  CHECK(sup.result(sup.delete_child("hej")) == outcome::not_found);
  CHECK(sup.result(sup.terminate_child("child1")) == outcome::ok);
  CHECK(sup.result(sup.delete_child("child1")) == outcome::ok);
  CHECK(sup.result(sup.restart_child("child1")) == outcome::not_found);
  CHECK(sup.children().empty());
  CHECK(sup.counts() == counts{0, 0, 0, 0});

  const auto key = sup.started(sup.start_child(child("child1")));
  CHECK(sup.children() == lines{"child1 3"});
  // Only children of a dynamic supervisor go by something else than their id.
  CHECK(sup.result(sup.terminate_child(key)) == outcome::not_found);
  CHECK(sup.counts() == counts{1, 1, 0, 1});

  // Where there is no supervisor, nothing is found.
  sup.stop();
  CHECK(sup.result(sup.terminate_child("child1")) == outcome::not_running);
  CHECK(sup.result(sup.restart_child("child1")) == outcome::not_running);
  CHECK(sup.result(sup.delete_child("child1")) == outcome::not_running);
  CHECK(sup.result(sup.start_child(child("child1"))) == outcome::not_running);
}

TEST_CASE("supervisor_SUITE: child_adm_simple - a dynamic supervisor knows no ids",
          "[policy][otp]") {
  fake_supervisor sup{flags(dynamic, 2, {child("child")})};
  sup.start();
  CHECK(sup.children().empty());
  CHECK(sup.counts() == counts{1, 0, 0, 0});
  const auto child1 = sup.started(sup.start_child());
  CHECK(sup.counts() == counts{1, 1, 0, 1});
  sup.start_child();
  CHECK(sup.children() == lines{"#1 1", "#2 2"});
  CHECK(sup.counts() == counts{1, 2, 0, 2});

  CHECK(sup.result(sup.terminate_child("child")) == outcome::simple_one_for_one);
  CHECK(sup.counts() == counts{1, 2, 0, 2});
  CHECK(sup.result(sup.terminate_child(child1)) == outcome::ok);
  CHECK(sup.children() == lines{"#2 2"});
  CHECK(sup.counts() == counts{1, 1, 0, 1});
  // One that is gone may be terminated again; one that never was may not.
  CHECK(sup.result(sup.terminate_child(child1)) == outcome::ok);
  CHECK(sup.result(sup.terminate_child(17)) == outcome::not_found);
  CHECK(sup.children() == lines{"#2 2"});
  CHECK(sup.result(sup.restart_child("child")) == outcome::simple_one_for_one);
  CHECK(sup.result(sup.delete_child("child")) == outcome::simple_one_for_one);
}

TEST_CASE("supervisor_SUITE: extra_return - what start_child added restarts like any other",
          "[policy][otp]") {
  fake_supervisor sup{flags(one_for_one, 2, {child("child1")})};
  sup.start();
  CHECK(sup.result(sup.terminate_child("child1")) == outcome::ok);
  CHECK(sup.result(sup.delete_child("child1")) == outcome::ok);
  CHECK(sup.result(sup.start_child(child("child1"))) == outcome::ok);
  sup.die("child1");
  CHECK(sup.children() == lines{"child1 3"});
  CHECK(sup.counts() == counts{1, 1, 0, 1});
}

TEST_CASE("supervisor_SUITE: count_children - thousands of dynamic children are counted",
          "[policy][otp]") {
  fake_supervisor sup{flags(dynamic, 2, {child("child", temporary)})};
  sup.start();
  for (int i = 0; i < 1000; ++i) sup.start_child();
  CHECK(sup.counts() == counts{1, 1000, 0, 1000});
  CHECK(sup.children().size() == 1000);
  for (int i = 0; i < 1000; ++i) sup.start_child();
  CHECK(sup.counts() == counts{1, 2000, 0, 2000});
  CHECK(sup.children().size() == 2000);
  for (const auto& c : sup.decisions().which_children()) sup.die(c.key, killed);
  CHECK(sup.counts() == counts{1, 0, 0, 0});
}

TEST_CASE("supervisor_SUITE: count_children_supervisor - so are dynamic supervisors",
          "[policy][otp]") {
  auto pattern = child("child", temporary);
  pattern.type = troupe::child_type::supervisor;
  fake_supervisor sup{flags(dynamic, 2, {pattern})};
  sup.start();
  for (int i = 0; i < 1000; ++i) sup.start_child();
  CHECK(sup.counts() == counts{1, 1000, 1000, 0});
  for (const auto& c : sup.decisions().which_children()) sup.die(c.key, killed);
  CHECK(sup.counts() == counts{1, 0, 0, 0});
}

TEST_CASE("supervisor_SUITE: count_restarting_children - who is being restarted is not active",
          "[policy][otp]") {
  auto pattern = child("child");
  pattern.start_timeout = 2s;  // as long as a failed start takes in OTP's case
  fake_supervisor sup{{.strategy = dynamic, .intensity = 20, .period = 10s, .children = {pattern}}};
  sup.start();
  for (int i = 0; i < 3; ++i) sup.start_child();
  CHECK(sup.counts() == counts{1, 3, 0, 3});
  for (const auto key : {1U, 2U, 3U}) sup.die(key);
  CHECK(sup.counts() == counts{1, 3, 0, 3});

  sup.script("child").when_started = fake_script::start::hang;
  sup.die(1);
  sup.die(2);
  sup.pass(4s);
  CHECK(sup.counts() == counts{1, 1, 0, 3});
  sup.script("child").when_started = fake_script::start::ready;
  sup.pass(4s);
  CHECK(sup.counts() == counts{1, 3, 0, 3});
  for (const auto key : {3U, 1U, 2U}) {
    CHECK(sup.result(sup.terminate_child(key)) == outcome::ok);
    CHECK(sup.counts() == counts{1,
                                 key == 3   ? 2U
                                 : key == 1 ? 1U
                                            : 0U,
                                 0,
                                 key == 3   ? 2U
                                 : key == 1 ? 1U
                                            : 0U});
  }
}

TEST_CASE(
    "supervisor_SUITE: do_not_save_start_parameters_for_temporary_children - nobody needs them",
    "[policy][otp]") {
  for (const auto strategy :
       {one_for_one, restart_strategy::one_for_all, restart_strategy::rest_for_one, dynamic})
    for (const auto restart : {permanent, transient, temporary}) {
      auto spec = flags(strategy, 2);
      if (strategy == dynamic) spec.children.push_back(child("pattern", restart));
      fake_supervisor sup{spec};
      sup.start();
      std::vector<std::weak_ptr<const troupe::child_start>> starts;
      for (int i = 0; i < 100; ++i) {
        auto start = std::make_shared<const troupe::child_start>();
        starts.push_back(start);
        if (strategy == dynamic) {
          sup.start_child(std::move(start));
        } else {
          auto added = child("child" + std::to_string(i), restart);
          added.start = std::move(start);
          sup.start_child(std::move(added));
        }
      }
      for (const auto& start : starts) CHECK(start.expired() == (restart == temporary));
    }
}

TEST_CASE(
    "supervisor_SUITE: do_not_save_child_specs_for_temporary_children - their ids are free again",
    "[policy][otp]") {
  for (const auto strategy :
       {one_for_one, restart_strategy::one_for_all, restart_strategy::rest_for_one})
    for (const std::string how : {"kill", "normal", "abnormal", "supervisor"}) {
      fake_supervisor sup{flags(strategy, 10)};
      sup.start();
      const auto finish = [&](const char* id) {
        if (how == "supervisor")
          REQUIRE(sup.result(sup.terminate_child(id)) == outcome::ok);
        else
          sup.die(id, how == "kill" ? killed : how == "normal" ? normal : abnormal);
      };
      const auto again = [&](const char* id, restart_type restart) {
        REQUIRE(sup.result(sup.start_child(child(id, restart))) == outcome::ok);
        finish(id);
        return sup.result(sup.start_child(child(id, restart)));
      };
      const bool by_call = how == "supervisor";
      CHECK(again("permanent", permanent) ==
            (by_call ? outcome::already_present : outcome::already_started));
      CHECK(again("transient", transient) ==
            (by_call || how == "normal" ? outcome::already_present : outcome::already_started));
      if (by_call) CHECK(sup.result(sup.restart_child("transient")) == outcome::ok);
      CHECK(again("temporary", temporary) == outcome::ok);
    }
}

TEST_CASE(
    "supervisor_SUITE: simple_one_for_one_scale_many_temporary_children - ten thousand come and go",
    "[policy][otp]") {
  fake_supervisor sup{flags(dynamic, 2, {child("child", temporary)})};
  sup.start();
  for (const int many : {1000, 10000}) {
    for (int i = 0; i < many; ++i) REQUIRE(sup.result(sup.start_child()) == outcome::ok);
    for (const auto& c : sup.decisions().which_children())
      REQUIRE(sup.result(sup.terminate_child(c.key)) == outcome::ok);
    CHECK(sup.counts() == counts{1, 0, 0, 0});
  }
}

TEST_CASE("supervisor_SUITE: scale_start_stop_many_children - so do as many static ones",
          "[policy][otp]") {
  fake_supervisor sup{flags(one_for_one, 2)};
  sup.start();
  const auto id = [](int i) { return "child" + std::to_string(i); };
  for (const int many : {1000, 10000}) {
    for (int i = 0; i < many; ++i)
      REQUIRE(sup.result(sup.start_child(child(id(i)))) == outcome::ok);
    for (int i = 0; i < many; ++i) {
      REQUIRE(sup.result(sup.terminate_child(id(i))) == outcome::ok);
      REQUIRE(sup.result(sup.delete_child(id(i))) == outcome::ok);
    }
    CHECK(sup.counts() == counts{0, 0, 0, 0});
  }
}

TEST_CASE("supervisor_SUITE: which_children - each child with what it is doing", "[policy][otp]") {
  fake_supervisor sup{{}};
  sup.start();
  CHECK(sup.children().empty());
  CHECK_FALSE(sup.decisions().which_child("childx"));
  sup.start_child(child("child1"));
  sup.start_child(child("child2"));
  CHECK(sup.children() == lines{"child1 1", "child2 2"});
  CHECK(sup.decisions().which_child("child1")->state == troupe::policy::child_state::running);
  sup.terminate_child("child1");
  CHECK(sup.children() == lines{"child1 undefined", "child2 2"});
  CHECK(sup.decisions().which_child("child1")->state == troupe::policy::child_state::down);
  sup.delete_child("child1");
  CHECK(sup.children() == lines{"child2 2"});
  CHECK_FALSE(sup.decisions().which_child("child1"));
  CHECK_FALSE(sup.decisions().which_child("childx"));
}

TEST_CASE("supervisor_SUITE: which_children_simple_one_for_one - the same for dynamic children",
          "[policy][otp]") {
  fake_supervisor sup{{.strategy = dynamic, .children = {child("child", temporary)}}};
  sup.start();
  CHECK(sup.children().empty());
  const auto child1 = sup.started(sup.start_child());
  const auto child2 = sup.started(sup.start_child());
  CHECK(sup.children() == lines{"#1 1", "#2 2"});
  CHECK(sup.decisions().which_child(child1)->state == troupe::policy::child_state::running);
  CHECK_FALSE(sup.decisions().which_child(17));
  CHECK_FALSE(sup.decisions().which_child("child"));
  sup.terminate_child(child1);
  CHECK(sup.children() == lines{"#2 2"});
  CHECK_FALSE(sup.decisions().which_child(child1));
  CHECK(sup.decisions().which_child(child2));
}

namespace {

/// Starts that fail after two seconds, as in OTP's cases of restart loops.
void fail_slowly(fake_supervisor& sup, const std::string& id) {
  sup.script(id).when_started = fake_script::start::fail;
  sup.script(id).start_takes = 2s;
}

}  // namespace

TEST_CASE("supervisor_SUITE: hanging_restart_loop - calls are answered while a child can't restart",
          "[policy][otp]") {
  fake_supervisor sup{{.intensity = 8, .period = 10s}};
  sup.start();
  sup.start_child(child("child1"));
  for (const bool end : {false, true}) {
    fail_slowly(sup, "child1");
    sup.die("child1");
    sup.pass(3s);
    CHECK(sup.result(sup.start_child(child("child1"))) == outcome::already_present);
    CHECK(sup.result(sup.restart_child("child1")) == outcome::restarting);
    CHECK(sup.result(sup.delete_child("child1")) == outcome::restarting);
    CHECK(sup.children() == lines{"child1 restarting"});
    CHECK(sup.counts() == counts{1, 0, 0, 1});
    if (end) break;
    CHECK(sup.result(sup.terminate_child("child1")) == outcome::ok);
    CHECK(sup.children() == lines{"child1 undefined"});
    sup.pass(1h);
    CHECK(sup.children() == lines{"child1 undefined"});
    sup.script("child1") = {};
    CHECK(sup.result(sup.restart_child("child1")) == outcome::ok);
  }
  sup.stop();
  REQUIRE(sup.finished());
  CHECK(sup.finished()->reason == end_reason::stopped);
  CHECK(sup.processes() == 0);
}

TEST_CASE("supervisor_SUITE: hanging_restart_loop_rest_for_one - those after it stay down",
          "[policy][otp]") {
  fake_supervisor sup{{.strategy = restart_strategy::rest_for_one, .intensity = 8, .period = 10s}};
  sup.start();
  for (const auto* id : {"child1", "child2", "child3"}) sup.start_child(child(id));
  for (const bool end : {false, true}) {
    fail_slowly(sup, "child2");
    sup.die("child2");
    sup.pass(3s);
    CHECK(sup.result(sup.start_child(child("child2"))) == outcome::already_present);
    CHECK(sup.result(sup.restart_child("child2")) == outcome::restarting);
    CHECK(sup.result(sup.delete_child("child2")) == outcome::restarting);
    CHECK(sup.children() == lines{"child1 1", "child2 restarting", "child3 undefined"});
    CHECK(sup.counts() == counts{3, 1, 0, 3});
    if (end) break;
    CHECK(sup.result(sup.terminate_child("child2")) == outcome::ok);
    CHECK(sup.children() == lines{"child1 1", "child2 undefined", "child3 undefined"});
    sup.pass(1h);
    CHECK(sup.children() == lines{"child1 1", "child2 undefined", "child3 undefined"});
    sup.script("child2") = {};
    CHECK(sup.result(sup.restart_child("child2")) == outcome::ok);
  }
  sup.stop();
  REQUIRE(sup.finished());
  CHECK(sup.processes() == 0);
}

TEST_CASE("supervisor_SUITE: hanging_restart_loop_simple - the same for a dynamic child",
          "[policy][otp]") {
  fake_supervisor sup{
      {.strategy = dynamic, .intensity = 8, .period = 10s, .children = {child("child1")}}};
  sup.start();
  for (const bool end : {false, true}) {
    sup.script("child1") = {};
    const auto key = sup.started(sup.start_child());
    fail_slowly(sup, "child1");
    sup.die(key);
    sup.pass(3s);
    CHECK(sup.result(sup.restart_child("child1")) == outcome::simple_one_for_one);
    CHECK(sup.result(sup.delete_child("child1")) == outcome::simple_one_for_one);
    CHECK(sup.children() == lines{"#" + std::to_string(key) + " restarting"});
    CHECK(sup.counts() == counts{1, 0, 0, 1});
    if (end) break;
    CHECK(sup.result(sup.terminate_child(key)) == outcome::ok);
    CHECK(sup.children().empty());
  }
  sup.stop();
  REQUIRE(sup.finished());
  CHECK(sup.processes() == 0);
}
