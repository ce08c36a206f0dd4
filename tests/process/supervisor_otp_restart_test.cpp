// Cases of OTP's supervisor_SUITE and Pekko's SupervisionSpec about restarts, with real processes.
#include <support/oracle.hpp>
#include <support/processes.hpp>
#include <support/supervised.hpp>

#include <unistd.h>

#include <algorithm>
#include <map>

using namespace std::chrono_literals;
using test::changed;
using test::count;
using test::counts;
using test::dynamic;
using test::failing_spec;
using test::patient_spec;
using test::three;
using troupe::auto_shutdown_mode;
using troupe::restart_strategy;
using troupe::restart_type;
using kind = troupe::lifecycle_event::kind;
using lines = std::vector<std::string>;
using sequence = std::vector<std::uint64_t>;

namespace {

constexpr auto permanent = restart_type::permanent;
constexpr auto transient = restart_type::transient;
constexpr auto temporary = restart_type::temporary;

enum class left { again, kept, gone };

/// A child of a type ends in each of these ways: what is left of it then, and the counts.
void check_ends(restart_type type, const lines& ways, left what) {
  const test::oracle oracle;
  for (const auto& way : ways) {
    INFO(way);
    test::event_log events;
    auto sup = test::runtime().supervise({.intensity = 2});
    const auto first = sup.start_child(patient_spec("child1", type));
    const auto handle = sup.child("child1");
    test::runtime().self()->send(handle, way);
    events.wait_for(kind::exited, "child1");
    if (what == left::again) {
      events.wait_for(kind::ready, "child1");
      CHECK(count(sup) == counts{1, 1, 0, 1});
      CHECK(test::ask(handle, caf::get_atom_v) != first.pid);
    } else {
      CHECK(count(sup) == (what == left::kept ? counts{1, 0, 0, 1} : counts{0, 0, 0, 0}));
      CHECK(test::outcome_of(handle, 1) == "stopped");
      CHECK(test::outcome_of_call([&] { sup.restart_child("child1"); }) ==
            (what == left::kept ? "value" : "not_found"));
    }
    sup.stop();
  }
  oracle.check();
}

const lines normal{"quit", "exit 0"};
const lines shut_down{"quit as asked"};
const lines abnormal{"quit with an error", "exit 3", "abort", "kill"};

using who = std::vector<bool>;

/// Closes all that joins it to its parent, and lives on.
caf::behavior unlinking(caf::event_based_actor* self) {
  return caf::message_handler{[](caf::put_atom) {
           for (int fd = 3; fd < 1000; ++fd) close(fd);
           for (;;) pause();
         }}
      .or_else(test::patient(self).as_behavior_impl());
}

/// An actor with an actor and a function of its own, which tells their pids after its own.
caf::behavior parent(caf::event_based_actor* self, troupe::runtime& rt) {
  const auto actor = rt.spawn(test::patient);
  const auto function = rt.spawn([] {
    for (;;) pause();
    return 0;
  });
  const std::string pids =
      std::to_string(rt.process_of(actor).pid()) + ' ' + std::to_string(function.pid());
  return {[=](caf::get_atom) { return pids; },
          [self, actor](int x) { return self->delegate(actor, x); }};
}

/// Sends so many requests; tells how many were refused and how many had another outcome.
caf::behavior flooder(caf::event_based_actor* self, caf::actor to, caf::actor report) {
  auto full = std::make_shared<int>(0);
  auto others = std::make_shared<int>(0);
  return {[=](int total) {
    const auto done = [=](int& which) {
      ++which;
      if (*full + *others == total) self->send(report, *full, *others);
    };
    for (int i = 0; i < total; ++i)
      self->request(to, caf::infinite, i)
          .then([=](int) { done(*others); },
                [=](const caf::error& e) {
                  done(e == troupe::errc::mailbox_full ? *full : *others);
                });
    return true;
  }};
}

/// Notes numbers; dies of a text.
caf::behavior noting(caf::event_based_actor*, const std::string& place) {
  return {[=](int x) {
            test::note(place, static_cast<std::uint64_t>(x));
            return x;
          },
          [](const std::string& way) { test::hurt_process(way); }};
}

}  // namespace

