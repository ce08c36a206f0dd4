// Children that are at one message for too long.
#include <support/oracle.hpp>
#include <support/supervised.hpp>

#include <unistd.h>

#include <csignal>

using namespace std::chrono_literals;
using troupe::restart_type;
using kind = troupe::lifecycle_event::kind;

namespace {

/// At its first message for ever, at others for a moment.
caf::behavior slow_starter(caf::event_based_actor*) {
  return {[](int x) {
    if (x == 0)
      for (;;) pause();
    usleep(20'000);
    return x;
  }};
}

}  // namespace

TEST_CASE("a handler that hangs is killed and its child restarted, an idle one never",
          "[process][supervisor][watchdog]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  test::event_log events;
  auto watched = test::patient_spec("watched", restart_type::transient);
  watched.watchdog = 20ms;
  auto idle = test::patient_spec("idle");
  idle.watchdog = 20ms;
  troupe::supervisor_spec spec;
  spec.intensity = 10;
  spec.children = {watched, idle};
  auto sup = rt.supervise(spec);
  const int idle_pid = *sup.which_child("idle")->pid;
  const auto child = sup.child("watched");
  for (std::uint32_t life = 1; life <= 3; ++life) {
    CHECK(test::ask(child, 7) == 7);
    CHECK(test::outcome_of(child, "hang") == "worker_lost");
    const auto exited = events.wait_for(kind::exited, "watched");
    CHECK(exited.life == life);
    CHECK(exited.report->signal == SIGABRT);
    events.wait_for(kind::ready, "watched");
  }
  CHECK(test::ask(child, 8) == 8);
  CHECK(sup.which_child("idle")->pid == idle_pid);
  sup.stop();
  oracle.check();
}

TEST_CASE("rules say what becomes of a child that hung", "[process][supervisor][watchdog]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  test::event_log events;
  auto watched = test::patient_spec("watched");
  watched.watchdog = 10ms;
  watched.rules = {{troupe::ending_rule::cause::watchdog, {}, troupe::ending_rule::action::stop}};
  troupe::supervisor_spec spec;
  spec.children = {watched};
  auto sup = rt.supervise(spec);
  rt.self()->send(sup.child("watched"), "hang");
  events.wait_for(kind::exited, "watched");
  CHECK(test::states(sup) == "watched down");
  CHECK(test::outcome_of(sup.child("watched"), 1) == "stopped");
  sup.restart_child("watched");
  CHECK(test::ask(sup.child("watched"), 1) == 1);
  sup.stop();
  oracle.check();
}

TEST_CASE("what the last life was at does not count against the next one",
          "[process][supervisor][watchdog]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  troupe::supervisor_spec spec;
  spec.children = {{.id = "a", .start = troupe::run(slow_starter), .watchdog = 300ms}};
  auto sup = rt.supervise(spec);
  const auto child = sup.child("a");
  rt.self()->send(child, 0);
  for (int x = 1; x <= 5; ++x) CHECK(test::ask(child, x) == x);  // of the same number in its life
  CHECK(sup.which_child("a")->restarts == 1);
  sup.stop();
  oracle.check();
}
