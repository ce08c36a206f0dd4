// SIGTERM and Ctrl-C to a program with supervisors.
#include <support/catch.hpp>
#include <support/gate.hpp>
#include <support/supervised.hpp>
#include <support/victim.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <iostream>

using namespace std::chrono_literals;

namespace {

/// Says that it is told to end.
caf::behavior speaker(caf::event_based_actor* self, const std::string& name) {
  self->attach_functor([=](const caf::error&) { std::cout << name << std::endl; });
  return test::patient(self);
}

/// Says so, and ends when the gate is open.
caf::behavior lingerer(caf::event_based_actor* self, const std::string& gate) {
  self->attach_functor([=](const caf::error&) {
    std::cout << "lingers" << std::endl;
    test::pass(gate);
  });
  return test::patient(self);
}

troupe::child_spec child(const std::string& name) {
  return {.id = name, .start = troupe::run(speaker, name)};
}

/// Two supervisors, one in the other; `how`: what its main thread does then.
int served_root(troupe::runtime& rt, const std::string& how) {
  if (how == "has its own handler") std::signal(SIGTERM, SIG_IGN);
  auto first = rt.supervise({.children = {child("a")}});
  auto last = rt.supervise(
      {.children = {child("b"), test::nested("sub", {.children = {child("c"), child("d")}}),
                    child("e")}});
  std::cout << "ready" << std::endl;
  if (how == "computes")
    for (;;) pause();
  first.wait(troupe::no_limit);
  std::cout << "goes on" << std::endl;
  return how == "own code" ? 7 : 0;
}
const test::victim_role served{"served root", served_root};

int lingering_root(troupe::runtime& rt, const std::string& gate) {
  auto sup = rt.supervise(
      {.children = {
           {.id = "lingers", .start = troupe::run(lingerer, gate), .shutdown = troupe::infinity}}});
  std::cout << "ready" << std::endl;
  sup.wait(troupe::no_limit);
  return 0;
}
const test::victim_role lingering{"lingering root", lingering_root};

/// Its end is that of its child, which lasts until the gate is open.
int returning_root(troupe::runtime& rt, const std::string& gate) {
  rt.supervise(
      {.children = {
           {.id = "lingers", .start = troupe::run(lingerer, gate), .shutdown = troupe::infinity}}});
  return 3;
}
const test::victim_role returning{"returning root", returning_root};

std::string lines(test::victim& of, int count) {
  std::string all;
  for (int i = 0; i < count; ++i) all += of.line() + ' ';
  return all;
}

int exit_code(test::victim& v) {
  const int status = v.status();
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

constexpr auto in_order = "e d c b a ";

}  // namespace

TEST_CASE("SIGTERM ends supervisors and their children in order, and what waits for them goes on",
          "[process][supervisor][root]") {
  test::victim root{"served root"};
  REQUIRE(root.line() == "ready");
  root.kill(SIGTERM);
  CHECK(lines(root, 5) == in_order);
  CHECK(root.line() == "goes on");
  CHECK(exit_code(root) == 0);
  CHECK(root.processes().empty());
}

TEST_CASE("Ctrl-C does the same without a pool, and the exit code is 130",
          "[process][supervisor][root]") {
  for (const std::string how : {"returns", "own code"}) {
    test::victim root{"served root", {how, {}, false}};
    REQUIRE(root.line() == "ready");
    root.kill(SIGINT);
    CHECK(lines(root, 5) == in_order);
    CHECK(root.line() == "goes on");
    CHECK(exit_code(root) == (how == "own code" ? 7 : 130));
    CHECK(root.processes().empty());
  }
}

TEST_CASE("a program that does not return is ended by the signal when its processes have ended",
          "[process][supervisor][root]") {
  test::victim root{"served root", {"computes", {}, false}};
  REQUIRE(root.line() == "ready");
  root.kill(SIGTERM);
  CHECK(lines(root, 5) == in_order);
  CHECK(exit_code(root) == -SIGTERM);
  CHECK(root.nothing_left(1s));
}

TEST_CASE("the second signal ends a program at once", "[process][supervisor][root]") {
  for (const int second : {SIGTERM, SIGINT}) {
    const test::gate gate;
    test::victim root{"lingering root", {gate.place(), {}, false}};
    REQUIRE(root.line() == "ready");
    root.kill(SIGTERM);
    REQUIRE(root.line() == "lingers");
    root.kill(second);
    CHECK(exit_code(root) == -second);
    CHECK(root.nothing_left(1s));
  }
}

TEST_CASE("SIGTERM leaves the end in order that goes on already", "[process][supervisor][root]") {
  test::gate gate;
  test::victim root{"returning root", {gate.place(), {}, false}};
  REQUIRE(root.line() == "lingers");
  root.kill(SIGTERM);
  CHECK_FALSE(root.ended_within(100ms));
  gate.open();
  CHECK(exit_code(root) == 3);
  CHECK(root.processes().empty());
}

TEST_CASE("a program's own handler of SIGTERM stays", "[process][supervisor][root]") {
  test::victim root{"served root", {"has its own handler", {}, false}};
  REQUIRE(root.line() == "ready");
  root.kill(SIGTERM);
  root.kill(SIGINT);
  CHECK(lines(root, 5) == in_order);
  CHECK(root.line() == "goes on");
  CHECK(exit_code(root) == 130);
}