TEST_CASE("supervisor_SUITE: permanent_normal - it comes back after a good end",
          "[process][supervisor][otp]") {
  check_ends(permanent, normal, left::again);
}

TEST_CASE("supervisor_SUITE: transient_normal - it does not, its spec stays",
          "[process][supervisor][otp]") {
  check_ends(transient, normal, left::kept);
}

TEST_CASE("supervisor_SUITE: temporary_normal - it does not, nothing stays",
          "[process][supervisor][otp]") {
  check_ends(temporary, normal, left::gone);
}

TEST_CASE("supervisor_SUITE: permanent_shutdown - it comes back if it was shut down",
          "[process][supervisor][otp]") {
  check_ends(permanent, shut_down, left::again);
}

TEST_CASE("supervisor_SUITE: transient_shutdown - it stays down, and can be restarted",
          "[process][supervisor][otp]") {
  check_ends(transient, shut_down, left::kept);
}

TEST_CASE("supervisor_SUITE: temporary_shutdown - it is gone", "[process][supervisor][otp]") {
  check_ends(temporary, shut_down, left::gone);
}

TEST_CASE("supervisor_SUITE: permanent_abnormal - it comes back after a failure",
          "[process][supervisor][otp]") {
  check_ends(permanent, abnormal, left::again);
}

TEST_CASE("supervisor_SUITE: transient_abnormal - so does a transient one",
          "[process][supervisor][otp]") {
  check_ends(transient, abnormal, left::again);
}

TEST_CASE("supervisor_SUITE: temporary_abnormal - a temporary one does not",
          "[process][supervisor][otp]") {
  check_ends(temporary, abnormal, left::gone);
}

TEST_CASE("supervisor_SUITE: one_for_all - all are restarted, until it is too often",
          "[process][supervisor][otp]") {
  const test::oracle oracle;
  test::event_log events;
  auto spec = three(restart_strategy::one_for_all);
  spec.intensity = 2;
  auto sup = test::runtime().supervise(spec);
  for (const auto* id : {"a", "c"}) {
    const auto before = test::pids(sup);
    test::kill_child(sup, id);
    events.wait_for_restart(id, "c");
    CHECK(changed(before, sup) == who{true, true, true});
    CHECK(test::ended(before, 0ms));
    CHECK(count(sup) == counts{3, 3, 0, 3});
  }
  const auto last = test::pids(sup);
  test::kill_process(last[1]);
  CHECK(sup.wait(1h).has_value());
  CHECK(test::ended(last, 0ms));
  oracle.check();
}

TEST_CASE("supervisor_SUITE: one_for_all_escalation - a sibling that fails to restart counts, too",
          "[process][supervisor][otp]") {
  const test::ledger notes;
  const test::oracle oracle;
  troupe::supervisor_spec spec;
  spec.strategy = restart_strategy::one_for_all;
  spec.intensity = 4;
  spec.children = {failing_spec(notes, 1), failing_spec(notes, 2, test::all_but_the_first())};
  auto sup = test::runtime().supervise(spec);
  test::kill_child(sup, "1");
  CHECK(sup.wait(1h).has_value());
  CHECK(notes.sequence() == sequence{1, 2, 1, 2, 1, 2, 1, 2, 1, 2});
  oracle.check();
}

TEST_CASE("supervisor_SUITE: rest_for_one - who was started later is restarted, until too often",
          "[process][supervisor][otp]") {
  const test::oracle oracle;
  test::event_log events;
  auto spec = three(restart_strategy::rest_for_one);
  spec.intensity = 2;
  auto sup = test::runtime().supervise(spec);
  auto before = test::pids(sup);
  test::kill_child(sup, "b");
  events.wait_for_restart("b", "c");
  CHECK(changed(before, sup) == who{false, true, true});
  before = test::pids(sup);
  test::kill_child(sup, "c");
  events.wait_for_restart("c");
  CHECK(changed(before, sup) == who{false, false, true});
  const auto last = test::pids(sup);
  test::kill_process(last[1]);
  CHECK(sup.wait(1h).has_value());
  CHECK(test::ended(last, 0ms));
  oracle.check();
}

