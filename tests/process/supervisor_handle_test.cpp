// Handles below supervisors with processes of their own, and what holds on to them: names,
// monitors, other processes.
#include <support/oracle.hpp>
#include <support/supervised.hpp>
#include <support/victim.hpp>

#include <unistd.h>

#include <iostream>
#include <stdexcept>

using namespace std::chrono_literals;
using test::ask;
using test::kill_child;
using test::nested;
using test::outcome_of;
using test::patient_spec;
using kind = troupe::lifecycle_event::kind;

namespace {

/// Monitors and keeps what it is given, and asks it.
caf::behavior holder(caf::event_based_actor* self) {
  const auto downs = std::make_shared<int>(0);
  const auto kept = std::make_shared<std::vector<caf::actor>>();
  self->set_down_handler([=](const caf::down_msg&) { ++*downs; });
  return {[=](const caf::actor& whom, int x) {
            self->monitor(whom);
            kept->push_back(whom);
            return self->delegate(whom, x);
          },
          [=](caf::get_atom) { return *downs; }};
}

void for_ever() {
  for (;;) pause();
}

troupe::supervisor_spec of(std::vector<troupe::child_spec> children) {
  troupe::supervisor_spec spec;
  spec.intensity = 100;
  spec.children = std::move(children);
  return spec;
}

troupe::child_spec own(const std::string& id, const troupe::supervisor_spec& below) {
  return {.id = id, .start = troupe::supervise(troupe::own_process, below)};
}

/// "sibling", and in a process of its own "o" with "x", in "n" "y", and in another process "p" "z".
/// o gives up at once; its spares take numbers from its children.
troupe::supervisor_spec tree(troupe::restart_strategy strategy) {
  auto below = of(
      {patient_spec("x"), nested("n", of({patient_spec("y")})), own("p", of({patient_spec("z")}))});
  below.intensity = 0;
  below.spares = 1;
  auto spec = of({patient_spec("sibling"), own("o", below)});
  spec.strategy = strategy;
  return spec;
}

caf::behavior refusing() {
  throw std::runtime_error{"it does not want to"};
}

/// Sends what no supervisor takes: to its own, to one below that, and to one in another process.
int asks_strangely(troupe::runtime& rt, const std::string&) {
  const auto sup =
      rt.supervise(of({nested("n", of({patient_spec("x")})), own("o", of({patient_spec("y")}))}));
  for (const auto& whom : {sup.handle(), sup.nested("n").handle(), sup.nested("o").handle()})
    std::cout << outcome_of(whom, 641) << std::endl;
  return 0;
}
const test::victim_role strange_root{"root that asks strangely", asks_strangely};

/// Whether this actor has been told of an end.
bool has_mail() {
  bool any = false;
  test::runtime().self()->receive([&](const caf::down_msg&) { any = true; },
                                  caf::after(0s) >> [] {});
  return any;
}

}  // namespace

TEST_CASE("names, monitors and other processes keep what is below a supervisor that is restarted",
          "[process][supervisor][route]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const std::string way = GENERATE("killed", "swept", "gives up", "terminated");
  INFO(way);
  {
    auto sup = rt.supervise(tree(way == "swept" ? troupe::restart_strategy::one_for_all
                                                : troupe::restart_strategy::one_for_one));
    test::event_log events;
    const auto other = rt.spawn(holder);
    const auto o = sup.nested("o");
    const auto n = o.nested("n");
    const auto x = o.child("x");
    const auto y = n.child("y");
    const auto p = o.nested("p");
    const auto z = p.child("z");
    rt.names().add("x", x);
    rt.self()->monitor(x);
    CHECK(ask(other, x, 1) == 1);
    CHECK(ask(other, y, 2) == 2);
    CHECK(ask(other, z, 2) == 2);
    rt.names().add("z", z);
    for (int round = 0; round < 2; ++round) {
      const int before = ask(x, caf::get_atom_v);
      if (way == "killed") kill_child(sup, "o");
      if (way == "swept") kill_child(sup, "sibling");
      if (way == "gives up") kill_child(o, "x");
      if (way == "terminated") {
        sup.terminate_child("o");
        CHECK(outcome_of(x, 1) == "stopped");
        sup.restart_child("o");
      }
      events.wait_for(kind::ready, "o");
      CHECK(ask(x, caf::get_atom_v) != before);
      CHECK(ask(y, 3) == 3);
      CHECK(ask(z, 4) == 4);
      CHECK(test::states(o) == "x running, n running, p running");
      CHECK(test::states(p) == "z running");
      CHECK(rt.names().find("z") == z);
      CHECK(test::states(n) == "y running");
      CHECK(rt.names().find("x") == x);
      CHECK(o.child("x") == x);
      CHECK(ask(other, x, 4) == 4);
      CHECK(ask(other, y, 5) == 5);
      CHECK(ask(other, z, 5) == 5);
      CHECK(ask(other, caf::get_atom_v) == 0);
      CHECK_FALSE(has_mail());
    }
    sup.stop();
    rt.self()->receive([&](const caf::down_msg& down) { CHECK(down.source == x.address()); });
    CHECK(outcome_of(x, 1) == "stopped");
    rt.stop(other);
  }
  oracle.check();
}

TEST_CASE("an id that is used again is another child, to those who held the first one, too",
          "[process][supervisor][route]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  {
    const auto other = rt.spawn(holder);
    auto sup = rt.supervise(of({patient_spec("a")}));
    const auto first = sup.child("a");
    CHECK(ask(other, first, 1) == 1);
    sup.terminate_child("a");
    sup.delete_child("a");
    CHECK(outcome_of(other, first, 1) == "stopped");
    sup.start_child(patient_spec("a"));
    CHECK(ask(other, sup.child("a"), 2) == 2);
    sup.stop();
    auto next = rt.supervise(of({patient_spec("a")}));
    CHECK(ask(other, next.child("a"), 3) == 3);
    next.stop();
    rt.stop(other);
  }
  oracle.check();
}

