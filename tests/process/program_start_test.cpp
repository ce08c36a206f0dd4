// Any program as a child of a supervisor: what it finds, when it is ready, why it is not started.
#include <support/folder.hpp>
#include <support/oracle.hpp>
#include <support/programs.hpp>
#include <support/supervised.hpp>

#include <unistd.h>

#include <cstdlib>

using namespace std::chrono_literals;
using test::child;
using test::contains;
using test::failure_of;
using test::fault_of;
using test::folder;
using test::me;
using test::next_line;
using test::next_lines;
using test::only;
using test::run_to_end;
using test::shell;
using troupe::execute;
using troupe::program_line;
using troupe::program_spec;
using troupe::ready_when;
using kind = troupe::lifecycle_event::kind;
using lines = std::vector<std::string>;

// --- what it finds ---

TEST_CASE("each line of a program's stdout is a message that says whose it is",
          "[process][program]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  auto sup = rt.supervise(
      only(child(execute(shell("printf 'one\\n\\nthree\\n'; exec sleep 1000"), me()))));
  const int pid = *sup.which_child("p")->pid;
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
  CHECK(contains(fault({.argv = {"a"}, .environment = {{"A", "b"}, {"A", "c"}}}), "sets A twice"));
  CHECK(contains(fault({.argv = {"a"}, .ready = ready_when::line(1, "b\nc")}), "has a newline"));
  auto at_once = ready_when::line(3);
  at_once.by = ready_when::sign::started;
  CHECK(contains(fault({.argv = {"a"}, .ready = at_once}), "ready.descriptor has no effect"));
  auto watched = child(execute(shell("true")));
  watched.watchdog = 1s;
  CHECK(contains(fault_of(watched), "watchdog has no effect"));
  auto wrong = child(execute(shell("true")));
  wrong.type = troupe::child_type::supervisor;
  CHECK(contains(fault_of(wrong), "a program is no supervisor"));
}
