// What a supervisor does about each kind of end of a real process: strategy x restart type x end.
#include <support/ledger.hpp>
#include <support/oracle.hpp>
#include <support/processes.hpp>
#include <support/supervised.hpp>

#include <unistd.h>

using troupe::child_status;
using troupe::restart_strategy;
using troupe::restart_type;
using kind = troupe::lifecycle_event::kind;

namespace {

/// A way for a process to end, and whether that is well: then a transient child stays down.
struct end {
  std::string way;
  bool well;
};
const std::vector<end> ends_of_actors{
    {"quit", true},       {"quit as asked", true}, {"quit with an error", false},
    {"throw", false},     {"exit 0", true},        {"exit 3", false},
    {"abort", false},     {"segv", false},         {"kill", false},
    {"terminate", false}, {"from outside", false}, {"SIGTERM", false},
    {"rt.kill", false},
};
const std::vector<end> ends_of_functions{
    {"exit 0", true}, {"return 0", true}, {"return 3", false},
    {"throw", false}, {"abort", false},   {"kill", false},
};

/// Hurts itself in its first life, waits in all others.
int once(const std::string& place, const std::string& way) {
  test::note(place, 1);
  if (test::notes_at(place).size() > 1)
    for (;;) pause();
  if (way.rfind("return ", 0) == 0) return std::stoi(way.substr(7));
  test::hurt_process(way);
  return 0;
}

/// Whether a child is started again; OTP's table.
bool is_restarted(restart_type type, bool ended_well) {
  return type == restart_type::permanent || (type == restart_type::transient && !ended_well);
}

/// Who is, when the second of three is.
std::vector<bool> who_is_restarted(restart_strategy strategy) {
  switch (strategy) {
    case restart_strategy::one_for_all:
      return {true, true, true};
    case restart_strategy::rest_for_one:
      return {false, true, true};
    default:
      return {false, true, false};
  }
}

std::string state_after(restart_type type, bool restarted) {
  return restarted                         ? "a running, b running, c running"
         : type == restart_type::temporary ? "a running, c running"
                                           : "a running, b down, c running";
}

void hurt(const troupe::supervisor& of, const std::string& id, const std::string& way) {
  const auto process = of.process_of(id).value();
  if (way == "from outside" || way == "SIGTERM") {
    REQUIRE(test::kill_process(process.pid(), way == "SIGTERM" ? SIGTERM : SIGKILL));
  } else if (way == "rt.kill") {
    test::runtime().kill(process);
  } else {
    test::runtime().self()->send(of.child(id), way);
  }
}

}  // namespace

TEST_CASE("each end of an actor has the consequences that strategy and restart type say",
          "[process][supervisor][table]") {
  const test::oracle oracle;
  const auto strategy = GENERATE(restart_strategy::one_for_one, restart_strategy::one_for_all,
                                 restart_strategy::rest_for_one);
  const auto type =
      GENERATE(restart_type::permanent, restart_type::transient, restart_type::temporary);
  for (const auto& [way, well] : ends_of_actors) {
    INFO("strategy " << static_cast<int>(strategy) << ", restart type " << static_cast<int>(type)
                     << ", " << way);
    test::event_log events;
    troupe::supervisor_spec spec;
    spec.strategy = strategy;
    spec.children = {test::patient_spec("a"), test::patient_spec("b", type),
                     test::patient_spec("c")};
    auto sup = test::runtime().supervise(spec);
    const auto before = test::pids(sup);
    hurt(sup, "b", way);
    const auto exited = events.wait_for(kind::exited, "b");
    const bool restarted = is_restarted(type, well);
    CHECK(exited.life == 1);
    REQUIRE(exited.report != nullptr);
    CHECK(exited.report->pid == before[1]);
    if (restarted) {
      CHECK(events.wait_for(kind::restarting, "b").life == 1);
      const auto last = who_is_restarted(strategy)[2] ? "c" : "b";
      CHECK(events.wait_for(kind::ready, last).life == 2);
    }
    CHECK(test::states(sup) == state_after(type, restarted));
    const auto who =
        restarted ? who_is_restarted(strategy) : std::vector<bool>{false, false, false};
    const std::vector<std::string> ids{"a", "b", "c"};
    for (std::size_t i = 0; i < 3; ++i) {
      const auto now = sup.which_child(ids[i]);
      if (!now || now->now == child_status::state::down) continue;
      CHECK((now->pid != before[i]) == who[i]);
      CHECK(now->restarts == (who[i] ? 1 : 0));
      CHECK(test::ask(sup.child(ids[i]), caf::get_atom_v) == now->pid);
    }
    sup.stop();
    CHECK_FALSE(sup.running());
  }
  oracle.check();
}

TEST_CASE("each end of a dynamic child has the consequences that its restart type says",
          "[process][supervisor][table]") {
  const test::oracle oracle;
  const auto type =
      GENERATE(restart_type::permanent, restart_type::transient, restart_type::temporary);
  for (const auto& [way, well] : ends_of_actors) {
    INFO("restart type " << static_cast<int>(type) << ", " << way);
    test::event_log events;
    troupe::supervisor_spec spec;
    spec.strategy = restart_strategy::dynamic;
    spec.children = {test::patient_spec("worker", type)};
    auto sup = test::runtime().supervise(spec);
    const auto first = sup.start_child(troupe::run(test::patient));
    const auto hurt_one = sup.start_child(troupe::run(test::patient));
    if (way == "from outside" || way == "SIGTERM" || way == "rt.kill") {
      REQUIRE(test::kill_process(*hurt_one.pid, way == "SIGTERM" ? SIGTERM : SIGKILL));
    } else {
      test::runtime().self()->send(sup.child(hurt_one.key), way);
    }
    const std::string path = "worker#" + std::to_string(hurt_one.key);
    events.wait_for(kind::exited, path);
    const bool restarted = is_restarted(type, well);
    if (restarted) events.wait_for(kind::ready, path);
    const auto now = sup.which_children();
    // As in OTP: a dynamic child that stays down is forgotten, whatever its type.
    REQUIRE(now.size() == (restarted ? 2 : 1));
    CHECK(now[0].pid == first.pid);
    if (restarted) {
      CHECK(now[1].key == hurt_one.key);
      CHECK(now[1].pid != hurt_one.pid);
      CHECK(test::ask(sup.child(hurt_one.key), caf::get_atom_v) == now[1].pid);
    }
    sup.stop();
  }
  oracle.check();
}

TEST_CASE("each end of a function has the consequences that its restart type says",
          "[process][supervisor][table]") {
  const test::oracle oracle;
  const auto type =
      GENERATE(restart_type::permanent, restart_type::transient, restart_type::temporary);
  for (const auto& [way, well] : ends_of_functions) {
    INFO("restart type " << static_cast<int>(type) << ", " << way);
    test::event_log events;
    const test::ledger lives;
    troupe::child_spec b;
    b.id = "b";
    b.start = troupe::run(once, lives.place(), way);
    b.restart = type;
    troupe::supervisor_spec spec;
    spec.children = {test::patient_spec("a"), b, test::patient_spec("c")};
    auto sup = test::runtime().supervise(spec);
    events.wait_for(kind::exited, "b");
    const bool restarted = is_restarted(type, well);
    if (restarted) events.wait_for(kind::ready, "b");
    CHECK(test::states(sup) == state_after(type, restarted));
    sup.stop();
    CHECK(lives.notes().at(1) <= (restarted ? 2 : 1));  // the last one may not have got so far
  }
  oracle.check();
}
