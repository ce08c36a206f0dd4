// What supervisors decide beyond OTP's cases: whole tables, and everything that takes its time.
#include <support/catch.hpp>
#include <support/fake_supervisor.hpp>

using namespace std::chrono_literals;
using namespace test;
using troupe::ending_rule;
using troupe::restart_strategy;
using troupe::restart_type;
using troupe::policy::child_state;
using troupe::policy::end_reason;
using troupe::policy::ending;
using troupe::policy::outcome;
using lines = std::vector<std::string>;
using kind = troupe::policy::ending::kind;

namespace {

constexpr auto one_for_one = restart_strategy::one_for_one;
constexpr auto one_for_all = restart_strategy::one_for_all;
constexpr auto rest_for_one = restart_strategy::rest_for_one;
constexpr auto dynamic = restart_strategy::dynamic;
constexpr auto permanent = restart_type::permanent;
constexpr auto transient = restart_type::transient;
constexpr auto temporary = restart_type::temporary;

}  // namespace

TEST_CASE("strategies, restart types and ends make a table", "[policy][supervision]") {
  struct row {
    const char* name;
    ending how;
    bool transient_restarts;
  };
  static const row ends[] = {
      {"exit code 0", {kind::exited, 0, false}, false},
      {"exit code 1", {kind::exited, 1, false}, true},
      {"exit code 255", {kind::exited, 255, false}, true},
      {"SIGSEGV", {kind::signaled, 11, false}, true},
      {"SIGKILL", {kind::signaled, 9, false}, true},
      {"out of memory", {kind::signaled, 9, true}, true},
      {"out of memory, and said so", {kind::exited, 0, true}, true},
      {"asked to end", {kind::shutdown, 0, false}, false},
      {"watchdog", {kind::watchdog, 6, false}, true},
      {"bad message", {kind::faulty, 9, false}, true},
  };
  for (const auto strategy : {one_for_one, one_for_all, rest_for_one})
    for (const auto type : {permanent, transient, temporary})
      for (const auto& [name, how, transient_restarts] : ends) {
        INFO(name << ", strategy " << static_cast<int>(strategy) << ", type "
                  << static_cast<int>(type));
        fake_supervisor sup{flags(strategy, 100, {child("a"), child("b", type), child("c")})};
        sup.start();
        sup.did();
        sup.die("b", how);
        const bool restarts = type == permanent || (type == transient && transient_restarts);
        const auto did = sup.did({"stop ", "start ", "forget "});
        if (!restarts)
          CHECK(did == (type == temporary ? lines{"forget b"} : lines{}));
        else if (strategy == one_for_one)
          CHECK(did == lines{"start b"});
        else if (strategy == rest_for_one)
          CHECK(did == lines{"stop c", "start b", "start c"});
        else
          CHECK(did == lines{"stop c", "stop a", "start a", "start b", "start c"});
        CHECK_FALSE(sup.finished());
      }
}

TEST_CASE("a dynamic child ends as any other", "[policy][supervision]") {
  for (const auto type : {permanent, transient, temporary})
    for (const auto& how : {normal, asked_to, abnormal, killed}) {
      fake_supervisor sup{flags(dynamic, 100, {child("x", type)})};
      sup.start();
      const auto key = sup.started(sup.start_child());
      sup.die(key, how);
      const bool restarts = type == permanent || (type == transient && !how.well());
      CHECK(sup.children() == (restarts ? lines{"#1 2"} : lines{}));
    }
}

// --- rules ---

TEST_CASE("the first rule that matches decides, whatever the restart type", "[policy][rules]") {
  const auto decided = [](const std::vector<ending_rule>& rules, const ending& how,
                          bool before_ready = false, restart_type type = permanent) {
    auto c = child("a", type);
    c.rules = rules;
    return decide(c, how, before_ready);
  };
  using cause = ending_rule::cause;
  using action = ending_rule::action;
  const std::vector<ending_rule> rules{
      {cause::out_of_memory, {}, action::restart_slower},
      {cause::exit_code, {2, 3}, action::stop},
      {cause::exit_code, {}, action::escalate},
      {cause::signal, {11}, action::stop},
      {cause::signal, {}, action::escalate},
      {cause::watchdog, {}, action::stop},
      {cause::start_failed, {}, action::escalate},
  };
  CHECK(decided(rules, {kind::signaled, 9, true}) == action::restart_slower);
  CHECK(decided(rules, {kind::exited, 3, false}) == action::stop);
  CHECK(decided(rules, {kind::exited, 4, false}) == action::escalate);
  CHECK(decided(rules, {kind::exited, 0, false}) == action::restart);  // no rule: permanent
  CHECK(decided(rules, {kind::signaled, 11, false}) == action::stop);
  CHECK(decided(rules, {kind::signaled, 6, false}) == action::escalate);
  CHECK(decided(rules, {kind::watchdog, 6, false}) == action::stop);
  CHECK(decided(rules, {kind::faulty, 9, false}) == action::restart);
  CHECK(decided(rules, {kind::start_failed, 0, false}, true) == action::escalate);
  // What ends before it is ready has an exit code, too.
  CHECK(decided(rules, {kind::exited, 3, false}, true) == action::stop);
  CHECK(decided({{cause::exit_code, {0}, action::restart}}, normal, false, transient) ==
        action::restart);
  CHECK(decided({{cause::signal, {}, action::stop}}, killed, false, transient) == action::stop);
}

