// Names and groups, what a process is told of its predecessor, limits, and handles below
// supervisors in processes of their own.
#include <sys/resource.h>
#include <caf/all.hpp>
#include <support/catch.hpp>
#include <support/oracle.hpp>
#include <support/runtime.hpp>

#include <csignal>
#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <string>

using namespace std::chrono_literals;
using troupe::run;
using troupe::supervise;

namespace {

caf::behavior named(caf::event_based_actor* self, troupe::runtime& rt, const std::string& name) {
  rt.names().add(name, caf::actor{self});
  rt.names().join("everybody", caf::actor{self});
  const auto before = rt.restart();
  const auto heard = std::make_shared<int>(0);
  return {[=](int x) { return *heard += x; },
          [=](caf::get_atom) {
            return std::to_string(before.count) + ' ' + to_string(before.in_progress);
          },
          [](caf::put_atom) -> int {
            rlimit files{};
            getrlimit(RLIMIT_NOFILE, &files);
            return static_cast<int>(files.rlim_cur) * 100 + getpriority(PRIO_PROCESS, 0);
          },
          [](char, int) { std::abort(); },
          [](std::int16_t, int) { throw std::runtime_error{"no such thing"}; },
          [](caf::tick_atom) {
            volatile int busy = 0;
            for (;;) static_cast<void>(busy);
          }};
}

/// Asks whoever has that name.
caf::behavior seeker(caf::event_based_actor*, troupe::runtime& rt) {
  return {[&rt](const std::string& name, int x) {
            int answer = -1;
            if (const auto who = rt.names().find(name))
              rt.self()
                  ->request(*who, caf::infinite, x)
                  .receive([&](int y) { answer = y; }, [](caf::error&) {});
            return answer;
          },
          [&rt](const std::string& group) {
            return static_cast<int>(rt.names().broadcast(group, 100));
          }};
}

template <class T, class... What>
T ask(const caf::actor& who, const What&... what) {
  T answer{};
  test::runtime()
      .self()
      ->request(who, caf::infinite, what...)
      .receive([&](T value) { answer = value; }, [](caf::error& e) { FAIL(troupe::describe(e)); });
  return answer;
}

}  // namespace

TEST_CASE("a name and a group are known to all processes, and to the next life",
          "[process][supervisor][names]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  auto tree = rt.supervise({.intensity = 5,
                            .children = {{.id = "ada", .start = run(named, "ada")},
                                         {.id = "seeker", .start = run(seeker)}}});
  const auto ada = tree.child("ada"), seeks = tree.child("seeker");
  CHECK(ask<int>(seeks, std::string{"ada"}, 2) == 2);
  CHECK(ask<int>(seeks, std::string{"bob"}, 2) == -1);
  CHECK(ask<int>(seeks, std::string{"everybody"}) == 1);
  CHECK(ask<int>(ada, 0) == 102);
  rt.self()->send(ada, 'x', 7);
  CHECK(ask<std::string>(ada, caf::get_atom_v) == "1 (120, 7)");
  CHECK(ask<int>(seeks, std::string{"ada"}, 3) == 3);
  CHECK(rt.names().all() == std::vector<std::string>{"ada"});
  CHECK_THROWS_AS(rt.names().add("ada", seeks), troupe::failure);
  CHECK(rt.names().remove("ada"));
  CHECK_FALSE(rt.names().find("ada").has_value());
  tree.stop();
  // Else the end of the program would wait for the one that keeps the names.
  CHECK(rt.self()->home_system().registry().running() == 0);
  oracle.check();
}

TEST_CASE("the next life is told of a message whose handler threw", "[process][supervisor]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  auto tree = rt.supervise({.children = {{.id = "eve", .start = run(named, "eve")}}});
  const auto eve = tree.child("eve");
  rt.self()->send(eve, std::int16_t{5}, 7);
  CHECK(ask<std::string>(eve, caf::get_atom_v) == "1 (5, 7)");
  tree.stop();
  oracle.check();
}

TEST_CASE("the end by a limit of CPU time can be told from others",
          "[process][supervisor][limits]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  std::optional<int> signal;
  rt.watch([&](const troupe::lifecycle_event& what) {
    if (what.report != nullptr) signal = what.report->signal;
  });
  auto tree = rt.supervise({.children = {{.id = "bob",
                                          .start = run(named, "bob"),
                                          .restart = troupe::restart_type::temporary,
                                          .limits = {.core_bytes = 0, .cpu_time = 1s}}}});
  rt.self()->send(tree.child("bob"), caf::tick_atom_v);
  while (!signal) rt.self()->receive(caf::after(1ms) >> [] {});
  CHECK(*signal == SIGXCPU);
  rt.watch({});
  tree.stop();
  oracle.check();
}

TEST_CASE("a supervised process takes its limits upon itself, or says why not",
          "[process][supervisor][limits]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  auto tree = rt.supervise(
      {.children = {
           {.id = "bob", .start = run(named, "bob"), .limits = {.open_files = 150, .nice = 19}}}});
  CHECK(ask<int>(tree.child("bob"), caf::put_atom_v) == 15019);
  tree.stop();
  CHECK_THROWS_AS(
      rt.supervise(
          {.children = {{.id = "bob", .start = run(named, "bob"), .limits = {.cpus = {1000}}}}}),
      troupe::failure);
  oracle.check();
}

TEST_CASE("a handle below a killed supervisor means the same child when the subtree is back",
          "[process][supervisor]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  auto tree = rt.supervise(
      {.intensity = 5,
       .children = {{.id = "sub",
                     .start = supervise(troupe::own_process,
                                        {.children = {{.id = "leaf", .start = run(seeker)}}}),
                     .type = troupe::child_type::supervisor}}});
  const auto leaf = tree.nested("sub").child("leaf");
  for (int round = 0; round < 3; ++round) {
    CHECK(ask<int>(leaf, std::string{"nobody"}, 1) == -1);
    const auto sub = *tree.process_of("sub");
    rt.kill(sub);
    rt.join(sub);
    CHECK(tree.nested("sub").which_children().size() == 1);  // answered by the next one
  }
  CHECK(ask<int>(leaf, std::string{"nobody"}, 1) == -1);
  CHECK(tree.which_child("sub")->restarts == 3);
  tree.stop();
  oracle.check();
}