TEST_CASE("supervisor_SUITE: rest_for_one_escalation - a later one that fails to restart counts",
          "[process][supervisor][otp]") {
  const test::ledger notes;
  const test::oracle oracle;
  troupe::supervisor_spec spec;
  spec.strategy = restart_strategy::rest_for_one;
  spec.intensity = 4;
  spec.children = {failing_spec(notes, 1), failing_spec(notes, 2, test::all_but_the_first())};
  auto sup = test::runtime().supervise(spec);
  test::kill_child(sup, "1");
  CHECK(sup.wait(1h).has_value());
  CHECK(notes.sequence() == sequence{1, 2, 1, 2, 2, 2, 2});
  oracle.check();
}

TEST_CASE("supervisor_SUITE: simple_one_for_one - dynamic children restart one by one",
          "[process][supervisor][otp]") {
  const test::oracle oracle;
  test::event_log events;
  auto spec = dynamic();
  spec.intensity = 2;
  auto sup = test::runtime().supervise(spec);
  const auto both = sup.start_children(std::vector(2, troupe::run(test::patient)));
  auto before = test::pids(sup);
  for (const std::size_t i : {0U, 1U}) {
    const std::string path = "worker#" + std::to_string(both[i].key);
    test::kill_process(before[i]);
    events.wait_for_restart(path);
    CHECK(changed(before, sup) == who{i == 0, i == 1});
    CHECK(count(sup) == counts{1, 2, 0, 2});
    before = test::pids(sup);
  }
  test::kill_process(before[0]);
  CHECK(sup.wait(1h).has_value());
  CHECK(test::ended(before, 0ms));
  oracle.check();
}

TEST_CASE("supervisor_SUITE: simple_one_for_one_escalation - a dynamic child that can't restart",
          "[process][supervisor][otp]") {
  const test::ledger notes;
  const test::oracle oracle;
  auto spec = dynamic();
  spec.intensity = 4;
  auto sup = test::runtime().supervise(spec);
  const auto hurt = sup.start_child(failing_spec(notes, 1, test::all_but_the_first()).start);
  const auto sibling = sup.start_child(troupe::run(test::patient));
  test::kill_process(*hurt.pid);
  CHECK(sup.wait(1h).has_value());
  CHECK(notes.sequence().size() == 5);  // one start, four restarts
  CHECK(test::ended({*sibling.pid}, 0ms));
  oracle.check();
}

TEST_CASE("supervisor_SUITE: significant_temporary - any end of its own ends the supervisor",
          "[process][supervisor][otp]") {
  const test::oracle oracle;
  const bool any = GENERATE(true, false);
  for (const auto* way : {"quit", "kill", "exit 3"}) {
    INFO(way << (any ? ", any" : ", all"));
    test::event_log events;
    auto spec = three(restart_strategy::one_for_one);
    spec.auto_shutdown =
        any ? auto_shutdown_mode::any_significant : auto_shutdown_mode::all_significant;
    for (const auto i : {1U, 2U}) {
      spec.children[i].restart = temporary;
      spec.children[i].significant = true;
    }
    auto sup = test::runtime().supervise(spec);
    const auto pids = test::pids(sup);
    test::runtime().self()->send(sup.child("b"), way);
    if (!any) {
      events.wait_for(kind::exited, "b");
      CHECK(test::states(sup) == "a running, c running");
      test::runtime().self()->send(sup.child("c"), way);
    }
    const auto why = sup.wait(1h);
    REQUIRE(why.has_value());
    CHECK(test::contains(*why, "significant child"));
    CHECK(test::ended(pids, 0ms));
    // Ended by the supervisor it ends nothing.
    sup = test::runtime().supervise(spec);
    for (const auto* id : {"b", "c"}) sup.terminate_child(id);
    CHECK(test::states(sup) == "a running");
    sup.stop();
  }
  oracle.check();
}

