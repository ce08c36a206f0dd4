// However the root ends, nothing of its tree lives on.
#include <support/catch.hpp>
#include <support/outcome.hpp>
#include <support/processes.hpp>
#include <support/settings.hpp>
#include <support/victim.hpp>

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <stdexcept>

using namespace std::chrono_literals;

namespace {

/// Leaves a program in the worker's process group, and a shell with another.
int start_programs() {
  test::start_program({"sleep", "1000"});
  static_cast<void>(std::system("sleep 1000 & "));
  return 0;
}

int leaf(int x) {
  if (x == 1) start_programs();
  return x;
}

/// Serves by a worker of its own.
int middle(troupe::runtime& rt, int x) {
  static const auto below = rt.serve(leaf);
  if (x == 1) start_programs();
  return below.ask(x).value();
}

/// Says that it is there, then starts, asks and kills for ever.
int busy_root(troupe::runtime& rt, const std::string&) {
  const auto lasting = rt.serve(middle);
  std::cout << lasting.ask(1).value() << std::endl;
  for (;;) {
    const auto a = rt.serve(middle);
    const auto b = rt.serve(leaf);
    auto pool = rt.pool(2);
    static_cast<void>(a.submit(1));
    b.ask(1).value();
    for (const auto& x : pool.map(leaf, {0, 2, 3, 4})) x.value();
    rt.kill(a);
    rt.stop(b);
    rt.join(a);
  }
}
const test::victim_role busy{"busy root", busy_root};

/// Three levels with programs at each, then it waits as `argument` says.
int quiet_root(troupe::runtime& rt, const std::string& argument) {
  const auto worker = rt.serve(middle);
  worker.ask(1).value();
  std::cout << worker.pid() << std::endl;
  if (argument == "abort") std::abort();
  if (argument == "throw") throw std::runtime_error{"thrown in run"};
  if (argument == "exit") std::exit(7);
  if (argument == "return") return 9;
  if (argument == "_exit") _exit(5);
  if (argument == "terminate") std::terminate();
  if (argument == "hang") {
    const auto zygotes = test::children_named("troupe-zygote");
    const auto watch = rt.every(1ms, [&zygotes, said = false]() mutable {
      const auto now = test::children_named("troupe-zygote");
      if (said || now.empty() || now == zygotes) return;
      std::cout << "another zygote" << std::endl;
      said = true;
    });
    rt.join(worker);  // the loop replaces a zygote that is killed
    return 0;
  }
  for (;;) pause();
}
const test::victim_role quiet{"quiet root", quiet_root};

/// Outlives a worker that left programs, with its loop running.
int lasting_root(troupe::runtime& rt, const std::string&) {
  const auto worker = rt.serve(middle);
  const auto other = rt.serve(leaf);
  worker.ask(1).value();
  other.ask(0).value();
  rt.kill(worker);
  rt.join(worker);
  std::cout << other.pid() << std::endl;
  rt.join(other);
  return 0;
}
const test::victim_role lasting{"root that lives on", lasting_root};

std::vector<int> named(const test::victim& program, const std::string& name) {
  auto pids = program.processes();
  std::erase_if(pids, [&](int pid) { return test::status_of(pid, "Name") != name; });
  return pids;
}

}  // namespace

