#include <support/catch.hpp>
#include <support/fake_supervisor.hpp>

#include <troupe/child_start.hpp>
#include <troupe/policy/delays.hpp>
#include <troupe/policy/intensity.hpp>
#include <troupe/policy/pace.hpp>
#include <troupe/policy/spec.hpp>

#include <cmath>
#include <functional>
#include <set>

using namespace std::chrono_literals;
using namespace troupe::policy;
using test::child;
using troupe::ending_rule;

namespace {

/// The sentence about one thing that is wrong with child 'a', or with its supervisor.
std::string complaint(
    const std::function<void(troupe::supervisor_spec&, troupe::child_spec&)>& spoil) {
  troupe::supervisor_spec spec;
  auto a = child("a", troupe::restart_type::transient);
  spoil(spec, a);
  spec.children.insert(spec.children.begin(), a);
  const auto faults = validate(spec);
  REQUIRE(faults.size() == 1);
  CHECK(faults[0].sentence.find(faults[0].field) != std::string::npos);
  CHECK(faults[0].sentence.find(faults[0].child.empty() ? "The supervisor" : "Child 'a'") == 0);
  return faults[0].sentence;
}

}  // namespace

TEST_CASE("each fault of a spec has a sentence of its own", "[policy][spec]") {
  using S = troupe::supervisor_spec;
  using C = troupe::child_spec;
  using cause = ending_rule::cause;
  using action = ending_rule::action;
  const std::function<void(S&, C&)> faults[] = {
      [](S& s, C&) { s.strategy = static_cast<troupe::restart_strategy>(9); },
      [](S& s, C&) { s.intensity = -1; },
      [](S& s, C&) { s.period = 0s; },
      [](S& s, C&) { s.auto_shutdown = static_cast<troupe::auto_shutdown_mode>(9); },
      [](S& s, C&) { s.max_children = 3; },
      [](S& s, C&) { s.pace = troupe::restart_pace{.burst = 0}; },
      [](S& s, C&) { s.pace = troupe::restart_pace{.every = 0s}; },
      [](S& s, C&) {
        s.strategy = troupe::restart_strategy::dynamic;
        s.auto_shutdown = troupe::auto_shutdown_mode::all_significant;
      },
      [](S& s, C&) {
        s.strategy = troupe::restart_strategy::dynamic;
        s.children.push_back(child("b"));
      },
      [](S& s, C&) { s.children.push_back(child("a")); },
      [](S&, C& c) { c.start = nullptr; },
      [](S&, C& c) { c.restart = static_cast<troupe::restart_type>(9); },
      [](S&, C& c) { c.type = static_cast<troupe::child_type>(9); },
      [](S&, C& c) { c.shutdown = -1ns; },
      [](S&, C& c) {
        c.shutdown = troupe::shutdown_limit{static_cast<troupe::shutdown_limit::mode>(9)};
      },
      [](S&, C& c) { c.significant = true; },
      [](S& s, C& c) {
        s.auto_shutdown = troupe::auto_shutdown_mode::any_significant;
        c.restart = troupe::restart_type::permanent;
        c.significant = true;
      },
      [](S& s, C& c) {
        s.strategy = troupe::restart_strategy::dynamic;
        c.significant = true;
      },
      [](S&, C& c) { c.start_timeout = 0s; },
      [](S&, C& c) { c.watchdog = -1s; },
      [](S&, C& c) { c.back_off = troupe::backoff{.initial = 0s}; },
      [](S&, C& c) { c.back_off = troupe::backoff{.initial = 2s, .max = 1s}; },
      [](S&, C& c) { c.back_off = troupe::backoff{.factor = 0.5}; },
      [](S&, C& c) { c.back_off = troupe::backoff{.jitter = std::nan("")}; },
      [](S&, C& c) { c.back_off = troupe::backoff{.reset_after = -1s}; },
      [](S&, C& c) {
        c.restart = troupe::restart_type::temporary;
        c.back_off = troupe::backoff{};
      },
      [](S&, C& c) {
        c.rules = {{static_cast<cause>(9), {}, action::stop}};
      },
      [](S&, C& c) {
        c.rules = {{cause::out_of_memory, {}, static_cast<action>(9)}};
      },
      [](S&, C& c) {
        c.rules = {{cause::out_of_memory, {1}, action::stop}};
      },
      [](S&, C& c) {
        c.rules = {{cause::exit_code, {256}, action::stop}};
      },
      [](S&, C& c) {
        c.rules = {{cause::signal, {0}, action::stop}};
      },
      [](S&, C& c) {
        c.rules = {{cause::out_of_memory, {}, action::restart_slower}};
      },
      [](S&, C& c) {
        c.restart = troupe::restart_type::temporary;
        c.rules = {{cause::out_of_memory, {}, action::restart}};
      },
      [](S&, C& c) {
        c.rules = {{cause::watchdog, {}, action::stop}};
      },
      [](S&, C& c) {
        c.restart = troupe::restart_type::temporary;
        c.rules = {{cause::start_failed, {}, action::escalate}};
      },
      [](S&, C& c) {
        c.rules = {{cause::signal, {}, action::stop}, {cause::signal, {9}, action::restart}};
      },
      [](S&, C& c) { c.limits.nice = 20; },
      [](S&, C& c) { c.limits.cpu_time = 0s; },
      [](S&, C& c) { c.limits.memory_bytes = 0; },
      [](S&, C& c) { c.limits.pids = 0; },
      [](S&, C& c) { c.limits.memory_bytes = 1 << 30; },
      [](S&, C& c) { c.limits.pids = 100; },
      [](S&, C& c) {
        c.limits.cpus = {0, -1};
      },
  };
  std::set<std::string> sentences;
  for (const auto& spoil : faults) {
    const auto sentence = complaint(spoil);
    INFO(sentence);
    CHECK(sentences.insert(sentence).second);
  }
}