TEST_CASE(
    "supervisor_SUITE: child_unlink - one that cuts its links to its parent ends all the same",
    "[process][supervisor][otp]") {
  const test::oracle oracle;
  test::event_log events;
  troupe::supervisor_spec spec;
  spec.children = {patient_spec("a"), patient_spec("b")};
  spec.children[1].start = troupe::run(unlinking);
  auto sup = test::runtime().supervise(spec);
  const auto before = test::pids(sup);
  test::runtime().self()->send(sup.child("b"), caf::put_atom_v);
  const auto exited = events.wait_for(kind::exited, "b");
  REQUIRE(exited.report != nullptr);
  CHECK(exited.report->cause == troupe::exit_cause::closed_channel);
  events.wait_for(kind::ready, "b");
  CHECK(test::ended({before[1]}, 0ms));
  CHECK(changed(before, sup) == who{false, true});
  CHECK(test::ask(sup.child("b"), 3) == 3);
  sup.stop();
  oracle.check();
}

TEST_CASE("SupervisionSpec: stop children when restarting - what it has started ends with it",
          "[process][supervisor][otp]") {
  const test::oracle oracle;
  test::event_log events;
  troupe::supervisor_spec spec;
  spec.intensity = 5;
  spec.children = {{.id = "parent", .start = troupe::run(parent)}};
  auto sup = test::runtime().supervise(spec);
  const auto handle = sup.child("parent");
  const auto below = [&] {
    const auto pids = test::ask<std::string>(handle, caf::get_atom_v);
    const auto space = pids.find(' ');
    return std::vector<int>{std::stoi(pids.substr(0, space)), std::stoi(pids.substr(space))};
  };
  for (int round = 0; round < 3; ++round) {
    const auto before = below();
    CHECK(test::ask(handle, round) == round);
    test::kill_child(sup, "parent");
    events.wait_for_restart("parent");
    CHECK(test::ended(before, 10s));
    for (const int pid : below())
      CHECK(std::find(before.begin(), before.end(), pid) == before.end());
  }
  sup.stop();
  oracle.check();
}

TEST_CASE(
    "SupervisionSpec: publish dropped messages while backing off and stash is full - mailbox_full",
    "[process][supervisor][otp]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  test::event_log events;
  auto child = patient_spec("a");
  child.back_off = troupe::backoff{1h, 1h, 1.0, 0.0, 2h};
  auto sup = rt.supervise({.intensity = 5, .children = {child}});
  const auto handle = sup.child("a");
  for (int life = 1; life <= 2; ++life) {
    test::kill_process(test::ask(handle, caf::get_atom_v));
    events.wait_for(kind::exited, "a");
  }
  constexpr int total = 20'000;
  const auto flood = rt.spawn(troupe::in_process, flooder, handle, test::me());
  test::ask<bool>(flood, total);
  const auto waiting = static_cast<int>(sup.which_child("a")->waiting);
  CHECK(waiting > 0);
  CHECK(waiting < total);
  sup.terminate_child("a");
  rt.self()->receive([&](int full, int others) {
    CHECK(full == total - waiting);
    CHECK(others == waiting);  // they waited until nothing would start it any more
  });
  rt.self()->send_exit(flood, caf::exit_reason::kill);
  sup.stop();
  oracle.check();
}

TEST_CASE(
    "SupervisionSpec: ensure unhandled message retention during unstash exception when "
    "restart/backoff - in order",
    "[process][supervisor][otp]") {
  const test::ledger notes;
  const test::oracle oracle;
  auto& rt = test::runtime();
  auto child = patient_spec("a");
  child.start = troupe::run(noting, notes.place());
  if (GENERATE(false, true)) child.back_off = troupe::backoff{1ms, 4ms, 2.0, 0.0, 1h};
  auto sup = rt.supervise({.intensity = 100, .children = {child}});
  const auto handle = sup.child("a");
  sequence all;
  for (int i = 0; i < 100; ++i) {
    if (i % 20 == 10) rt.self()->send(handle, i % 40 == 10 ? "abort" : "throw");
    rt.self()->send(handle, i);
    all.push_back(static_cast<std::uint64_t>(i));
  }
  CHECK(test::ask(handle, 100) == 100);
  all.push_back(100);
  CHECK(notes.sequence() == all);
  CHECK(sup.which_child("a")->restarts == 5);
  sup.stop();
  oracle.check();
}
