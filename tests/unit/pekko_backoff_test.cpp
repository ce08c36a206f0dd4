// Cases of Pekko's SupervisionSpec that have a meaning for processes.
#include <support/catch.hpp>
#include <support/fake_supervisor.hpp>

using namespace std::chrono_literals;
using namespace test;
using troupe::ending_rule;
using troupe::policy::end_reason;
using lines = std::vector<std::string>;

namespace {

troupe::child_spec delayed(troupe::backoff back_off) {
  auto c = child("a");
  c.back_off = back_off;
  return c;
}

/// Without jitter.
troupe::backoff exactly(std::chrono::nanoseconds initial, std::chrono::nanoseconds max) {
  return {.initial = initial, .max = max, .jitter = 0};
}

troupe::supervisor_spec of(troupe::child_spec c, int intensity = 1000) {
  return {.intensity = intensity, .period = 5s, .children = {std::move(c)}};
}

}  // namespace

TEST_CASE("SupervisionSpec: stop after restart retries limit - then the supervisor gives up",
          "[policy][pekko]") {
  fake_supervisor sup{of(child("a"), 2)};
  sup.start().die("a").die("a");
  CHECK_FALSE(sup.finished());
  sup.die("a");
  REQUIRE(sup.finished());
  CHECK(sup.finished()->reason == end_reason::gave_up);
  CHECK(sup.finished()->last.size() == 3);
}

TEST_CASE("SupervisionSpec: reset retry limit after withinTimeRange - old restarts are forgotten",
          "[policy][pekko]") {
  fake_supervisor sup{of(child("a"), 2)};
  sup.start().die("a").die("a");
  sup.pass(5s + 1ns).die("a").die("a");
  CHECK_FALSE(sup.finished());
  sup.pass(5s).die("a");
  CHECK(sup.finished());
}

TEST_CASE(
    "SupervisionSpec: stop at first exception when restart retries limit is 0 - no restart at all",
    "[policy][pekko]") {
  fake_supervisor sup{of(child("a"), 0)};
  sup.start().die("a");
  CHECK(sup.finished());
  CHECK(sup.did({"start "}) == lines{"start a"});
}

TEST_CASE("SupervisionSpec: stop children when backoff - one_for_all takes them down at once",
          "[policy][pekko]") {
  fake_supervisor sup{{.strategy = troupe::restart_strategy::one_for_all,
                       .intensity = 1000,
                       .children = {delayed(exactly(1s, 8s)), child("b")}}};
  sup.start().die("a");
  sup.did();
  sup.die("a");
  CHECK(sup.did() == lines{"exited a", "restart a in 1000ms", "stop b", "stopped b"});
  sup.pass(999ms);
  CHECK(sup.did().empty());
  CHECK(sup.children() == lines{"a restarting", "b undefined"});
  sup.pass(1ms);
  CHECK(sup.did() == lines{"start a", "ready a", "start b", "ready b"});
}

TEST_CASE("SupervisionSpec: optionally NOT stop children when backoff - one_for_one leaves them",
          "[policy][pekko]") {
  fake_supervisor sup{{.intensity = 1000, .children = {delayed(exactly(1s, 8s)), child("b")}}};
  sup.start().die("a").die("a");
  CHECK(sup.children() == lines{"a restarting", "b 2"});
  sup.pass(1s);
  CHECK(sup.children() == lines{"a 4", "b 2"});
}

TEST_CASE("SupervisionSpec: support nesting to handle different exceptions - a rule for each cause",
          "[policy][pekko]") {
  auto c = delayed(exactly(1s, 8s));
  c.rules = {
      {ending_rule::cause::exit_code, {2}, ending_rule::action::stop},
      {ending_rule::cause::exit_code, {3, 4}, ending_rule::action::restart_slower},
      {ending_rule::cause::signal, {11}, ending_rule::action::escalate},
  };
  using troupe::policy::ending;
  fake_supervisor sup{of(c)};
  sup.start();
  sup.die("a", {ending::kind::exited, 1, false});
  CHECK(sup.children() == lines{"a 2"});
  sup.die("a", {ending::kind::exited, 2, false});
  CHECK(sup.children() == lines{"a undefined"});
  sup.restart_child("a");
  sup.pass(10s);
  sup.did();
  sup.die("a", {ending::kind::exited, 4, false});
  CHECK(sup.did() == lines{"exited a", "restart a in 1000ms"});
  sup.pass(1s);
  sup.die("a", {ending::kind::signaled, 11, false});
  REQUIRE(sup.finished());
  CHECK(sup.finished()->reason == end_reason::escalated);
}

TEST_CASE("SupervisionSpec: restart after exponential backoff - doubled up to the limit",
          "[policy][pekko]") {
  fake_supervisor sup{of(delayed(exactly(1s, 6s)))};
  sup.start();
  sup.did();
  for (const auto* in :
       {"", " in 1000ms", " in 2000ms", " in 4000ms", " in 6000ms", " in 6000ms"}) {
    sup.die("a");
    sup.pass();
    CHECK(sup.did({"restart"}) == lines{std::string{"restart a"} + in});
  }
}

TEST_CASE("SupervisionSpec: fail if reaching maximum number of restarts with backoff",
          "[policy][pekko]") {
  // Restarts that a back-off spreads count when they happen.
  fake_supervisor sup{of(delayed(exactly(1s, 1s)), 3)};
  sup.start();
  for (int i = 0; i < 3; ++i) sup.die("a").pass(1s);
  CHECK_FALSE(sup.finished());
  sup.die("a").pass(1s);
  REQUIRE(sup.finished());
  CHECK(sup.finished()->reason == end_reason::gave_up);
  CHECK(sup.finished()->last.size() == 4);

  fake_supervisor slow{of(delayed(exactly(6s, 6s)), 1)};
  slow.start();
  for (int i = 0; i < 20; ++i) slow.die("a").pass(6s);
  CHECK_FALSE(slow.finished());
}

TEST_CASE("SupervisionSpec: reset exponential backoff count after reset timeout",
          "[policy][pekko]") {
  auto b = exactly(1s, 60s);
  b.reset_after = 10s;
  fake_supervisor sup{of(delayed(b))};
  sup.start().die("a").die("a").pass(1s).die("a").pass(2s);
  sup.did();
  sup.pass(10s - 1ns).die("a").pass(4s);
  CHECK(sup.did({"restart"}) == lines{"restart a in 4000ms"});
  sup.pass(10s).die("a");
  CHECK(sup.did({"restart"}) == lines{"restart a"});
}

TEST_CASE("SupervisionSpec: default resetBackoffAfter to average of min and max backoff",
          "[policy][pekko]") {
  fake_supervisor sup{of(delayed(exactly(1s, 5s)))};
  sup.start().die("a");
  sup.did();
  sup.pass(3s - 1ns).die("a").pass(1s);
  CHECK(sup.did({"restart"}) == lines{"restart a in 1000ms"});
  sup.pass(3s).die("a");
  CHECK(sup.did({"restart"}) == lines{"restart a"});
}
