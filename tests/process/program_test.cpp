// Any program as a child of a supervisor.
#include <support/oracle.hpp>
#include <support/processes.hpp>
#include <support/settings.hpp>
#include <support/supervised.hpp>
#include <support/victim.hpp>

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <troupe/engine/control_tree.hpp>

using namespace std::chrono_literals;
using test::contains;
using troupe::execute;
using troupe::program_line;
using troupe::program_spec;
using troupe::ready_when;
using troupe::restart_type;
using kind = troupe::lifecycle_event::kind;
using lines = std::vector<std::string>;

namespace {

program_spec shell(std::string script) {
  return {.argv = {"/bin/sh", "-c", std::move(script)}};
}

troupe::child_spec child(std::shared_ptr<const troupe::child_start> start,
                         restart_type restart = restart_type::temporary) {
  troupe::child_spec spec;
  spec.id = "p";
  spec.start = std::move(start);
  spec.restart = restart;
  spec.start_timeout = 100s;  // the machine may be busy
  return spec;
}

troupe::supervisor_spec only(troupe::child_spec one) {
  troupe::supervisor_spec spec;
  spec.intensity = 3;
  spec.children.push_back(std::move(one));
  return spec;
}

caf::actor me() {
  return caf::actor_cast<caf::actor>(test::runtime().self());
}

program_line next_line() {
  program_line got;
  test::runtime().self()->receive([&](const program_line& line) { got = line; });
  return got;
}

lines next_lines(std::size_t count) {
  lines all;
  while (all.size() < count) all.push_back(next_line().text);
  return all;
}

/// Runs a program to its end; its lines, and how it ended. Each line has come before its end was
/// told.
struct outcome_of_program {
  lines printed;
  std::shared_ptr<const troupe::exit_report> report;
};
outcome_of_program run_to_end(program_spec program, troupe::process_limits limits = {}) {
  test::event_log events;
  auto spec = child(execute(std::move(program), me()));
  spec.limits = std::move(limits);
  auto sup = test::runtime().supervise(only(spec));
  outcome_of_program got;
  got.report = events.wait_for(kind::exited, "p").report;
  bool more = true;
  while (more)
    test::runtime().self()->receive(
        [&](const program_line& line) { got.printed.push_back(line.text); },
        caf::after(0s) >> [&] { more = false; });
  sup.stop();
  return got;
}

/// What a program that can't be started is refused with.
std::string failure_of(program_spec program, troupe::process_limits limits = {}) {
  auto spec = child(execute(std::move(program)));
  spec.limits = std::move(limits);
  try {
    test::runtime().supervise(only(spec)).stop();
  } catch (const troupe::failure& e) {
    CHECK(troupe::errc_of(e.error()) == troupe::errc::start_failed);
    return troupe::sentence_of(e.error());
  }
  return "it was started";
}

std::string fault_of(const troupe::child_spec& spec) {
  try {
    test::runtime().supervise(only(spec)).stop();
  } catch (const std::invalid_argument& e) {
    return e.what();
  }
  return "no fault";
}

/// A folder that goes with the test.
class folder {
public:
  folder() {
    char name[] = "/tmp/troupe-program-XXXXXX";
    path_ = mkdtemp(name);
  }
  ~folder() { std::filesystem::remove_all(path_); }
  folder(const folder&) = delete;
  folder& operator=(const folder&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string file(const std::string& name, const std::string& text,
                                 unsigned mode) const {
    const std::string path = path_ + '/' + name;
    std::ofstream{path} << text;
    std::filesystem::permissions(path, static_cast<std::filesystem::perms>(mode));
    return path;
  }

private:
  std::string path_;
};

}  // namespace

// --- what it finds ---

TEST_CASE("each line of a program's stdout is a message that says whose it is",
          "[process][program]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  auto sup = rt.supervise(
      only(child(execute(shell("printf 'one\\n\\nthree\\n'; exec sleep 1000"), me()))));
  const int pid = sup.which_child("p")->pid;
  for (const std::string text : {"one", "", "three"}) {
    const program_line line = next_line();
    CHECK(line.text == text);
    CHECK(line.child == "p");
    CHECK(line.pid == pid);
    CHECK_FALSE(line.more);
  }
  sup.stop();
  oracle.check();
}

