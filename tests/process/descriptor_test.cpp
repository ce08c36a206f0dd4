#include <support/catch.hpp>
#include <support/folder.hpp>
#include <support/oracle.hpp>
#include <support/outcome.hpp>
#include <support/processes.hpp>
#include <support/runtime.hpp>
#include <support/settings.hpp>
#include <support/victim.hpp>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <iostream>
#include <thread>

using namespace std::chrono_literals;

namespace {

/// Without /proc, as a worker sees them.
std::vector<int> descriptors() {
  std::vector<int> open;
  for (int fd = 0; fd < 1024; ++fd)
    if (fcntl(fd, F_GETFD) >= 0) open.push_back(fd);
  return open;
}

std::vector<int> descriptors_below(troupe::runtime& rt) {
  const auto worker = rt.serve(descriptors);
  return worker.ask().value();
}

const std::vector<int> agreed{0, 1, 2, 3, 4, 5};

/// Starts a program that lists its descriptors; how many it has.
int descriptors_of_a_program() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return -1;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  const char* arguments[] = {"ls", "/proc/self/fd", nullptr};
  pid_t pid = -1;
  posix_spawnp(&pid, "ls", &actions, nullptr, const_cast<char**>(arguments), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  int lines = 0;
  char c = 0;
  for (ssize_t n = 0; (n = read(ends[0], &c, 1)) != 0;) lines += n > 0 && c == '\n' ? 1 : 0;
  close(ends[0]);
  waitpid(pid, nullptr, 0);
  return lines;
}

/// Leaves in a file what a worker answered; prints eight bytes, as many as a descriptor of the loop
/// would take for a signal.
int answering_root(troupe::runtime& rt, const std::string& file) {
  const auto worker = rt.serve([](int x) {
    std::cout << "1234567\n" << std::flush;
    return x + 1;
  });
  std::cout << "1234567\n" << std::flush;
  std::ofstream{file} << worker.ask(41).value();
  return 0;
}
const test::victim_role answering{"answering root", answering_root};

int printing_root(troupe::runtime&, const std::string&) {
  std::cout << "a result\n";
  return 0;
}
const test::victim_role printing{"printing root", printing_root};

/// Its worker's words are passed on by its main thread, and by the keeper.
int complaining_root(troupe::runtime& rt, const std::string&) {
  const auto worker = rt.serve([](int x) {
    std::cerr << "so much to say\n" << std::flush;
    return x + 1;
  });
  for (int i = 0; i < 10; ++i) static_cast<void>(worker.ask(i).value());
  const auto crashed = rt.spawn([] {
    std::cerr << "last words\n" << std::flush;
    std::abort();
  });
  rt.join(crashed);
  std::cout << worker.ask(41).value() << '\n';
  return 0;
}
const test::victim_role complaining{"complaining root", complaining_root};

}  // namespace

TEST_CASE("a program that is started without standard descriptors works as with them",
          "[process][descriptors]") {
  const test::folder place;
  const std::string file = place.path() + "/answer";
  test::victim root{"answering root",
                    {.argument = file, .through = {"sh", "-c", "exec \"$0\" <&- >&- 2>&-"}}};
  CHECK(root.status() == 0);
  int answer = 0;
  std::ifstream{file} >> answer;
  CHECK(answer == 42);
}

TEST_CASE("a program whose output could not be written says so and fails",
          "[process][descriptors]") {
  test::victim root{"printing root",
                    {.argument = "", .through = {"sh", "-c", "exec \"$0\" 2>&1 >/dev/full"}}};
  const auto said = root.rest();
  CHECK(said.find("not all that it printed could be written: No space left on device\n") !=
        std::string::npos);
  const int status = root.status();
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 1);
}

TEST_CASE("a program whose stderr is a full disk goes on", "[process][descriptors]") {
  test::victim root{"complaining root",
                    {.argument = "", .through = {"sh", "-c", "exec \"$0\" 2>/dev/full"}}};
  CHECK(root.rest() == "42\n");
  const int status = root.status();
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("a worker has exactly the agreed descriptors", "[process][descriptors]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const int leak = open("/dev/null", O_RDONLY);  // as careless hosts do: not close-on-exec
  const auto other = rt.serve([] { return 1; });
  const auto worker = rt.serve(descriptors);
  CHECK(worker.ask().value() == agreed);
  const auto middle = rt.serve(descriptors_below);
  CHECK(middle.ask().value() == agreed);
  for (const auto& p : {troupe::process{worker}, troupe::process{middle}, troupe::process{other}})
    rt.stop(p);
  close(leak);
  oracle.check();
}

TEST_CASE("a program that a worker starts has none of its descriptors", "[process][descriptors]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto worker = rt.serve(descriptors_of_a_program);
  CHECK(worker.ask().value() == 4);  // the usual three and the folder
  rt.stop(worker);
  oracle.check();
}

TEST_CASE("descriptors stay where they belong while eight threads start programs",
          "[process][descriptors]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const int alone = descriptors_of_a_program();
  std::atomic<bool> stop = false;
  std::atomic<int> started = 0, leaked = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&] {
      while (!stop) {
        if (descriptors_of_a_program() > alone) ++leaked;
        ++started;
      }
    });
  for (int round = 0; round < test::times(30, 1000) || started < 20; ++round) {
    const auto worker = rt.serve(descriptors);
    REQUIRE(worker.ask().value() == agreed);
    rt.stop(worker);
  }
  stop = true;
  for (auto& thread : threads) thread.join();
  CHECK(leaked == 0);
  oracle.check();
}