TEST_CASE("a root killed at any instant leaves no process of its tree", "[process][root]") {
  for (int round = 0; round < test::times(15, 250); ++round) {
    test::victim root{"busy root"};
    if (round % 3 != 0) REQUIRE(root.line() == "1");
    const bool early = root.ended_within(std::chrono::microseconds{test::random_up_to(30'000)});
    REQUIRE_FALSE(early);
    root.kill();
    CHECK(WTERMSIG(root.status()) == SIGKILL);
    INFO("round " << round);
    const bool nothing = root.nothing_left(1s);
    for (const int pid : root.processes())
      UNSCOPED_INFO(pid << ' ' << test::status_of(pid, "Name") << ", "
                        << test::status_of(pid, "State") << ", child of "
                        << test::status_of(pid, "PPid") << ", group " << getpgid(pid)
                        << ", signals that wait: " << test::status_of(pid, "ShdPnd"));
    REQUIRE(nothing);
  }
}

TEST_CASE("each way out of the root ends its tree", "[process][root]") {
  struct row {
    std::string way;
    int code;  // -1: a signal
    int signal;
  };
  for (const row& r : {row{"abort", -1, SIGABRT}, row{"throw", 1, 0}, row{"exit", 7, 0},
                       row{"return", 9, 0}, row{"_exit", 5, 0}, row{"terminate", -1, SIGABRT}}) {
    test::victim root{"quiet root", {r.way, {}, false}};
    REQUIRE(std::stoi(root.line()) > 1);
    const int status = root.status();
    INFO(r.way << ": status " << status);
    if (r.signal != 0) {
      CHECK(WTERMSIG(status) == r.signal);
    } else {
      CHECK(WEXITSTATUS(status) == r.code);
    }
    CHECK(root.nothing_left(1s));
    // Ends in order leave nothing even for a moment.
    if (r.way == "throw" || r.way == "return" || r.way == "exit") CHECK(root.processes().empty());
  }
}

TEST_CASE("SIGTERM and SIGINT to the root end its tree", "[process][root]") {
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGSEGV}) {
    test::victim root{"quiet root"};
    REQUIRE(std::stoi(root.line()) > 1);
    root.kill(signal);
    INFO(signal);
    CHECK(WTERMSIG(root.status()) == signal);
    CHECK(root.nothing_left(1s));
  }
}

TEST_CASE("a middle process that is killed takes all below it along", "[process][root]") {
  test::victim root{"quiet root", {"hang", {}, false}};
  const int worker = std::stoi(root.line());
  REQUIRE(root.processes().size() >= 6);  // two zygotes, two workers, two programs at least
  REQUIRE(test::kill_process(worker));
  CHECK(WEXITSTATUS(root.status()) == 0);
  CHECK(root.nothing_left(1s));
}

TEST_CASE("programs of a worker are gone when it has been killed, while the root lives",
          "[process][root]") {
  test::victim root{"root that lives on"};
  const int other = std::stoi(root.line());
  const auto below = [&] {  // one that is being exec'd is not seen, so it is looked for again
    auto pids = named(root, "sleep");
    for (const int pid : named(root, "troupe-worker"))
      if (pid != other) pids.push_back(pid);
    return pids;
  };
  const auto limit = std::chrono::steady_clock::now() + 2s;
  while (!below().empty() && std::chrono::steady_clock::now() < limit) test::ended(below(), 2s);
  CHECK(named(root, "sleep").empty());
  CHECK(named(root, "troupe-worker") == std::vector<int>{other});
  CHECK_FALSE(root.ended_within(0ns));
}

TEST_CASE("a root whose zygote was killed before it leaves nothing", "[process][root][zygote]") {
  for (const bool at_once : {false, true}) {
    test::victim root{"quiet root", {"hang", {}, false}};
    REQUIRE(std::stoi(root.line()) > 1);
    for (const int pid : named(root, "troupe-zygote"))
      if (test::status_of(pid, "PPid") == std::to_string(root.pid())) test::kill_process(pid);
    if (!at_once) REQUIRE(root.line() == "another zygote");
    root.kill();
    root.status();
    INFO((at_once ? "at once" : "later"));
    const bool nothing = root.nothing_left(1s);
    for (const int pid : root.processes())
      UNSCOPED_INFO(pid << ' ' << test::status_of(pid, "Name") << ", "
                        << test::status_of(pid, "State") << ", child of "
                        << test::status_of(pid, "PPid") << ", group " << getpgid(pid)
                        << ", signals that wait: " << test::status_of(pid, "ShdPnd"));
    CHECK(
        (nothing || at_once));  // both at once leave the programs of workers: no undertaker is left
    for (const char* name : {"troupe-worker", "troupe-zygote"}) CHECK(named(root, name).empty());
  }
}

TEST_CASE("a leaf that is killed leaves the others alone", "[process][root]") {
  test::victim root{"quiet root", {"hang", {}, false}};
  const int worker = std::stoi(root.line());
  int leaf_pid = 0;
  for (const int pid : named(root, "troupe-worker"))
    if (pid != worker) leaf_pid = pid;
  REQUIRE(leaf_pid > 0);
  REQUIRE(test::kill_process(leaf_pid));
  REQUIRE(test::ended({leaf_pid}, 10s));
  CHECK_FALSE(root.ended_within(20ms));
  CHECK(named(root, "troupe-worker") == std::vector<int>{worker});
  root.kill();
  root.status();
  CHECK(root.nothing_left(1s));
}
