// Cases of OTP's supervisor_SUITE about significant children and auto_shutdown.
#include <support/catch.hpp>
#include <support/fake_supervisor.hpp>

using namespace test;
using troupe::auto_shutdown_mode;
using troupe::restart_strategy;
using troupe::restart_type;
using troupe::policy::end_reason;
using troupe::policy::outcome;
using troupe::policy::validate;
using lines = std::vector<std::string>;

namespace {

constexpr auto never = auto_shutdown_mode::never;
constexpr auto any = auto_shutdown_mode::any_significant;
constexpr auto all = auto_shutdown_mode::all_significant;

troupe::child_spec child(std::string id, restart_type restart, bool significant) {
  auto c = test::child(std::move(id), restart);
  c.significant = significant;
  return c;
}

troupe::supervisor_spec flags(auto_shutdown_mode mode,
                              std::vector<troupe::child_spec> children = {}) {
  auto f = test::flags(restart_strategy::one_for_one, 5, std::move(children));
  f.auto_shutdown = mode;
  return f;
}

/// Two significant children and one that isn't.
troupe::supervisor_spec three(auto_shutdown_mode mode, restart_type restart) {
  return flags(mode, {child("child1", restart, true), child("child2", restart, true),
                      child("child3", restart, false)});
}

bool shut_down(const fake_supervisor& sup) {
  return sup.finished() && sup.finished()->reason == end_reason::auto_shutdown &&
         sup.processes() == 0;
}

constexpr auto transient = restart_type::transient;
constexpr auto temporary = restart_type::temporary;

}  // namespace

TEST_CASE("supervisor_SUITE: nonsignificant_temporary - ends of others end nothing",
          "[policy][otp]") {
  for (const auto mode : {never, any, all}) {
    fake_supervisor sup{flags(mode)};
    sup.start();
    sup.start_child(child("child1", temporary, false));
    sup.terminate_child("child1");
    for (const auto& how : {killed, abnormal, normal}) {
      sup.start_child(child("child1", temporary, false));
      sup.die("child1", how);
    }
    CHECK_FALSE(sup.finished());
    sup.stop();
    CHECK(sup.finished());
  }
}

TEST_CASE("supervisor_SUITE: nonsignificant_transient - nor do those of transient ones",
          "[policy][otp]") {
  for (const auto mode : {never, any, all}) {
    fake_supervisor sup{flags(mode)};
    sup.start();
    sup.start_child(child("child1", transient, false));
    sup.terminate_child("child1");
    sup.restart_child("child1");
    for (const auto& how : {killed, abnormal, normal}) sup.die("child1", how);
    CHECK(sup.children() == lines{"child1 undefined"});
    CHECK_FALSE(sup.finished());
  }
}

TEST_CASE("supervisor_SUITE: significant_temporary - any end of its own ends the supervisor",
          "[policy][otp]") {
  for (const auto& how : {killed, abnormal, normal}) {
    fake_supervisor sup{three(any, temporary)};
    sup.start();
    sup.terminate_child("child1");
    CHECK_FALSE(sup.finished());
    sup.start_child(child("child1", temporary, true));
    sup.did();
    sup.die("child1", how);
    CHECK(shut_down(sup));
    CHECK(sup.did({"stop "}) == lines{"stop child3", "stop child2"});
  }
  fake_supervisor sup{three(all, temporary)};
  sup.start();
  sup.die("child1", normal);
  CHECK_FALSE(sup.finished());
  sup.die("child2", normal);
  CHECK(shut_down(sup));
}

TEST_CASE("supervisor_SUITE: significant_transient - only a good end of its own does",
          "[policy][otp]") {
  fake_supervisor sup{three(any, transient)};
  sup.start();
  sup.terminate_child("child1");
  CHECK_FALSE(sup.finished());
  sup.restart_child("child1");
  sup.die("child1", killed);
  sup.die("child1", abnormal);
  CHECK_FALSE(sup.finished());
  sup.die("child1", normal);
  CHECK(shut_down(sup));

  fake_supervisor last{three(all, transient)};
  last.start();
  last.die("child1", normal);
  CHECK_FALSE(last.finished());
  last.die("child2", normal);
  CHECK(shut_down(last));
}

TEST_CASE("supervisor_SUITE: significant_simple - a dynamic supervisor has no significant children",
          "[policy][otp]") {
  for (const auto mode : {any, all}) {
    const auto faults = validate({.strategy = restart_strategy::dynamic,
                                  .auto_shutdown = mode,
                                  .children = {test::child("child1")}});
    REQUIRE(faults.size() == 1);
    CHECK(faults[0].field == "auto_shutdown");
  }
  fake_supervisor sup{{.strategy = restart_strategy::dynamic, .children = {test::child("child1")}}};
  sup.start().stop();
  CHECK(sup.finished());
}