TEST_CASE("a program finds its arguments, environment, directory and standard descriptors only",
          "[process][program]") {
  const test::oracle oracle;
  const folder here;
  auto program = shell(
      "echo \"$0 $1\"; pwd; echo \"$GREETING/$HOME\"; readlink /proc/self/fd/0; "
      "ls /proc/self/fd | wc -l");
  program.argv.insert(program.argv.end(), {"a b", ""});
  program.environment = {{"GREETING", "hello = you"}, {"HOME", "/nowhere"}};
  program.directory = here.path();
  const auto got = run_to_end(program);
  // Of the last one's descriptors one is the folder that it lists.
  CHECK(got.printed == lines{"a b ", here.path(), "hello = you//nowhere", "/dev/null", "4"});
  CHECK(got.report->success());
  oracle.check();
}

TEST_CASE("a clean environment has what the spec says and the mark of the tree",
          "[process][program]") {
  const test::oracle oracle;
  program_spec program;
  program.argv = {"env"};
  program.environment = {{"ONLY", "this"}};
  program.clean_environment = true;
  const auto got = run_to_end(program);
  REQUIRE(got.printed.size() == 2);
  CHECK(contains(got.printed[0], "TROUPE_TREE="));
  CHECK(got.printed[1] == "ONLY=this");
  oracle.check();
}

TEST_CASE("a program is looked for in the PATH that it will have", "[process][program]") {
  const test::oracle oracle;
  const folder here;
  const folder there;
  static_cast<void>(here.file("tool", "#!/bin/sh\necho not me\n", 0600));  // not executable
  static_cast<void>(there.file("tool", "#!/bin/sh\necho it is me\n", 0700));
  program_spec program;
  program.argv = {"tool"};
  program.environment = {{"PATH", "/nowhere:" + here.path() + ':' + there.path() + ":/bin"}};
  CHECK(run_to_end(program).printed == lines{"it is me"});
  oracle.check();
}

TEST_CASE("a program gets its limits", "[process][program]") {
  const test::oracle oracle;
  troupe::process_limits limits;
  limits.open_files = 77;
  limits.core_bytes = 0;
  limits.nice = 7;
  limits.cpus = {0};
  const auto got = run_to_end(
      shell("ulimit -n; ulimit -c; nice; grep Cpus_allowed_list /proc/self/status"), limits);
  CHECK(got.printed == lines{"77", "0", "7", "Cpus_allowed_list:\t0"});
  oracle.check();
}