TEST_CASE("a child that becomes something else by a change leaves nobody waiting",
          "[process][supervisor][route]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  test::event_log events;
  auto sup = rt.supervise(of({patient_spec("a")}));
  const auto old = sup.child("a");
  auto as_supervisor = patient_spec("a");
  as_supervisor.start = troupe::supervise(of({patient_spec("below")}));
  auto as_function = patient_spec("a");
  as_function.start = troupe::run(for_ever);
  const auto become = [&](const troupe::child_spec& what) {
    sup.change(of({what}));
    sup.terminate_child("a");
    sup.restart_child("a");
  };
  become(as_supervisor);
  CHECK(outcome_of(old, 1) == "stopped");
  CHECK(ask(sup.nested("a").child("below"), 2) == 2);
  const auto stopped = [&] {
    sup.terminate_child("a");
    return events.wait_for(kind::stopped, "a");
  };
  events.wait_for(kind::stopped, "a");  // of the worker that it was
  CHECK(stopped().report == nullptr);
  become(patient_spec("a"));
  const auto again = sup.child("a");
  CHECK(ask(again, 3) == 3);
  become(as_function);
  CHECK(outcome_of(again, 1) == "stopped");
  CHECK_THROWS_WITH(sup.child("a"), "the child a takes no messages");
  become(patient_spec("a"));
  CHECK(ask(sup.child("a"), 4) == 4);
  sup.stop();
  oracle.check();
}

TEST_CASE("the spec of a child can be changed and given back", "[process][supervisor]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  auto sup = rt.supervise(of({patient_spec("a")}));
  auto spec = sup.get_childspec("a");
  spec.shutdown = 1s;
  sup.change(of({spec}));
  CHECK(sup.get_childspec("a").shutdown == troupe::shutdown_limit{1s});
  spec.id = "b";
  sup.start_child(spec);
  CHECK(ask(sup.child("b"), 7) == 7);
  sup.stop();
  oracle.check();
}

TEST_CASE("a name has one living actor, also of two in the same process",
          "[process][supervisor][names]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  auto sup = rt.supervise(of({patient_spec("a"), patient_spec("b")}));
  rt.names().add("n", sup.child("a"));
  rt.names().add("n", sup.child("a"));
  try {
    rt.names().add("n", sup.child("b"));
    FAIL("two actors of one name");
  } catch (const troupe::failure& e) {
    CHECK(troupe::errc_of(e.error()) == troupe::errc::refused);
  }
  CHECK(rt.names().find("n") == sup.child("a"));
  rt.names().remove("n");
  sup.stop();
  oracle.check();
}

TEST_CASE("what a supervisor does not take is said on stderr, with its name",
          "[process][supervisor]") {
  const std::string answers = "unexpected_message\nunexpected_message\nunexpected_message\n";
  test::victim root{"root that asks strangely"};
  CHECK(root.rest() == answers);
  CHECK(root.status() == 0);
  test::victim with_stderr{"root that asks strangely",
                           {.argument = "", .through = {"sh", "-c", "exec \"$0\" 2>&1"}}};
  const std::string said = with_stderr.rest();
  INFO(said);
  const std::string stray = ": no clause of its actor takes the message (641)\n";
  CHECK(test::contains(said, "the supervisor of this process" + stray));
  CHECK(test::contains(said, "the supervisor 'n'" + stray));
  CHECK(test::contains(said, "o" + stray));
}

TEST_CASE("of children that are started together and can't be none is said to run",
          "[process][supervisor][calls]") {
  const test::oracle oracle;
  auto sup = test::runtime().supervise(test::dynamic());
  try {
    sup.start_children({troupe::run(refusing), troupe::run(refusing)});
    FAIL("they were started");
  } catch (const troupe::failure& e) {
    const std::string why = troupe::sentence_of(e.error());
    INFO(why);
    CHECK(test::contains(why, "2 of 2 children were not started; the first was not because "));
  }
  CHECK(sup.count_children().active == 0);
  sup.stop();
  oracle.check();
}

TEST_CASE(
    "requests on their way through a supervisor's process that gives up say what became of them",
    "[process][supervisor][route]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  auto below = of({patient_spec("x"), patient_spec("bomb")});
  below.intensity = 0;
  auto sup = rt.supervise(of({own("o", below)}));
  test::event_log events;
  const auto x = sup.nested("o").child("x");
  const auto bomb = sup.nested("o").child("bomb");
  std::map<std::string, int> outcomes;
  for (int round = 0; round < 40; ++round) {
    rt.self()->send(bomb, "kill");
    for (bool is_up = true; is_up;) {  // at each moment many are on their way
      std::vector<decltype(rt.self()->request(x, caf::infinite, 1))> asked;
      for (int i = 0; i < 200; ++i) asked.push_back(rt.self()->request(x, caf::infinite, i));
      for (auto& request : asked)
        request.receive([&](int) { ++outcomes["value"]; },
                        [&](const caf::error& e) {
                          ++outcomes[test::outcome(e)];
                          is_up = false;
                        });
    }
    events.wait_for(kind::ready, "o");
    CHECK(ask(x, 1) == 1);
  }
  for (const auto& [said, count] : outcomes) {
    INFO(said << ": " << count);
    CHECK((said == "value" || said == "not_started" || said == "worker_lost"));
  }
  sup.stop();
  oracle.check();
}