TEST_CASE("a rule that stops a significant child ends the supervisor", "[policy][rules]") {
  auto c = child("a", transient);
  c.significant = true;
  c.rules = {{ending_rule::cause::exit_code, {42}, ending_rule::action::stop}};
  auto spec = flags(one_for_one, 5, {c});
  spec.auto_shutdown = troupe::auto_shutdown_mode::any_significant;
  fake_supervisor sup{spec};
  sup.start();
  sup.die("a", {kind::exited, 42, false});
  REQUIRE(sup.finished());
  CHECK(sup.finished()->reason == end_reason::auto_shutdown);
}

TEST_CASE("a rule for failed restarts ends a restart loop", "[policy][rules]") {
  auto c = child("a");
  c.rules = {{ending_rule::cause::start_failed, {}, ending_rule::action::stop}};
  fake_supervisor sup{flags(one_for_one, 5, {c, child("b")})};
  sup.start();
  sup.script("a").when_started = fake_script::start::fail;
  sup.did();
  sup.die("a");
  CHECK(sup.did({"start "}) == lines{"start a"});
  CHECK(sup.children() == lines{"a undefined", "b 2"});
}

// --- what takes its time ---

TEST_CASE("a child that starts slowly keeps no sibling of one_for_one waiting",
          "[policy][supervision]") {
  fake_supervisor sup{three_children(one_for_one)};
  sup.start();
  sup.script("a").start_takes = 5s;
  sup.die("a");
  sup.die("b");
  CHECK(sup.state("a") == child_state::starting);
  CHECK(sup.state("b") == child_state::running);
  CHECK(sup.result(sup.start_child(child("d"))) == outcome::ok);
  sup.pass(5s);
  CHECK(sup.state("a") == child_state::running);
}

TEST_CASE("each child is ready before the next is started", "[policy][supervision]") {
  for (const auto strategy : {one_for_one, one_for_all, rest_for_one}) {
    fake_supervisor sup{three_children(strategy)};
    sup.script("b").start_takes = 3s;
    sup.start();
    sup.pass(2999ms);
    CHECK(sup.did({"start "}) == lines{"start a", "start b"});
    CHECK_FALSE(sup.decisions().is_running());
    sup.pass(1ms);
    CHECK(sup.did() == lines{"ready b", "start c", "ready c", "started"});
    CHECK(sup.decisions().is_running());
  }
}

TEST_CASE("a child that is not ready in time is killed, and has failed to start",
          "[policy][supervision]") {
  auto a = child("a");
  a.start_timeout = 2s;
  fake_supervisor sup{flags(one_for_one, 3, {a})};
  sup.start();
  sup.script("a").when_started = fake_script::start::hang;
  sup.die("a");
  sup.did();
  sup.pass(2s);
  CHECK(sup.did() == lines{"kill a", "failed a", "restart a", "start a"});
  CHECK(sup.told("a").cause == ending{kind::start_failed, 0, false});
  sup.pass(4s);
  REQUIRE(sup.finished());
  CHECK(sup.finished()->reason == end_reason::gave_up);

  fake_supervisor first{flags(one_for_one, 3, {child("z"), a})};
  first.script("a").when_started = fake_script::start::hang;
  first.start();
  first.pass(2s);
  REQUIRE(first.finished());
  CHECK(first.finished()->reason == end_reason::start_failed);
  CHECK(first.processes() == 0);
}