TEST_CASE("a rule that no end can come to is a fault", "[policy][spec]") {
  using cause = ending_rule::cause;
  using action = ending_rule::action;
  const auto fits = [](std::vector<ending_rule> rules) {
    auto a = child("a");
    a.rules = std::move(rules);
    return validate({.children = {a}}).empty();
  };
  const ending_rule any_code{cause::exit_code, {}, action::stop};
  const ending_rule some_codes{cause::exit_code, {1, 3}, action::restart};
  const ending_rule one_code{cause::exit_code, {3}, action::escalate};
  const ending_rule well{cause::exit_code, {0}, action::restart};
  const ending_rule memory{cause::out_of_memory, {}, action::stop};
  CHECK(fits({one_code, some_codes, any_code, well, memory}));
  CHECK_FALSE(fits({some_codes, one_code}));
  CHECK_FALSE(fits({any_code, some_codes}));
  CHECK_FALSE(fits({any_code, any_code}));
  CHECK_FALSE(fits({memory, any_code, memory}));
}

TEST_CASE("a pace that time can't hold is a fault", "[policy][spec]") {
  using S = troupe::supervisor_spec;
  using C = troupe::child_spec;
  CHECK_FALSE(complaint([](S& s, C&) { s.pace = troupe::restart_pace{.burst = 20'000}; }).empty());
  CHECK_FALSE(complaint([](S& s, C&) { s.pace = troupe::restart_pace{.every = 25h}; }).empty());
}

TEST_CASE("limits that need a control group are taken where there can be one", "[policy][spec]") {
  auto limited = child("a");
  limited.limits.memory_bytes = 1 << 30;
  limited.limits.pids = 100;
  const troupe::supervisor_spec spec{.children = {limited}};
  const auto fields = [&](const group_facts& groups) {
    std::vector<std::string> all;
    for (const auto& f : validate(spec, groups)) all.push_back(f.field);
    return all;
  };
  CHECK(fields({"", ""}).empty());
  CHECK(fields({"", "no such controller"}) == std::vector<std::string>{"limits.pids"});
  CHECK(fields({"no such controller", ""}) == std::vector<std::string>{"limits.memory_bytes"});
  CHECK(fields({}).size() == 2);
  CHECK(validate(spec, {"it is not delegated", ""})[0].sentence.find(
            "Child 'a': limits.memory_bytes can't be kept, because it is not delegated; ") == 0);
  CHECK(validate(limited, {}, {"", ""}).empty());
  CHECK(validate(limited, {}, {"", "no"}).size() == 1);
}

TEST_CASE("the children of a child are checked with it", "[policy][spec]") {
  auto limited = child("x");
  limited.limits.pids = 100;
  const auto nested = [](const std::string& id, troupe::supervisor_spec below) {
    auto c = child(id);
    c.start = troupe::supervise(std::move(below));
    c.type = troupe::child_type::supervisor;
    return c;
  };
  const troupe::supervisor_spec spec{
      .children = {child("a"), nested("b", {.children = {nested("c", {.children = {limited}})}})}};
  CHECK(needs_control_groups(spec));
  CHECK_FALSE(needs_control_groups(troupe::supervisor_spec{.children = {child("a")}}));
  CHECK(validate(spec, {"", ""}).empty());
  const auto faults = validate(spec, {"", "no"});
  REQUIRE(faults.size() == 1);
  CHECK(faults[0].child == "b/c/x");
  CHECK(faults[0].field == "limits.pids");
  CHECK(faults[0].sentence.find("In child 'b': In child 'c': Child 'x': limits.pids") == 0);
  CHECK(validate({.children = {nested("b", {.intensity = -1})}})[0].sentence ==
        "In child 'b': The supervisor: intensity must not be negative");
  auto together = nested("b", {});
  together.limits.nice = 3;
  CHECK(validate({.children = {together}})[0].field == "limits");
}

TEST_CASE("names of children are what can stand in a path and on a terminal", "[policy][spec]") {
  for (const std::string good : {"a", "calculator-1", "worker.7", "Zähler", "a:b"}) {
    INFO(good);
    CHECK(validate({.children = {child(good)}}).empty());
  }
  for (const std::string bad : {"", "a/b", "a b", "a\n", "\x1b[0m", "\x7f"}) {
    INFO(bad);
    REQUIRE(validate({.children = {child(bad)}}).size() == 1);
    CHECK(validate({.children = {child(bad)}})[0].field == "id");
  }
  CHECK(validate({.children = {child(std::string(128, 'x'))}}).empty());
  CHECK(validate({.children = {child(std::string(129, 'x'))}}).size() == 1);
  // Without a name it goes by its place.
  const auto faults = validate({.children = {child("a"), child("")}});
  REQUIRE(faults.size() == 1);
  CHECK(faults[0].sentence.find("Child 2: id ") == 0);
}

TEST_CASE("a spec says what it means without ceremony", "[policy][spec]") {
  troupe::child_spec c = child("a");
  c.shutdown = 2s;
  CHECK(c.shutdown_or_default() == troupe::shutdown_limit{2s});
  c.shutdown = troupe::brutal_kill;
  CHECK(c.shutdown_or_default() == troupe::brutal_kill);
  CHECK(troupe::brutal_kill != troupe::infinity);
  CHECK(troupe::shutdown_limit{} == troupe::shutdown_limit{5s});
}

TEST_CASE("restarts within the period count, its two ends included", "[policy][intensity]") {
  const time_point t{1h};
  intensity i{2, 10s};
  CHECK(i.spend(t));
  CHECK(i.spend(t + 5s));
  SECTION("a third at the end of the period is too many") {
    CHECK_FALSE(i.spend(t + 10s));
  }
  SECTION("a third after it is not") {
    CHECK(i.spend(t + 10s + 1ns));
  }
  SECTION("a lower limit counts what was before") {
    i.limit(1, 10s);
    CHECK_FALSE(i.spend(t + 11s));
  }
  CHECK_FALSE(intensity(0, 1s).spend(t));
}

TEST_CASE("a pace lets a burst go and spreads the rest", "[policy][pace]") {
  const troupe::restart_pace p{.burst = 2, .every = 1s};
  const time_point t{1h};
  pace turns;
  CHECK(turns.take(p, t) == t);
  CHECK(turns.take(p, t) == t);
  CHECK(turns.take(p, t) == t + 1s);
  CHECK(turns.take(p, t) == t + 2s);
  CHECK(turns.take(p, t + 500ms) == t + 3s);
  // Full again after a rest, and no fuller.
  CHECK(turns.take(p, t + 10s) == t + 10s);
  CHECK(turns.take(p, t + 10s) == t + 10s);
  CHECK(turns.take(p, t + 10s) == t + 11s);
}

TEST_CASE("delays grow, stay below their limit and begin anew", "[policy][delays]") {
  std::minstd_rand random{1};
  troupe::backoff b{.initial = 100ms, .max = 1s, .factor = 3, .jitter = 0};
  delays d;
  for (const auto wait : {0ms, 100ms, 300ms, 900ms, 1000ms, 1000ms})
    CHECK(d.next(b, false, random) == wait);
  d.was_up(b, 549ms);
  CHECK(d.next(b, false, random) == 1s);
  d.was_up(b, 550ms);
  CHECK(d.next(b, false, random) == 0ms);

  delays slower;
  CHECK(slower.next(b, true, random) == 100ms);
  CHECK(slower.next(b, true, random) == 300ms);
  CHECK(slower.next(b, false, random) == 900ms);
  slower.was_up(b, 1s);
  CHECK(slower.next(b, false, random) == 0ms);
  CHECK(slower.next(b, true, random) == 300ms);  // a step ahead, also after a plain one
  CHECK(slower.next(b, false, random) == 900ms);

  b.jitter = 1;
  delays many;
  CHECK(many.next(b, false, random) == 0ms);
  for (int i = 0; i < 2000; ++i) {
    const auto wait = many.next(b, false, random);
    CHECK(wait >= 100ms);
    CHECK(wait <= 2s);
  }
  CHECK(later(time_point::max() - 1s, 2s) == time_point::max());
}
