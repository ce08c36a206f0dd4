// Any program as a child of a supervisor: its end, and what is done about it.
#include <support/folder.hpp>
#include <support/oracle.hpp>
#include <support/processes.hpp>
#include <support/programs.hpp>
#include <support/settings.hpp>
#include <support/supervised.hpp>
#include <support/victim.hpp>

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <iostream>
#include <troupe/engine/control_tree.hpp>

using namespace std::chrono_literals;
using test::child;
using test::contains;
using test::folder;
using test::me;
using test::next_line;
using test::only;
using test::shell;
using troupe::execute;
using troupe::ready_when;
using troupe::restart_type;
using kind = troupe::lifecycle_event::kind;

// --- being ended ---

TEST_CASE("a program is told to end by SIGTERM", "[process][program][stop]") {
  const test::oracle oracle;
  test::event_log events;
  auto sup = test::runtime().supervise(only(child(execute(
      shell("trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.01; done"), me()))));
  CHECK(next_line().text == "up");
  sup.stop();
  CHECK(next_line().text == "bye");
  const auto report = events.wait_for(kind::stopped, "p").report;
  CHECK(report->exit_code == 3);
  oracle.check();
}

TEST_CASE("a program that ignores SIGTERM is killed when its time is over",
          "[process][program][stop]") {
  const test::oracle oracle;
  test::event_log events;
  auto spec = child(execute(shell("trap '' TERM; echo up; while :; do sleep 1000; done"), me()));
  spec.shutdown = 50ms;
  auto sup = test::runtime().supervise(only(spec));
  CHECK(next_line().text == "up");
  sup.stop();
  const auto report = events.wait_for(kind::stopped, "p").report;
  CHECK(report->signal == SIGKILL);
  CHECK(report->cause == troupe::exit_cause::stopped);
  oracle.check();
}

TEST_CASE("brutal_kill gives a program no time at all", "[process][program][stop]") {
  const test::oracle oracle;
  test::event_log events;
  auto spec = child(execute(shell("trap 'echo bye; exit 3' TERM; echo up; "
                                  "while :; do sleep 0.01; done"),
                            me()));
  spec.shutdown = troupe::brutal_kill;
  auto sup = test::runtime().supervise(only(spec));
  CHECK(next_line().text == "up");
  sup.stop();
  CHECK(events.wait_for(kind::stopped, "p").report->signal == SIGKILL);
  oracle.check();
}

TEST_CASE("infinity waits for a program that takes its time", "[process][program][stop]") {
  const test::oracle oracle;
  test::event_log events;
  auto spec = child(execute(shell("trap 'sleep 0.3; exit 4' TERM; echo up; "
                                  "while :; do sleep 0.01; done"),
                            me()));
  spec.shutdown = troupe::infinity;
  auto sup = test::runtime().supervise(only(spec));
  CHECK(next_line().text == "up");
  sup.stop();
  CHECK(events.wait_for(kind::stopped, "p").report->exit_code == 4);
  oracle.check();
}

TEST_CASE("a stopped program is woken to be told to end", "[process][program][stop]") {
  const test::oracle oracle;
  test::event_log events;
  auto sup = test::runtime().supervise(only(child(execute(shell("exec sleep 1000")))));
  kill(*sup.which_child("p")->pid, SIGSTOP);
  sup.stop();
  CHECK(events.wait_for(kind::stopped, "p").report->signal == SIGTERM);
  oracle.check();
}

// --- nothing is left ---

TEST_CASE("whatever a program leaves behind is ended with it", "[process][program][orphans]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  // Programs of their own group, of none, and with its stdout and stderr.
  const std::string script = GENERATE(
      as<std::string>{}, "sleep 1000 & echo up; wait", "setsid sleep 1000 & echo up; sleep 1000",
      "(setsid sh -c 'sleep 1000 & wait' &) ; echo up; sleep 1000", "sleep 1000 & echo up; exit 3",
      "setsid sleep 1000 & echo up; kill -9 $$",
      "trap '' TERM; sleep 1000 & echo up; exec >&-; wait; wait");
  INFO(script);
  const std::string mark = "PROGRAM_TEST=" + std::to_string(test::random_up_to(~0ULL >> 1));
  auto program = shell(script);
  program.environment = {{mark.substr(0, 12), mark.substr(13)}};
  auto spec = child(execute(program, me()));
  spec.shutdown = 50ms;
  auto sup = rt.supervise(only(spec));
  CHECK(next_line().text == "up");
  sup.stop();
  oracle.check();
  CHECK(test::processes_with(mark).empty());
}