TEST_CASE("the time that a start may take begins when there is a process",
          "[policy][supervision]") {
  auto a = child("a");
  a.start_timeout = 2s;
  fake_supervisor sup{flags(one_for_one, 3, {a})};
  sup.start();
  sup.script("a").waits = 1h;
  sup.script("a").start_takes = 1s;
  sup.die("a");
  sup.did();
  CHECK_FALSE(sup.decisions().next_time());
  sup.pass(1h);
  CHECK(sup.did().empty());
  CHECK(sup.decisions().next_time() == sup.now() + 2s);
  sup.pass(1s);
  CHECK(sup.did() == lines{"ready a"});
  CHECK_FALSE(sup.decisions().next_time());
}

TEST_CASE("a start without a limit may take for ever, and be stopped", "[policy][supervision]") {
  auto a = child("a");
  a.start_timeout = troupe::no_limit;
  fake_supervisor sup{flags(one_for_one, 3, {a, child("b")})};
  sup.script("a").when_started = fake_script::start::hang;
  sup.start();
  CHECK_FALSE(sup.decisions().next_time());
  sup.pass(1000h);
  CHECK(sup.state("a") == child_state::starting);
  sup.stop();
  REQUIRE(sup.finished());
  CHECK(sup.finished()->reason == end_reason::stopped);
}

TEST_CASE("what is said of an earlier life, or said twice, changes nothing",
          "[policy][supervision]") {
  for (const auto strategy : {one_for_one, one_for_all, rest_for_one}) {
    fake_supervisor sup{three_children(strategy)};
    sup.start();
    const auto key = sup.decisions().which_child("b")->key;
    sup.die("b");
    const auto before = sup.children();
    sup.did();
    sup.repeat_end({key, 1});
    sup.repeat_end({key, 0});
    sup.repeat_end({key, 7});
    sup.repeat_end({key + 100, 1});
    CHECK(sup.did().empty());
    CHECK(sup.children() == before);
  }
}

TEST_CASE("a supervisor can be stopped at any time", "[policy][supervision]") {
  SECTION("before it has started") {
    fake_supervisor sup{three_children(one_for_one)};
    sup.stop();
    CHECK(sup.did() == lines{"finish"});
  }
  SECTION("while its children start") {
    fake_supervisor sup{three_children(one_for_one)};
    sup.script("b").start_takes = 1s;
    sup.start().stop();
    CHECK(sup.did({"stop ", "finish"}) == lines{"stop b", "stop a", "finish"});
  }
  SECTION("while children stop for a restart") {
    fake_supervisor sup{three_children(one_for_all)};
    sup.script("c").stop_takes = 1s;
    sup.start().die("a").stop();
    sup.pass(1s);
    CHECK(sup.did({"stop ", "finish"}) == lines{"stop c", "stop b", "finish"});
  }
  SECTION("while a child waits for its restart") {
    auto a = child("a");
    a.back_off = troupe::backoff{.initial = 1s};
    fake_supervisor sup{flags(one_for_one, 9, {a, child("b")})};
    sup.start().die("a").die("a");
    CHECK(sup.state("a") == child_state::restarting);
    sup.stop();
    CHECK(sup.did({"stop ", "finish"}) == lines{"stop b", "finish"});
    CHECK_FALSE(sup.decisions().next_time());
  }
  SECTION("twice") {
    fake_supervisor sup{three_children(one_for_one)};
    sup.script("a").stop_takes = 1s;
    sup.start().stop();
    sup.did();
    sup.stop();
    CHECK(sup.did().empty());
    sup.pass(1s);
    sup.stop();
    CHECK(sup.did() == lines{"stopped a", "finish"});
  }
}

TEST_CASE("whoever waits for a child when its supervisor ends gets an answer",
          "[policy][supervision]") {
  fake_supervisor sup{three_children(one_for_one)};
  sup.script("b").stop_takes = 1s;
  sup.script("d").when_started = fake_script::start::hang;
  sup.start();
  const auto started = sup.start_child(child("d"));
  const auto terminated = sup.terminate_child("b");
  const auto deleted = sup.delete_child("b");
  sup.stop();
  CHECK(sup.result(started) == outcome::not_running);
  CHECK(sup.result(deleted) == outcome::not_running);
  CHECK(sup.answered(terminated) == nullptr);
  sup.pass(1s);
  CHECK(sup.result(terminated) == outcome::ok);
}

// --- calls that meet something under way ---

