// Processes that a supervisor keeps ready without a role.
#include <support/oracle.hpp>
#include <support/processes.hpp>
#include <support/settings.hpp>
#include <support/supervised.hpp>
#include <support/victim.hpp>

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <stdexcept>

using namespace std::chrono_literals;
using kind = troupe::lifecycle_event::kind;

namespace {

troupe::supervisor_spec with_spares(int spares) {
  return {.intensity = 10, .spares = spares, .children = {test::patient_spec("a")}};
}

std::vector<int> workers() {
  return test::children_named("troupe-worker");
}

/// Runs the loop until there are so many workers; false when that does not come.
bool there_are(std::size_t count) {
  const auto limit = std::chrono::steady_clock::now() + 10s;
  test::runtime().self()->receive_while([&] {
    return workers().size() != count && std::chrono::steady_clock::now() < limit;
  })([](const std::string&) {}, caf::after(1ms) >> [] {});
  return workers().size() == count;
}

bool contains(const std::vector<int>& pids, int pid) {
  return std::find(pids.begin(), pids.end(), pid) != pids.end();
}

/// What a worker would inherit or do differently if it had waited as a spare.
std::string describe_self(int) {
  std::string text;
  for (const int fd : test::open_descriptors()) text += std::to_string(fd) + ' ';
  return text + test::status_of(getpid(), "Threads") + test::status_of(getpid(), "SigIgn");
}

caf::behavior self_describing() {
  return {[](int x) { return describe_self(x); }};
}

/// Of a process with one thread.
std::vector<int> children_of(int pid) {
  std::ifstream list{"/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) + "/children"};
  return {std::istream_iterator<int>{list}, {}};
}

/// Children here and in a supervisor's process, all with spares; then it ends as `way` says.
int root_with_spares(troupe::runtime& rt, const std::string& way) {
  auto below = with_spares(1);
  below.intensity = 1'000'000;
  auto spec = below;
  spec.children.push_back({.id = "sub",
                           .start = troupe::supervise(troupe::own_process, below),
                           .type = troupe::child_type::supervisor});
  auto tree = rt.supervise(spec);
  const caf::actor child = tree.child("a");
  std::cout << test::ask(child, 1) << std::endl;
  if (way == "throw") throw std::runtime_error{"thrown in run"};
  if (way == "return") return 9;
  if (way == "abort") std::abort();
  for (int i = 0;; ++i) {
    rt.kill(*tree.process_of(i % 5 == 0 ? "sub" : "a"));
    static_cast<void>(test::outcome_of(child, i));
  }
}
const test::victim_role with_holders{"root with spares", root_with_spares};

}  // namespace

TEST_CASE("a spare is the next life of a child, and another takes its place",
          "[process][supervisor][spare]") {
  const test::oracle oracle;
  {
    test::event_log log;
    auto tree = test::runtime().supervise(with_spares(2));
    const caf::actor child = tree.child("a");
    for (int restart = 0; restart < 5; ++restart) {
      REQUIRE(there_are(3));
      const auto before = workers();
      const int old = test::pids(tree).front();
      test::kill_process(old);
      log.wait_for(kind::ready, "a");
      if (restart == 0) log.wait_for(kind::ready, "a");
      const int now = test::pids(tree).front();
      CHECK(now != old);
      CHECK(contains(before, now));
      CHECK(test::ask(child, restart) == restart);
    }
    CHECK(there_are(3));
    tree.stop();
    CHECK(there_are(0));
  }
  oracle.check();
}

TEST_CASE("a spare is like any other process once it has its role",
          "[process][supervisor][spare]") {
  const test::oracle oracle;
  {
    auto spec = with_spares(1);
    spec.children.front().start = troupe::run(self_describing);
    auto tree = test::runtime().supervise(spec);
    const caf::actor child = tree.child("a");
    const auto first = test::ask<std::string>(child, 1);
    REQUIRE(there_are(2));
    const auto before = workers();
    test::kill_process(test::pids(tree).front());
    CHECK(test::ask<std::string>(child, 1) == first);
    CHECK(contains(before, test::pids(tree).front()));
    tree.stop();
  }
  oracle.check();
}

TEST_CASE("a spare that a death wakes for nothing is the next life of another child",
          "[process][supervisor][spare]") {
  const test::oracle oracle;
  {
    auto tree = test::runtime().supervise(with_spares(1));
    const caf::actor child = tree.child("a");
    auto other = test::runtime().supervise({.intensity = 0, .children = {test::patient_spec("b")}});
    REQUIRE(test::ask(other.child("b"), 1) == 1);
    REQUIRE(there_are(3));
    test::kill_process(test::pids(other).front());
    REQUIRE(other.wait(10s));
    REQUIRE(there_are(2));
    const auto before = workers();
    test::kill_process(test::pids(tree).front());
    CHECK(test::ask(child, 2) == 2);
    CHECK(contains(before, test::pids(tree).front()));
    tree.stop();
  }
  oracle.check();
}

TEST_CASE("spares that are killed, or not needed any longer, cost nothing",
          "[process][supervisor][spare]") {
  const test::oracle oracle;
  {
    auto tree = test::runtime().supervise(with_spares(3));
    const caf::actor child = tree.child("a");
    REQUIRE(there_are(4));
    const int alive = test::pids(tree).front();
    const auto before = workers();
    for (const int pid : before)
      if (pid != alive) test::kill_process(pid);
    test::kill_process(alive);
    CHECK(test::ask(child, 7) == 7);
    CHECK_FALSE(contains(before, test::pids(tree).front()));
    CHECK(there_are(4));
    tree.change(with_spares(1));
    CHECK(there_are(2));
    tree.change(with_spares(0));
    CHECK(there_are(1));
    CHECK(test::ask(child, 8) == 8);
    tree.stop();
  }
  oracle.check();
}

TEST_CASE("spares outlive the zygote that made them", "[process][supervisor][spare]") {
  const test::oracle oracle;
  {
    auto tree = test::runtime().supervise(with_spares(1));
    const caf::actor child = tree.child("a");
    REQUIRE(there_are(2));
    const auto zygotes = test::children_named("troupe-zygote");
    REQUIRE(zygotes.size() == 1);
    test::kill_process(zygotes.front());
    REQUIRE(test::ended(zygotes, 10s));
    test::kill_process(test::pids(tree).front());
    CHECK(test::ask(child, 1) == 1);
    CHECK(there_are(2));
    tree.stop();
  }
  oracle.check();
}

TEST_CASE("the memory of a worker that has a spare is held by another until that one serves",
          "[process][supervisor][spare]") {
  const test::oracle oracle;
  for (const int spares : {0, 1}) {
    INFO(spares << " spares");
    auto tree = test::runtime().supervise(with_spares(spares));
    const caf::actor child = tree.child("a");
    for (int life = 0; life < 3; ++life) {
      REQUIRE(there_are(1 + static_cast<std::size_t>(spares)));
      const int pid = test::pids(tree).front();
      const auto holders = children_of(pid);
      REQUIRE(holders.size() == static_cast<std::size_t>(spares));
      for (const int holder : holders) {
        CHECK(getpgid(holder) == holder);
        CHECK(test::status_of(holder, "VmRSS") == test::status_of(pid, "VmRSS"));
      }
      test::kill_process(pid);
      CHECK(test::ask(child, life) == life);
      CHECK(test::ended(holders, 10s));
    }
    tree.stop();
  }
  oracle.check();
}

TEST_CASE("however a root ends, no memory of its workers is held", "[process][supervisor][spare]") {
  for (const std::string way : {"throw", "return", "abort", "SIGTERM"}) {
    test::victim root{"root with spares", {way, {}, false}};
    REQUIRE(root.line() == "1");
    INFO(way);
    if (way == "SIGTERM") root.kill(SIGTERM);
    root.status();
    CHECK(root.nothing_left(1s));
    if (way == "throw" || way == "return") CHECK(root.processes().empty());
  }
  for (int round = 0; round < test::times(15, 250); ++round) {
    test::victim root{"root with spares"};
    if (round % 3 != 0) REQUIRE(root.line() == "1");
    REQUIRE_FALSE(root.ended_within(std::chrono::microseconds{test::random_up_to(30'000)}));
    root.kill();
    root.status();
    INFO("round " << round);
    REQUIRE(root.nothing_left(1s));
  }
}