TEST_CASE("arguments that are longer than a record between processes arrive whole",
          "[process][program]") {
  const test::oracle oracle;
  auto program = shell("echo $#; printf '%s' \"$1\" | wc -c");
  program.argv.push_back("sh");
  for (int i = 0; i < 10; ++i) program.argv.emplace_back(100'000, 'x');
  const auto got = run_to_end(program);
  CHECK(got.printed == lines{"10", "100000"});
  oracle.check();
}

TEST_CASE(
    "a program without an actor for its lines writes to this program's stdout, its stderr is "
    "in the report",
    "[process][program]") {
  const test::oracle oracle;
  test::event_log events;
  auto sup = test::runtime().supervise(
      only(child(execute(shell("test /proc/self/fd/1 -ef /proc/" + std::to_string(getpid()) +
                               "/fd/1 || exit 3; echo 'a word to the log' >&2; exit 4")))));
  const auto report = events.wait_for(kind::exited, "p").report;
  CHECK(report->exit_code == 4);
  CHECK(report->stderr_tail == "a word to the log\n");
  CHECK(report->cause == troupe::exit_cause::exited);
  sup.stop();
  oracle.check();
}

// --- lines ---

TEST_CASE("the last lines before a crash arrive before it is told, without a final newline too",
          "[process][program][lines]") {
  const test::oracle oracle;
  const auto got = run_to_end(shell("seq 1 1000; printf 'last words'; kill -SEGV $$"));
  REQUIRE(got.printed.size() == 1001);
  CHECK(got.printed.front() == "1");
  CHECK(got.printed[999] == "1000");
  CHECK(got.printed.back() == "last words");
  CHECK(got.report->signal == SIGSEGV);
  oracle.check();
}

TEST_CASE("a very long line comes in pieces", "[process][program][lines]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  auto sup = rt.supervise(only(child(execute(
      shell("head -c 200000 /dev/zero | tr '\\0' x; echo; echo end; exec sleep 1000"), me()))));
  std::string together;
  bool more = true;
  std::size_t pieces = 0;
  while (more) {
    const program_line line = next_line();
    together += line.text;
    more = line.more;
    ++pieces;
  }
  CHECK(together == std::string(200'000, 'x'));
  CHECK(pieces == 4);
  CHECK(next_line().text == "end");
  sup.stop();
  oracle.check();
}

TEST_CASE("a program waits in its write for a receiver that is slow, and nothing is lost",
          "[process][program][lines]") {
  const test::oracle oracle;
  const folder here;
  auto& rt = test::runtime();
  constexpr int count = 100'000;
  auto program = shell("seq 1 " + std::to_string(count) + "; touch done; exec sleep 1000");
  program.directory = here.path();
  auto sup = rt.supervise(only(child(execute(program, me()))));
  CHECK(next_line().text == "1");
  // As long as nobody takes lines, it can't get to its end: its pipe and our share of it are full.
  for (int i = 0; i < 20; ++i) static_cast<void>(sup.wait(5ms));
  CHECK_FALSE(std::filesystem::exists(here.path() + "/done"));
  for (int i = 2; i <= count; ++i) {
    const std::string text = next_line().text;
    if (text != std::to_string(i)) FAIL("line " << i << " is " << text);
  }
  sup.stop();
  oracle.check();
}

namespace {

/// Counts lines, and dies of some.
caf::behavior counter(caf::event_based_actor*) {
  return {[count = 0](const program_line& line) mutable {
            ++count;
            if (line.text == "die") std::abort();
          },
          [](caf::get_atom) { return 0; }};
}

caf::behavior idle() {
  return {[](const program_line&) {}};
}

}  // namespace

TEST_CASE("lines go to an actor in another process, which may be restarted",
          "[process][program][lines]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  std::vector<troupe::dead_letter> lost;
  rt.dead_letters([&](const troupe::dead_letter& l) { lost.push_back(l); });
  test::event_log events;
  troupe::supervisor_spec spec;
  spec.children.push_back({.id = "counter", .start = troupe::run(counter)});
  auto sup = rt.supervise(spec);
  auto program = child(execute(shell("echo 1; echo die; seq 1 20000"), sup.child("counter")));
  sup.start_child(program);
  events.wait_for(kind::exited, "counter");
  events.wait_for(kind::ready, "counter");
  events.wait_for(kind::exited, "p");
  CHECK(test::ask(sup.child("counter"), caf::get_atom_v) == 0);  // after all lines
  CHECK(lost.empty());
  rt.dead_letters({});
  sup.stop();
  oracle.check();
}

TEST_CASE("lines for an actor that has ended are dead letters, and their program goes on",
          "[process][program][lines]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  std::vector<std::string> lost;
  rt.dead_letters([&](const troupe::dead_letter& l) {
    if (l.content.match_elements<program_line>())
      lost.push_back(l.content.get_as<program_line>(0).text);
  });
  const caf::actor gone = rt.spawn(troupe::in_process, idle);
  caf::anon_send_exit(gone, caf::exit_reason::user_shutdown);
  rt.self()->wait_for(gone);
  test::event_log events;
  auto sup = rt.supervise(only(child(execute(shell("seq 1 3000"), gone))));
  CHECK(events.wait_for(kind::exited, "p").report->success());
  while (lost.size() < 3000) static_cast<void>(sup.wait(1ms));
  CHECK(lost.front() == "1");
  CHECK(lost.back() == "3000");
  rt.dead_letters({});
  sup.stop();
  oracle.check();
}

// --- stdin ---

TEST_CASE("strings sent to the handle of a program are lines of its stdin",
          "[process][program][stdin]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  program_spec program{.argv = {"cat"}, .takes_lines = true};
  auto sup = rt.supervise(only(child(execute(program, me()))));
  const auto handle = sup.child("p");
  rt.self()->send(handle, std::string{"hello"});
  CHECK(next_line().text == "hello");
  bool answered = false;
  rt.self()
      ->request(handle, caf::infinite, std::string{"asked"})
      .receive([&] { answered = true; }, [](const caf::error& e) { FAIL(troupe::describe(e)); });
  CHECK(answered);
  CHECK(next_line().text == "asked");
  SECTION("what is no string is refused with a sentence") {
    rt.self()
        ->request(handle, caf::infinite, 42)
        .receive([] { FAIL("it was taken"); },
                 [](const caf::error& e) {
                   CHECK(test::outcome(e) == "unknown_message");
                   CHECK(contains(troupe::describe(e), "strings only"));
                 });
    rt.self()
        ->request(handle, caf::infinite, std::string{"two\nlines"})
        .receive([] { FAIL("it was taken"); },
                 [](const caf::error& e) { CHECK(test::outcome(e) == "bad_message"); });
  }
  SECTION("more than its pipe holds waits, and nothing is lost") {
    constexpr int count = 20'000;
    for (int i = 0; i < count; ++i) {
      rt.self()->send(handle, std::to_string(i));
      if (i % 100 == 99)
        for (int j = i - 99; j <= i; ++j) CHECK(next_line().text == std::to_string(j));
    }
  }
  sup.stop();
  oracle.check();
}

TEST_CASE("what a program has not got of its stdin goes to its next life",
          "[process][program][stdin]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  test::event_log events;
  auto program = shell("read -r line; echo \"got $line\"; exit 1");
  program.takes_lines = true;
  auto spec = child(execute(program, me()), restart_type::permanent);
  auto sup = rt.supervise(only(spec));
  const auto handle = sup.child("p");
  rt.self()->send(handle, std::string{"first"});
  CHECK(next_line().text == "got first");
  events.wait_for(kind::exited, "p");
  rt.self()->send(handle, std::string{"second"});
  CHECK(next_line().text == "got second");
  sup.stop();
  oracle.check();
}

TEST_CASE("a program that has closed its stdin refuses lines", "[process][program][stdin]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  auto program = shell("exec 0<&-; echo closed; exec sleep 1000");
  program.takes_lines = true;
  auto sup = rt.supervise(only(child(execute(program, me()))));
  CHECK(next_line().text == "closed");
  const auto handle = sup.child("p");
  rt.self()->send(handle, std::string{"into the void"});
  std::string answer;
  rt.self()
      ->request(handle, caf::infinite, std::string{"hello"})
      .receive([] { FAIL("it was taken"); },
               [&](const caf::error& e) { answer = troupe::describe(e); });
  CHECK(contains(answer, "refused: "));
  CHECK(contains(answer, "has closed its stdin"));
  sup.stop();
  oracle.check();
}

TEST_CASE("a program that takes no lines has no handle", "[process][program][stdin]") {
  const test::oracle oracle;
  auto sup = test::runtime().supervise(only(child(execute(shell("exec sleep 1000")))));
  CHECK_THROWS_AS(sup.child("p"), std::invalid_argument);
  sup.stop();
  oracle.check();
}

// --- being ready ---

TEST_CASE("a program is ready when it writes the line that says so", "[process][program][ready]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  test::event_log events;
  auto program = shell("echo warming up; echo listening on 80; exec sleep 1000");
  program.ready = ready_when::line(1, "listening");
  auto second = shell("echo first >&3; echo up >&3; echo more >&3; exec sleep 1000");
  second.ready = ready_when::line(3, "up");
  troupe::supervisor_spec spec;
  spec.children = {child(execute(program, me())), child(execute(second))};
  spec.children[1].id = "q";
  auto sup = rt.supervise(spec);
  CHECK(events.lines() == lines{"p started", "p ready", "q started", "q ready"});
  CHECK(next_lines(2) == lines{"warming up", "listening on 80"});
  sup.stop();
  oracle.check();
}

TEST_CASE("a program that is ready by a line of its own stdout has it passed on",
          "[process][program][ready]") {
  const test::oracle oracle;
  auto program = shell("echo '  (a line of a program)'; exec sleep 1000");
  program.ready = ready_when::line();
  auto sup = test::runtime().supervise(only(child(execute(program))));
  CHECK(test::states(sup) == "p running");
  sup.stop();
  oracle.check();
}

namespace {

/// Says READY=1 to NOTIFY_SOCKET, as sd_notify does.
constexpr auto notify_script =
    "python3 - <<'END'\n"
    "import os, socket\n"
    "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
    "s.sendto(b'STATUS=up\\nREADY=1', '\\0' + os.environ['NOTIFY_SOCKET'][1:])\n"
    "END\n";

bool has_python() {
  return std::system("python3 -c '' 2>/dev/null") == 0;
}

}  // namespace

TEST_CASE("a program is ready when it says so to NOTIFY_SOCKET", "[process][program][ready]") {
  if (!has_python()) {
    WARN("SKIPPED: no python3 to speak to a socket");
    return;
  }
  const test::oracle oracle;
  auto program = shell(std::string{notify_script} + "exec sleep 1000");
  program.ready = ready_when::notified();
  auto sup = test::runtime().supervise(only(child(execute(program))));
  CHECK(test::states(sup) == "p running");
  sup.stop();
  oracle.check();
}

TEST_CASE("a program that is not ready in time is a failed start", "[process][program][ready]") {
  const test::oracle oracle;
  auto program = shell("exec sleep 1000");
  program.ready = GENERATE(ready_when::line(1), ready_when::line(5), ready_when::notified());
  auto spec = child(execute(program));
  spec.start_timeout = 50ms;
  spec.shutdown = troupe::brutal_kill;
  std::string why;
  try {
    test::runtime().supervise(only(spec)).stop();
  } catch (const troupe::failure& e) {
    why = troupe::sentence_of(e.error());
  }
  CHECK(contains(why, "it was not ready within 50 ms"));
  oracle.check();
}

TEST_CASE("a program that ends before it is ready, or can't be any more, is a failed start",
          "[process][program][ready]") {
  const test::oracle oracle;
  auto program = shell("exit 7");
  program.ready = GENERATE(ready_when::line(1), ready_when::line(4), ready_when::notified());
  CHECK(contains(failure_of(program), "it ended before it was ready, with exit code 7"));
  auto closed = shell("exec 4>&-; exec sleep 1000");
  closed.ready = ready_when::line(4);
  if (program.ready.descriptor == 4)
    CHECK(contains(failure_of(closed), "it closed descriptor 4 before it wrote the line there"));
  oracle.check();
}

// --- what can't be started ---

TEST_CASE("a program that can't be executed is a failed start with its cause",
          "[process][program][start]") {
  const test::oracle oracle;
  const folder here;
  const auto of = [](const std::string& path) { return failure_of({.argv = {path}}); };
  CHECK(contains(of("no-such-program"),
                 "can't execute no-such-program: there is no such program in its PATH"));
  CHECK(contains(of("/nowhere/program"), "can't execute /nowhere/program: there is no such file"));
  CHECK(contains(of(here.file("data", "#!/bin/sh\n", 0600)), "permission denied"));
  CHECK(contains(of("/tmp"), "permission denied"));
  CHECK(
      contains(of(here.file("text", "echo hello\n", 0700)), "a script needs #! in its first line"));
  CHECK(contains(of(here.file("bad", "#!/nowhere/sh\n", 0700)), "interpreter"));
  CHECK(contains(failure_of({.argv = {"true", std::string(200'000, 'x')}}),
                 "can't execute true: its arguments and environment are longer than the system "
                 "allows"));
  oracle.check();
}

TEST_CASE("a directory or limit that can't be had is a failed start that says so",
          "[process][program][start]") {
  const test::oracle oracle;
  program_spec program{.argv = {"true"}, .directory = "/nowhere"};
  CHECK(contains(failure_of(program), "it can't begin in the directory /nowhere: No such file"));
  troupe::process_limits limits;
  limits.core_bytes = 0;
  limits.cpus = {1023};
  CHECK(contains(failure_of({.argv = {"true"}}, limits), "its CPUs can't be chosen so"));
  limits.cpus = {};
  limits.open_files = std::uint64_t{1} << 40;
  CHECK(contains(failure_of({.argv = {"true"}}, limits),
                 "the limit of its open files can't be 1099511627776"));
  oracle.check();
}

TEST_CASE("a faulty spec of a program is refused with a sentence", "[process][program][spec]") {
  const auto fault = [](program_spec program) {
    return fault_of(child(execute(std::move(program))));
  };
  CHECK(contains(fault({}), "Child 'p': argv is empty"));
  CHECK(contains(fault({.argv = {std::string{"a\0b", 3}}}), "argv has a zero byte"));
  CHECK(
      contains(fault({.argv = {"a"}, .environment = {{"A=B", "c"}}}), "environment has the name"));
  CHECK(contains(fault({.argv = {"a"}, .environment = {{"TROUPE_TREE", "c"}}}), "leave it out"));
  CHECK(contains(fault({.argv = {"a"}, .ready = ready_when::line(2)}), "ready.descriptor must be"));
  auto watched = child(execute(shell("true")));
  watched.watchdog = 1s;
  CHECK(contains(fault_of(watched), "watchdog has no effect"));
  auto wrong = child(execute(shell("true")));
  wrong.type = troupe::child_type::supervisor;
  CHECK(contains(fault_of(wrong), "a program is no supervisor"));
}

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
  kill(sup.which_child("p")->pid, SIGSTOP);
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
    const int supervisor = sup.which_child("sub")->pid;
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
  const int pid = sup.which_child("p")->pid;
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
