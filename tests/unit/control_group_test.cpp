// A folder of plain files stands in for a control group: what is read and written is the same.
#include <support/catch.hpp>
#include <support/outcome.hpp>

#include <troupe/os/control_group.hpp>
#include <troupe/os/group_leaf.hpp>
#include <troupe/os/program_start.hpp>

#include <fcntl.h>
#include <kj/exception.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

using namespace troupe::os;
using test::contains;
namespace fs = std::filesystem;

namespace {

class stand_in {
public:
  stand_in() {
    char name[] = "/tmp/troupe-group-XXXXXX";
    path_ = mkdtemp(name);
    folder_ = descriptor{open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  }
  ~stand_in() { fs::remove_all(path_); }
  stand_in(const stand_in&) = delete;
  stand_in& operator=(const stand_in&) = delete;

  /// As a group that is delegated.
  static void make_group(const std::string& path, const std::string& controllers,
                         const std::string& handed_on, const std::string& processes) {
    fs::create_directories(path);
    std::ofstream{path + "/cgroup.controllers"} << controllers << '\n';
    std::ofstream{path + "/cgroup.subtree_control"} << handed_on << '\n';
    std::ofstream{path + "/cgroup.procs"} << processes;
  }

  void write(const std::string& name, const std::string& text = {}) const {
    std::ofstream{path_ + '/' + name} << text;
  }
  [[nodiscard]] std::string text(const std::string& name) const {
    std::ifstream file{path_ + '/' + name};
    return {std::istreambuf_iterator<char>{file}, {}};
  }
  [[nodiscard]] std::vector<std::string> groups() const {
    std::vector<std::string> all;
    for (const auto& entry : fs::directory_iterator{path_})
      if (entry.is_directory()) all.push_back(entry.path().filename());
    return all;
  }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] int folder() const { return folder_.get(); }

private:
  std::string path_;
  descriptor folder_;
};

const std::vector<std::string> both{"memory", "pids"};

std::string why_not(const std::string& folder, const std::string& controller) {
  auto place = open_group_place(folder, getpid(), both);
  return place.missing[controller];
}

}  // namespace

TEST_CASE("the folder of a control group is found wherever version 2 is mounted", "[os][group]") {
  const std::string alone = "26 23 0:22 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n";
  const std::string beside =
      "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n"
      "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
  const std::string part = "41 31 0:38 /box/one /sys/fs/c\\040group rw - cgroup2 cgroup2 rw\n";
  CHECK(group_folder(alone, "0::/user.slice/a.scope\n") == "/sys/fs/cgroup/user.slice/a.scope");
  CHECK(group_folder(alone, "0::/\n") == "/sys/fs/cgroup");
  CHECK(group_folder(beside, "4:memory:/m\n0::/x\n") == "/sys/fs/cgroup/unified/x");
  CHECK(group_folder(part, "0::/box/one/a\n") == "/sys/fs/c group/a");
  CHECK(group_folder(part, "0::/box/one\n") == "/sys/fs/c group");
  CHECK(group_folder(part, "0::/box/oneself\n").empty());
  CHECK(group_folder(part, "0::/elsewhere\n").empty());
  CHECK(group_folder(beside, "4:memory:/m\n").empty());
  CHECK(group_folder("32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n", "0::/\n")
            .empty());
  CHECK(group_folder("", "").empty());
}

TEST_CASE("a delegated group hands on the controllers that limits need", "[os][group]") {
  const stand_in at;
  stand_in::make_group(at.path(), "cpu memory pids", "cpu", "");
  const auto place = open_group_place(at.path(), getpid(), both);
  CHECK(place.missing.empty());
  CHECK(place.folder.get() >= 0);
  CHECK(contains(at.text("cgroup.subtree_control"), "+memory +pids"));
  CHECK(at.groups().empty());
}

TEST_CASE("what a group hands on already is left as it is", "[os][group]") {
  const stand_in at;
  stand_in::make_group(at.path(), "memory pids", "memory pids", "1\n");
  CHECK(open_group_place(at.path(), getpid(), both).missing.empty());
  CHECK(at.text("cgroup.subtree_control") == "memory pids\n");
  CHECK(at.groups().empty());
}

TEST_CASE("whoever is in a group of ours has the one above as its place", "[os][group]") {
  const stand_in at;
  stand_in::make_group(at.path(), "memory pids", "", "");
  const std::string own =
      at.path() + '/' + GENERATE(std::string{main_group}, leaf_prefix + std::string{"17-a"});
  stand_in::make_group(own, "memory pids", "", std::to_string(getpid()) + '\n');
  const auto place = open_group_place(own, getpid(), both);
  CHECK(place.missing.empty());
  CHECK(fs::read_symlink("/proc/self/fd/" + std::to_string(place.folder.get())) == at.path());
}

