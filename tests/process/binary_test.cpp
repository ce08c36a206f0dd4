// The binary of a running program is replaced, as an update does, or removed.
#include <support/folder.hpp>
#include <support/supervised.hpp>
#include <support/victim.hpp>

#include <filesystem>
#include <fstream>
#include <iostream>

using namespace std::chrono_literals;

namespace {

/// Tells the pid of each life of its child.
int updated_root(troupe::runtime& rt, const std::string&) {
  rt.watch([](const troupe::lifecycle_event& e) {
    if (e.what == troupe::lifecycle_event::kind::ready) std::cout << *e.pid << std::endl;
  });
  auto sup = rt.supervise(
      {.intensity = 10, .children = {{.id = "child", .start = troupe::run(test::patient)}}});
  sup.wait(troupe::no_limit);
  return 0;
}
const test::victim_role updated{"updated root", updated_root};

}  // namespace

TEST_CASE("a binary that is replaced or removed changes nothing for the program that runs",
          "[process][supervisor][start]") {
  const test::folder folder;
  const std::string program = folder.path() + "/program";
  std::filesystem::copy_file("/proc/self/exe", program);
  test::victim root{"updated root", {"", {"sh", "-c", "exec " + program}, false}};
  int child = std::stoi(root.line());
  const auto comes_back = [&](const std::vector<int>& killed) {
    for (const int pid : killed) REQUIRE(test::kill_process(pid));
    const std::string next = root.line();
    REQUIRE_FALSE(next.empty());
    child = std::stoi(next);
  };
  const auto zygote = [&] {
    for (const int pid : root.processes())
      if (test::status_of(pid, "Name").find("troupe-zygote") != std::string::npos) return pid;
    return -1;
  };

  std::ofstream{program + ".new"} << "not a program\n";
  std::filesystem::rename(program + ".new", program);
  comes_back({child});
  comes_back({zygote(), child});  // the next one is executed
  std::filesystem::remove(program);
  comes_back({child});
  comes_back({zygote(), child});

  root.kill(SIGTERM);
  CHECK(root.status() == 0);
  CHECK(root.nothing_left(1s));
}