namespace {

/// Supervises programs, some of them by a supervisor in a process of its own, and waits to be
/// killed.
int root_of_programs(troupe::runtime& rt, const std::string&) {
  const auto some = [] { return execute(shell("sleep 1000 & wait")); };
  troupe::supervisor_spec spec = only(child(some()));
  spec.children.push_back({.id = "sub",
                           .start = troupe::supervise(troupe::own_process, only(child(some()))),
                           .type = troupe::child_type::supervisor});
  const auto sup = rt.supervise(spec);
  std::cout << "up" << std::endl;
  for (;;) pause();
}
const test::victim_role programs_role{"root of programs", root_of_programs};

}  // namespace

TEST_CASE("programs end with a root that is killed, those they started too",
          "[process][program][orphans]") {
  test::victim root{"root of programs"};
  CHECK(root.line() == "up");
  CHECK(root.processes().size() >= 5);
  root.kill(SIGKILL);
  CHECK(root.nothing_left(10s));
}

// --- supervision ---

TEST_CASE("a program that crashes is restarted with a back-off", "[process][program][supervisor]") {
  const test::oracle oracle;
  const folder here;
  test::event_log events;
  auto program = shell("echo x >> lives; test $(wc -l < lives) -ge 4 && exec sleep 1000; exit 9");
  program.directory = here.path();
  auto spec = child(execute(program), restart_type::permanent);
  spec.back_off = troupe::backoff{1ms, 2ms, 2.0, 0.0, 1h};
  auto sup = test::runtime().supervise(only(spec));
  for (int i = 0; i < 3; ++i) {
    CHECK(events.wait_for(kind::exited, "p").report->exit_code == 9);
    const auto delay = events.wait_for(kind::restarting, "p").delay;
    CHECK(delay == std::chrono::nanoseconds{i == 0 ? 0ms : i == 1 ? 1ms : 2ms});
    events.wait_for(kind::ready, "p");
  }
  CHECK(sup.which_child("p")->restarts == 3);
  CHECK(test::states(sup) == "p running");
  sup.stop();
  oracle.check();
}

TEST_CASE("rules decide about a program by its exit code and signal",
          "[process][program][supervisor]") {
  using rule = troupe::ending_rule;
  const test::oracle oracle;
  test::event_log events;
  const auto [script, gives_up] = GENERATE(table<std::string, bool>(
      {{"exit 3", false}, {"exit 4", true}, {"kill -USR1 $$", true}, {"kill -USR2 $$", false}}));
  INFO(script);
  auto spec = child(execute(shell(script)), restart_type::permanent);
  spec.rules = {{rule::cause::exit_code, {3}, rule::action::stop},
                {rule::cause::exit_code, {4}, rule::action::escalate},
                {rule::cause::signal, {SIGUSR1}, rule::action::escalate},
                {rule::cause::signal, {SIGUSR2}, rule::action::stop}};
  auto sup = test::runtime().supervise(only(spec));
  events.wait_for(kind::exited, "p");
  if (gives_up) {
    CHECK(sup.wait(1h).has_value());
  } else {
    CHECK(sup.running());
    CHECK(test::states(sup) == "p down");
    sup.stop();
  }
  oracle.check();
}

TEST_CASE("a transient program that ends well stays down", "[process][program][supervisor]") {
  const test::oracle oracle;
  test::event_log events;
  auto sup =
      test::runtime().supervise(only(child(execute(shell("exit 0")), restart_type::transient)));
  CHECK(events.wait_for(kind::exited, "p").report->success());
  CHECK(test::states(sup) == "p down");
  sup.stop();
  oracle.check();
}