TEST_CASE("supervisor_SUITE: significant_bystander - being taken down for another ends nothing",
          "[policy][otp]") {
  for (const auto strategy : {restart_strategy::one_for_one, restart_strategy::one_for_all,
                              restart_strategy::rest_for_one})
    for (const auto mode : {any, all}) {
      auto spec = flags(mode, {child("child1", transient, true), child("child2", transient, false),
                               child("child3", transient, true)});
      spec.strategy = strategy;
      fake_supervisor sup{spec};
      sup.start();
      sup.did();
      sup.die("child2", killed);
      CHECK(sup.did({"stop "}) == (strategy == restart_strategy::one_for_one ? lines{}
                                   : strategy == restart_strategy::one_for_all
                                       ? lines{"stop child3", "stop child1"}
                                       : lines{"stop child3"}));
      CHECK_FALSE(sup.finished());
      CHECK(sup.processes() == 3);
    }
}

TEST_CASE(
    "supervisor_SUITE: significant_escalation - a supervisor that shut down may be significant",
    "[policy][otp]") {
  for (const bool significant : {true, false}) {
    auto subtree = child("sup1", transient, significant);
    subtree.type = troupe::child_type::supervisor;
    fake_supervisor top{flags(any)};
    top.start();
    top.start_child(subtree);
    fake_supervisor sup{flags(any)};
    sup.start();
    sup.start_child(child("child1", transient, true));
    sup.die("child1", normal);
    REQUIRE(shut_down(sup));
    top.die("sup1", asked_to);  // what a supervisor that ends by itself looks like from above
    CHECK(shut_down(top) == significant);
    CHECK(top.finished().has_value() == significant);
  }
}

namespace {

/// Two significant children of a supervisor whose auto_shutdown changes from one mode to another.
struct changed {
  fake_supervisor sup;

  changed(auto_shutdown_mode from, auto_shutdown_mode to) : sup(flags(from)) {
    sup.start();
    add();
    CHECK(sup.result(sup.change(flags(to))) == outcome::ok);
    CHECK_FALSE(sup.finished());
    add();
  }
  void add() {
    const bool may = sup.decisions().flags().auto_shutdown != never;
    for (const auto* id : {"child1", "child2"})
      if (!sup.decisions().which_child(id))
        CHECK(sup.result(sup.start_child(child(id, transient, true))) ==
              (may ? outcome::ok : outcome::bad_spec));
  }
  /// One after the other ends well.
  void check(bool after_first, bool after_second) {
    sup.die("child1", normal);
    CHECK(shut_down(sup) == after_first);
    if (after_first) return;
    sup.die("child2", normal);
    CHECK(shut_down(sup) == after_second);
    if (!after_second) CHECK(sup.result(sup.restart_child("child1")) == outcome::ok);
  }
};

}  // namespace

TEST_CASE("supervisor_SUITE: significant_upgrade_never_any - from never to any_significant",
          "[policy][otp]") {
  changed{never, any}.check(true, true);
}

TEST_CASE("supervisor_SUITE: significant_upgrade_any_never - from any_significant to never",
          "[policy][otp]") {
  changed{any, never}.check(false, false);
}

TEST_CASE("supervisor_SUITE: significant_upgrade_never_all - from never to all_significant",
          "[policy][otp]") {
  changed{never, all}.check(false, true);
}

TEST_CASE("supervisor_SUITE: significant_upgrade_all_never - from all_significant to never",
          "[policy][otp]") {
  changed{all, never}.check(false, false);
}

TEST_CASE("supervisor_SUITE: significant_upgrade_any_all - from any_significant to all_significant",
          "[policy][otp]") {
  changed{any, all}.check(false, true);
}

TEST_CASE("supervisor_SUITE: significant_upgrade_all_any - from all_significant to any_significant",
          "[policy][otp]") {
  changed{all, any}.check(true, true);
}

TEST_CASE(
    "supervisor_SUITE: significant_upgrade_child - a child becomes significant, or ceases to be",
    "[policy][otp]") {
  const auto plain = child("child", transient, false);
  const auto significant = child("child", transient, true);

  fake_supervisor refused{flags(never, {plain})};
  refused.start();
  const auto call = refused.change(flags(never, {significant}));
  CHECK(refused.result(call) == outcome::bad_spec);
  CHECK(refused.answered(call)->faults.size() == 1);
  CHECK(refused.children() == lines{"child 1"});

  fake_supervisor becomes{flags(any, {plain})};
  becomes.start();
  CHECK(becomes.result(becomes.change(flags(any, {significant}))) == outcome::ok);
  CHECK_FALSE(becomes.finished());
  becomes.die("child", normal);
  CHECK(shut_down(becomes));

  fake_supervisor ceases{flags(any, {significant})};
  ceases.start();
  CHECK(ceases.result(ceases.change(flags(any, {plain}))) == outcome::ok);
  ceases.die("child", normal);
  CHECK_FALSE(ceases.finished());
}