TEST_CASE("a child that is being terminated is terminated for all who ask",
          "[policy][supervision]") {
  fake_supervisor sup{three_children(one_for_one)};
  sup.script("b").stop_takes = 1s;
  sup.start();
  const auto first = sup.terminate_child("b");
  const auto second = sup.terminate_child("b");
  const auto deleted = sup.delete_child("b");
  const auto restarted = sup.restart_child("b");
  const auto started = sup.start_child(child("b"));
  for (const auto call : {first, second, deleted, restarted, started})
    CHECK(sup.answered(call) == nullptr);
  sup.pass(1s);
  CHECK(sup.result(first) == outcome::ok);
  CHECK(sup.result(second) == outcome::ok);
  CHECK(sup.result(deleted) == outcome::ok);
  CHECK(sup.result(restarted) == outcome::not_found);
  CHECK(sup.result(started) == outcome::ok);
  CHECK(sup.children() == lines{"a 1", "c 3", "b 4"});
}

TEST_CASE("a child that is terminated while it starts was never there", "[policy][supervision]") {
  fake_supervisor sup{three_children(one_for_one)};
  sup.start();
  sup.script("d").when_started = fake_script::start::hang;
  const auto started = sup.start_child(child("d"));
  CHECK(sup.answered(started) == nullptr);
  CHECK(sup.result(sup.terminate_child("d")) == outcome::ok);
  CHECK(sup.result(started) == outcome::terminated);
  CHECK_FALSE(sup.decisions().which_child("d"));
}

TEST_CASE("a dynamic child that is being killed for its slow start does not hold up the end",
          "[policy][supervision]") {
  troupe::policy::supervision sup{flags(dynamic, 2, {child("x")})};
  troupe::policy::actions out;
  troupe::policy::time_point now{1h};
  sup.start(now, out);
  sup.start_child(1, nullptr, now, out);
  now += 10s;
  sup.timer(now, out);  // kills it
  sup.stop(now, out);
  out.clear();
  sup.ended({1, 1}, killed, now, out);
  REQUIRE_FALSE(out.empty());
  CHECK(std::holds_alternative<troupe::policy::finish>(out.back()));
}

TEST_CASE("specs can change in the middle of a restart loop", "[policy][supervision]") {
  auto a = child("a");
  a.back_off = troupe::backoff{.initial = 1s, .max = 8s, .jitter = 0};
  auto spec = flags(rest_for_one, 100, {a, child("b")});
  fake_supervisor sup{spec};
  sup.start();
  sup.script("a").when_started = fake_script::start::fail;
  sup.die("a");
  CHECK(sup.state("a") == child_state::restarting);
  spec.children = {child("c"), a, child("b")};
  spec.children[1].back_off.reset();
  CHECK(sup.result(sup.change(spec)) == outcome::ok);
  sup.script("a") = {};
  sup.pass(1s);
  CHECK(sup.children() == lines{"c undefined", "a 4", "b 5"});
}

// --- what others are told ---

TEST_CASE("a new incarnation is told how often, why, and because of whom",
          "[policy][supervision]") {
  fake_supervisor sup{three_children(rest_for_one)};
  sup.start();
  CHECK(sup.told("b").count == 0);
  CHECK_FALSE(sup.told("b").cause);
  CHECK(sup.told("b").because_of == 0);
  const auto key = sup.decisions().which_child("b")->key;
  sup.die("b", killed);
  CHECK(sup.told("b").count == 1);
  CHECK(sup.told("b").cause == killed);
  CHECK(sup.told("b").because_of == key);
  CHECK(sup.told("c").count == 1);
  CHECK(sup.told("c").cause == asked_to);
  CHECK(sup.told("c").because_of == key);
  sup.terminate_child("b");
  sup.restart_child("b");
  CHECK(sup.told("b").count == 1);
  CHECK(sup.told("b").because_of == 0);
}

TEST_CASE("a supervisor that gives up says why: its last five restarts", "[policy][supervision]") {
  fake_supervisor sup{flags(one_for_one, 6, {child("a")})};
  sup.start();
  for (int code = 1; code <= 7; ++code) sup.pass(1s).die("a", {kind::exited, code, false});
  REQUIRE(sup.finished());
  const auto finish = *sup.finished();
  CHECK(finish.reason == end_reason::gave_up);
  CHECK(finish.how == ending{kind::exited, 7, false});
  REQUIRE(finish.last.size() == 5);
  CHECK(finish.last.front().how == ending{kind::exited, 3, false});
  CHECK(finish.last.back().how == finish.how);
  CHECK(finish.last.back().at == sup.now());
}

// --- crash loops and storms ---