TEST_CASE("each reason against control groups is told", "[os][group]") {
  const stand_in at;
  CHECK(contains(why_not("", "memory"), "in no control group of version 2"));
  CHECK(contains(why_not(at.path(), "pids"), "is not delegated"));
  stand_in::make_group(at.path(), "cpu pids", "", "");
  CHECK(contains(why_not(at.path(), "memory"), "has no controller memory"));
  CHECK(why_not(at.path(), "pids").empty());
  stand_in::make_group(at.path(), "memory pids", "", std::to_string(getpid()) + "\n1\n");
  CHECK(contains(why_not(at.path(), "memory"), "has processes of others in it, too, such as 1"));
  stand_in::make_group(at.path(), "memory pids", "", "0\n");
  CHECK(contains(why_not(at.path(), "memory"), "has processes of others in it, too"));
  CHECK(at.text("cgroup.subtree_control") == "\n");
  CHECK(at.groups().empty());
}

TEST_CASE("limits are written into the files of a group", "[os][group]") {
  const stand_in at;
  for (const char* name : {"memory.max", "memory.oom.group", "memory.swap.max", "pids.max"})
    at.write(name);
  write_limits(at.folder(), {});
  CHECK(at.text("memory.max").empty());
  write_limits(at.folder(), {1 << 26, 12});
  CHECK(at.text("memory.max") == "67108864");
  CHECK(at.text("memory.oom.group") == "1");
  CHECK(at.text("memory.swap.max") == "0");
  CHECK(at.text("pids.max") == "12");
  fs::remove(at.path() + "/memory.swap.max");  // as on a kernel without swap
  at.write("memory.max");
  write_limits(at.folder(), {1 << 20, {}});
  CHECK(at.text("memory.max") == "1048576");
  CHECK_FALSE(fs::exists(at.path() + "/memory.swap.max"));
}

TEST_CASE("kills for want of memory are read from a group's events", "[os][group]") {
  const stand_in at;
  CHECK(out_of_memory_kills(at.folder()) == 0);
  at.write("memory.events", "low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 1\n");
  CHECK(out_of_memory_kills(at.folder()) == 2);
  at.write("memory.events", "low 0\nhigh 0\nmax 12\noom 0\noom_kill 0\noom_group_kill 0\n");
  CHECK(out_of_memory_kills(at.folder()) == 0);
}

TEST_CASE("a child's group goes with its owner", "[os][group]") {
  const stand_in at;
  {
    auto one = group_leaf::make(at.folder(), {}, "data/index");
    const auto other = group_leaf::make(at.folder(), {}, "data/index");
    CHECK(one.name() != other.name());
    CHECK(one.name().starts_with(leaf_prefix));
    CHECK(one.name().ends_with("-data.index"));
    CHECK(at.groups().size() == 2);
    fs::create_directory(at.path() + '/' + one.name() + "/of-the-child");
    CHECK(one.remove());
    CHECK(at.groups() == std::vector{other.name()});
    CHECK(one.remove());
    CHECK(one.folder() == -1);
  }
  CHECK(at.groups().empty());
}

TEST_CASE("a group that can't have its limits is not left behind", "[os][group]") {
  const stand_in at;
  CHECK_THROWS_AS(group_leaf::make(at.folder(), {1, {}}, "a"), kj::Exception);
  CHECK_THROWS_AS(group_leaf::make(at.folder(), {{}, 1}, "a"), kj::Exception);
  CHECK(at.groups().empty());
}

TEST_CASE("groups of dead owners can be told from others", "[os][group]") {
  const stand_in at;
  const auto living = group_leaf::make(at.folder(), {}, "living");
  const std::string dead = leaf_prefix + std::string{"17-dead"};
  for (const std::string& name : {dead, std::string{"foreign"}, std::string{main_group}})
    fs::create_directory(at.path() + '/' + name);
  {
    const auto left = group_leaf::take_left(at.folder());
    REQUIRE(left.size() == 1);
    CHECK(left.front().name() == dead);
    CHECK(group_leaf::take_left(at.folder()).empty());  // it has an owner now
  }
  CHECK(at.groups().size() == 3);
  CHECK_FALSE(fs::exists(at.path() + '/' + dead));
}

TEST_CASE("who started a process is known at each level", "[os][group]") {
  CHECK(ancestor(0) == getpid());
  CHECK(ancestor(1) == getppid());
  CHECK(ancestor(1000) <= 0);
}

TEST_CASE("a program that can't enter its group says so", "[os][group]") {
  CHECK(contains(describe(exec_failure{EACCES, exec_failure::group}, program_plan{}),
                 "it can't enter its control group: Permission denied"));
}
