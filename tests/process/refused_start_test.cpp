// The system has nothing to start a process with, for a moment or for long: no descriptor, no
// process.
#include <support/oracle.hpp>
#include <support/processes.hpp>
#include <support/supervised.hpp>
#include <support/victim.hpp>

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <iostream>
#include <map>
#include <numeric>
#include <ranges>
#include <sstream>
#include <thread>
#include <troupe/testing.hpp>

using namespace std::chrono_literals;
using namespace std::string_literals;
using test::contains;
using kind = troupe::lifecycle_event::kind;

namespace {

/// More than any start needs.
constexpr int most_wanted = 12;

/// While it lives, only so many descriptors are free.
class few_descriptors {
public:
  explicit few_descriptors(int free) {
    getrlimit(RLIMIT_NOFILE, &usual_);
    const int last = test::open_descriptors().back();
    int fd = -1;
    while ((fd = dup(0)) < last) gaps_.push_back(fd);
    close(fd);
    const rlimit few{static_cast<rlim_t>(last + 1 + free), usual_.rlim_max};
    REQUIRE(setrlimit(RLIMIT_NOFILE, &few) == 0);
  }
  ~few_descriptors() { end(); }
  few_descriptors(const few_descriptors&) = delete;
  few_descriptors& operator=(const few_descriptors&) = delete;

  void end() {
    setrlimit(RLIMIT_NOFILE, &usual_);
    for (const int fd : std::exchange(gaps_, {})) close(fd);
  }

private:
  rlimit usual_{};
  std::vector<int> gaps_;
};

/// Tells what happens to its child.
int root_of_one(troupe::runtime& rt, const std::string&) {
  rt.watch([](const troupe::lifecycle_event& e) {
    std::cout << to_string(e.what) << ' ' << e.reason << std::endl;
  });
  auto sup = rt.supervise({.children = {{.id = "child", .start = troupe::run(test::patient)}}});
  std::cout << "child is " << *sup.which_child("child")->pid << std::endl;
  sup.wait(troupe::no_limit);
  return 0;
}
const test::victim_role one_child{"root of one", root_of_one};

/// Of a user who may be kept from having processes, as root may not.
const std::string as_user = getuid() == 0 ? "setpriv --reuid 61234 --clear-groups " : std::string{};
/// Its log goes where its output goes. Its binary is opened before: it may lie in a folder that is
/// not everybody's.
const std::vector<std::string> logged_as_user = {
    "sh", "-c", "exec 9<\"$0\" 2>&1; TROUPE_LOG=debug exec " + as_user + "/proc/self/fd/9"};

/// Reads what the root tells until a line has `what` in it.
std::string line_with(test::victim& root, const std::string& what) {
  for (;;) {
    const std::string line = root.line();
    INFO("before: " << what);
    REQUIRE_FALSE(line.empty());
    if (contains(line, what)) return line;
  }
}

/// Whoever starts processes for `root` may have so many.
void limit_processes(const test::victim& root, rlim_t most) {
  for (const int pid : root.processes()) {
    if (!contains(test::status_of(pid, "Name"), "troupe-zygote")) continue;
    const std::string command =
        as_user + "prlimit --pid " + std::to_string(pid) + " --nproc=" + std::to_string(most) + ":";
    REQUIRE(std::system(command.c_str()) == 0);
  }
}

rlim_t usual_processes() {
  rlimit usual{};
  getrlimit(RLIMIT_NPROC, &usual);
  return usual.rlim_cur;
}

/// Of the child that the root has told of last.
int pid_in(const std::string& line) {
  return std::stoi(line.substr(line.rfind(' ')));
}

int slow_square(int x) {
  std::this_thread::sleep_for(1ms);
  return x * x;
}

bool all_up(const troupe::pool& pool) {
  const auto all = pool.workers();
  return std::all_of(all.begin(), all.end(), [](const auto& w) {
    return w.ready && test::status_of(w.process.pid(), "State").rfind("Z", 0) != 0;
  });
}

/// Tells each time that it is run.
int tell(int x) {
  const std::string text = "ran " + std::to_string(x) + '\n';
  return write(STDOUT_FILENO, text.data(), text.size()) > 0 ? x : -1;
}

/// Works while the system has no process for one of its two workers.
int root_of_pool(troupe::runtime& rt, const std::string&) {
  using event = troupe::pool_event::kind;
  std::map<event, int> seen;
  auto pool = rt.pool(2);
  pool.on_event([&](const troupe::pool_event& e) { ++seen[e.what]; });
  while (!all_up(pool)) troupe::testing::step(rt);
  const int zygote = test::children_named("troupe-zygote").front();
  rlimit usual{};
  prlimit(zygote, RLIMIT_NPROC, nullptr, &usual);
  const rlimit one{1, usual.rlim_max};
  prlimit(zygote, RLIMIT_NPROC, &one, nullptr);
  kill(zygote, SIGSTOP);
  rt.kill(pool.workers().front().process);
  while (seen[event::worker_lost] == 0) troupe::testing::step(rt);
  auto stream = pool.imap(tell, std::views::iota(0, 20));  // also to who seems to come up
  kill(zygote, SIGCONT);                                   // and is refused now
  int right = 0;
  for (const auto& r : stream) right += r ? 1 : 0;
  for (const auto& r : pool.map(tell, std::views::iota(20, 40))) right += r ? 1 : 0;
  right += pool.apply(tell, 40) ? 1 : 0;
  std::cout << right << " right, " << seen[event::worker_lost] << " lost" << std::endl;
  prlimit(zygote, RLIMIT_NPROC, &usual, nullptr);
  while (!all_up(pool)) troupe::testing::step(rt);
  for (const auto& r : pool.map(tell, std::views::iota(41, 241))) right += r ? 1 : 0;
  std::cout << right << " right, " << seen[event::worker_delayed] << " delayed" << std::endl;
  return 0;
}
const test::victim_role pool_of_two{"root of a pool", root_of_pool};

}  // namespace

