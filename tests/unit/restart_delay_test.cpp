// When restarts are due: a back-off for each child, and the pace of them all.
#include <support/catch.hpp>
#include <support/fake_supervisor.hpp>
#include <troupe/policy/refused_start.hpp>

#include <algorithm>

using namespace std::chrono_literals;
using namespace test;
using enum troupe::restart_strategy;
using troupe::policy::outcome;

TEST_CASE("a child that dies at once is started as often as its back-off says",
          "[policy][supervision]") {
  auto a = child("a");
  a.back_off = troupe::backoff{.initial = 100ms, .max = 10s, .jitter = 0};
  fake_supervisor sup{flags(one_for_one, 1000, {a})};
  sup.start();
  for (const auto begin = sup.now(); sup.now() - begin < 60s; sup.pass(1ms))
    if (sup.pid("a") != 0) sup.die("a");
  // Two at 0; seven more by 0.1 + 0.2 + ... + 6.4 = 12.7 s, and one every 10 s from there.
  CHECK(sup.did({"start "}).size() == 2 + 7 + 4);
}

TEST_CASE("jitter spreads what died together", "[policy][supervision]") {
  auto pattern = child("x");
  pattern.back_off = troupe::backoff{.initial = 1s, .max = 1s, .jitter = 0.5};
  fake_supervisor sup{flags(dynamic, 1000, {pattern})};
  sup.start();
  for (int i = 0; i < 50; ++i) sup.start_child();
  for (const auto& c : sup.decisions().which_children()) sup.die(c.key);
  for (const auto& c : sup.decisions().which_children()) sup.die(c.key);
  std::vector<troupe::policy::time_point> due;
  for (const auto& c : sup.decisions().which_children()) {
    REQUIRE(c.due);
    CHECK(*c.due - sup.now() >= 1s);
    CHECK(*c.due - sup.now() <= 1500ms);
    due.push_back(*c.due);
  }
  std::sort(due.begin(), due.end());
  CHECK(due.back() - due.front() > 300ms);
}

TEST_CASE("256 workers that die together come back at the pace that is set",
          "[policy][supervision]") {
  auto spec = flags(dynamic, 1000, {child("x")});
  spec.pace = troupe::restart_pace{.burst = 16, .every = 10ms};
  fake_supervisor sup{spec};
  sup.start();
  for (int i = 0; i < 256; ++i) sup.start_child();
  sup.did();
  for (const auto& c : sup.decisions().which_children()) sup.die(c.key, killed);
  CHECK(sup.did({"start "}).size() == 16);
  for (int i = 1; i <= 240; ++i) {
    sup.pass(10ms);
    CHECK(sup.did({"start "}).size() == 1);
    // Calls are answered at once meanwhile.
    if (i == 100) CHECK(sup.result(sup.terminate_child(1)) == outcome::ok);
  }
  CHECK(sup.processes() == 255);
}

TEST_CASE("another pace owes nothing of the one before", "[policy][supervision]") {
  auto spec = flags(one_for_one, 1000, {child("x")});
  spec.pace = troupe::restart_pace{.burst = 1, .every = 1h};
  fake_supervisor sup{spec};
  sup.start();
  sup.die("x", killed);
  spec.pace = troupe::restart_pace{.burst = 1, .every = 10ms};
  CHECK(sup.result(sup.change(spec)) == outcome::ok);
  sup.did();
  sup.die("x", killed);
  CHECK(sup.did({"start "}).size() == 1);
}

TEST_CASE("a start that the system refuses is tried again for some seconds, then no more",
          "[policy][supervision]") {
  std::chrono::milliseconds all{0};
  unsigned n = 1;
  for (; const auto pause = troupe::policy::pause_after_refusal(n); ++n) {
    CHECK(*pause >= all);  // ever longer
    all += *pause;
  }
  CHECK(n > 5);
  CHECK(all > 2s);
  CHECK(all < 5s);  // OTP's period
  CHECK_FALSE(troupe::policy::pause_after_refusal(~0U));
}
