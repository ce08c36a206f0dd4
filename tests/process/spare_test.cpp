// Processes that a supervisor keeps ready without a role.
#include <support/oracle.hpp>
#include <support/processes.hpp>
#include <support/supervised.hpp>

#include <unistd.h>

#include <algorithm>

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