TEST_CASE("a child that can't be restarted for want of descriptors is when there are some",
          "[process][supervisor][start]") {
  const test::oracle oracle;
  test::event_log log;
  for (int free = 0; free <= most_wanted; ++free) {
    INFO(free << " descriptors are free");
    // One restart is allowed: that it is refused for a while does not count again.
    auto tree = test::runtime().supervise(test::three(troupe::restart_strategy::one_for_one));
    few_descriptors few{free};
    test::kill_child(tree, "a");
    log.wait_for(kind::exited, "a");
    CHECK(test::ask(tree.child("b"), 1) == 1);  // the others go on
    few.end();
    log.wait_for(kind::ready, "a");
    CHECK(test::ask(tree.child("a"), 2) == 2);
    CHECK(tree.which_child("a")->restarts == 1);
    tree.stop();
  }
  oracle.check();
}

TEST_CASE("a child that waits for descriptors can be told to end", "[process][supervisor][start]") {
  const test::oracle oracle;
  {
    auto tree = test::runtime().supervise(test::three(troupe::restart_strategy::one_for_one));
    few_descriptors few{0};
    for (int i = 0; i < 2; ++i) {  // a channel may have been opened ahead
      test::kill_child(tree, "abc"s.substr(static_cast<std::size_t>(i), 1));
    }
    tree.terminate_child("a");
    tree.terminate_child("b");
    CHECK(test::states(tree) == "a down, b down, c running");
    few.end();
    tree.restart_child("a");
    CHECK(test::ask(tree.child("a"), 2) == 2);
    tree.stop();
  }
  oracle.check();
}

TEST_CASE("a pool goes on with the workers that it has until there are descriptors for another",
          "[process][pool][start]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  for (int free = 0; free <= most_wanted; ++free) {
    INFO(free << " descriptors are free");
    auto pool = rt.pool(2);
    std::vector<int> items(200);
    std::iota(items.begin(), items.end(), 0);
    const auto all_right = [&] {
      const auto squares = pool.map(slow_square, items);
      return std::all_of(items.begin(), items.end(), [&](int x) {
        return squares[static_cast<std::size_t>(x)].value() == x * x;
      });
    };
    CHECK(all_right());
    few_descriptors few{free};
    rt.kill(pool.workers().front().process);
    CHECK(all_right());
    few.end();
    while (!all_up(pool)) troupe::testing::step(rt);
    CHECK(all_right());
  }
  oracle.check();
}

TEST_CASE("a child that can't be restarted for want of processes is when there are some",
          "[process][supervisor][start]") {
  test::victim root{"root of one", {"", logged_as_user, false}};
  const int child = pid_in(line_with(root, "child is "));
  limit_processes(root, 1);
  REQUIRE(test::kill_process(child));
  line_with(root, "it is asked again");
  limit_processes(root, usual_processes());
  line_with(root, "ready");
  CHECK(root.processes().size() == 2);  // the zygote, too
  root.kill(SIGTERM);
  CHECK(root.status() == 0);
  CHECK(root.nothing_left(1s));
}

TEST_CASE("when the system has no process for long its supervisor gives up, and says why",
          "[process][supervisor][start]") {
  test::victim root{"root of one", {"", logged_as_user, false}};
  const int child = pid_in(line_with(root, "child is "));
  limit_processes(root, 1);
  REQUIRE(test::kill_process(child));
  const std::string end = line_with(root, "gave up");
  CHECK(contains(end, std::strerror(EAGAIN)));
  CHECK(contains(end, "asked again"));
  CHECK(contains(end, "troupe doctor"));
  CHECK(root.status() == 0);
  CHECK(root.nothing_left(1s));
}

TEST_CASE("a place of a pool that is refused its process gives back what it was given",
          "[process][pool][start]") {
  test::victim root{"root of a pool", {"", logged_as_user, false}};
  std::istringstream output{root.rest()};
  std::map<std::string, int> lines;
  for (std::string line; std::getline(output, line);) ++lines[line];
  // Only the one that was killed is lost: no item has waited until its start was given up.
  CHECK(lines["41 right, 1 lost"] == 1);
  CHECK(lines["241 right, 1 delayed"] == 1);
  // The process that it had at last was not given them again.
  for (int i = 0; i < 241; ++i) {
    INFO("item " << i);
    CHECK(lines["ran " + std::to_string(i)] == 1);
  }
  CHECK(root.status() == 0);
  CHECK(root.nothing_left(1s));
}
