// Any program as a child of a supervisor: its stdout and stdin.
#include <support/folder.hpp>
#include <support/oracle.hpp>
#include <support/programs.hpp>
#include <support/supervised.hpp>

#include <csignal>
#include <cstdlib>
#include <filesystem>

using namespace std::chrono_literals;
using test::child;
using test::contains;
using test::folder;
using test::me;
using test::next_line;
using test::only;
using test::run_to_end;
using test::shell;
using troupe::execute;
using troupe::program_line;
using troupe::program_spec;
using troupe::restart_type;
using kind = troupe::lifecycle_event::kind;

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

caf::behavior relay(caf::event_based_actor* self, const caf::actor& to) {
  return {[=](const program_line& line) { self->send(to, line); }};
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
  events.wait_for_restart("counter");
  events.wait_for(kind::exited, "p");
  CHECK(test::ask(sup.child("counter"), caf::get_atom_v) == 0);  // after all lines
  CHECK(lost.empty());
  rt.dead_letters({});
  sup.stop();
  oracle.check();
}

TEST_CASE("lines that a killed process had not passed on come again in their order",
          "[process][program][lines]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  constexpr int count = 60;
  auto sup = rt.supervise(
      only({.id = "sub",
            .start = troupe::supervise(troupe::own_process,
                                       only({.id = "relay", .start = troupe::run(relay, me())})),
            .type = troupe::child_type::supervisor}));
  const auto receiver = sup.nested("sub").child("relay");
  const auto between = *sup.process_of("sub");
  rt.kill(between, SIGSTOP);
  auto program =
      child(execute(shell("seq 1 " + std::to_string(count) + "; exec sleep 1000"), receiver));
  auto programs = rt.supervise(only(program));
  static_cast<void>(programs.wait(50ms));  // most of its lines wait there by then
  rt.kill(between);
  for (int i = 1; i <= count; ++i) {
    const std::string text = next_line().text;
    if (text != std::to_string(i)) CHECK(text == std::to_string(i));
  }
  programs.stop();
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

TEST_CASE("lines to a program that has died, which is not known yet, go to its next life",
          "[process][program][stdin]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  // It dies after its stdin is closed, as the system does it, only more slowly.
  auto program = shell(
      "read -r line; exec 0<&-; echo \"got $line\"; [ \"$line\" != die ] || { sleep 0.05; exit 1; "
      "};"
      "exec sleep 1000");
  program.takes_lines = true;
  auto sup = rt.supervise(only(child(execute(program, me()), restart_type::permanent)));
  const auto handle = sup.child("p");
  rt.self()->send(handle, std::string{"die"});
  CHECK(next_line().text == "got die");
  rt.self()->send(handle, std::string{"and live"});
  bool taken = false;
  auto request = rt.self()->request(handle, caf::infinite, std::string{"too late"});
  CHECK(next_line().text == "got and live");
  request.receive([&] { taken = true; }, [](const caf::error& e) { INFO(troupe::describe(e)); });
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