TEST_CASE("a program is supervised by a supervisor in a process of its own, its lines come here",
          "[process][program][supervisor]") {
  const test::oracle oracle;
  test::event_log events;
  auto program = shell("echo \"$GREETING\"; read -r line; echo \"got $line\"; exec sleep 1000");
  program.environment = {{"GREETING", "hello"}};
  program.takes_lines = true;
  program.ready = ready_when::line(1, "hello");
  troupe::supervisor_spec below = only(child(execute(program, me()), restart_type::permanent));
  troupe::supervisor_spec spec;
  spec.children = {{.id = "sub",
                    .start = troupe::supervise(troupe::own_process, below),
                    .type = troupe::child_type::supervisor}};
  auto sup = test::runtime().supervise(spec);
  const auto first = next_line();
  CHECK(first.text == "hello");
  CHECK(first.child == "sub/p");
  test::runtime().self()->send(sup.nested("sub").child("p"), std::string{"you"});
  CHECK(next_line().text == "got you");
  SECTION("which may be killed") {
    const int supervisor = *sup.which_child("sub")->pid;
    test::kill_process(supervisor);
    const auto second = next_line();
    CHECK(second.text == "hello");
    CHECK(second.pid != first.pid);
    events.wait_for(kind::ready, "sub");
  }
  sup.stop();
  oracle.check();
}

TEST_CASE("a program is shown by its name, and a start that fails leaves the others alone",
          "[process][program][supervisor]") {
  const test::oracle oracle;
  auto program = shell("exec sleep 1000");
  auto sup = test::runtime().supervise(only(child(execute(program))));
  const auto process = sup.process_of("p");
  REQUIRE(process.has_value());
  const auto node = troupe::engine::describe(*process->link(), 1);
  CHECK(node.role == "sh");
  CHECK(node.name == "p");
  CHECK(node.pid == sup.which_child("p")->pid);
  CHECK(node.waiting == 0);
  program.ready = ready_when::line(3);
  auto second = child(execute(program));
  second.id = "q";
  troupe::supervisor manage{sup.handle()};
  std::string refused;
  try {
    second.start_timeout = 30ms;
    manage.start_child(second);
  } catch (const troupe::failure& e) {
    refused = troupe::sentence_of(e.error());
  }
  CHECK(contains(refused, "start_failed"));
  CHECK(sup.which_child("p")->pid == node.pid);
  sup.stop();
  oracle.check();
}

TEST_CASE("programs are children of a dynamic supervisor", "[process][program][supervisor]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  test::event_log events;
  troupe::supervisor_spec spec;
  spec.strategy = troupe::restart_strategy::dynamic;
  spec.children = {child(execute(shell("true")))};
  auto sup = rt.supervise(spec);
  std::vector<std::shared_ptr<const troupe::child_start>> starts;
  for (int i = 0; i < 20; ++i)
    starts.push_back(
        execute(shell("echo " + std::to_string(i) + "; exit " + std::to_string(i)), me()));
  sup.start_children(starts);
  std::vector<bool> seen(20);
  for (int i = 0; i < 20; ++i) seen[std::stoul(next_line().text)] = true;
  CHECK(std::count(seen.begin(), seen.end(), true) == 20);
  while (sup.count_children().active != 0) events.next();
  sup.stop();
  oracle.check();
}

TEST_CASE("a zygote that dies does not matter to programs", "[process][program][supervisor]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  auto sup = rt.supervise(only(child(execute(shell("exec sleep 1000")), restart_type::permanent)));
  const int pid = *sup.which_child("p")->pid;
  for (const int zygote : test::children_named("troupe-zygote"))
    if (zygote != pid)
      test::kill_process(zygote);  // a program may still have that name for a moment
  auto second = child(execute(shell("exec sleep 1000")));
  second.id = "q";
  sup.start_child(second);
  CHECK(sup.which_child("p")->pid == pid);
  CHECK(test::states(sup) == "p running, q running");
  sup.stop();
  oracle.check();
}
