// A program as it runs in a container: as first process of a pid namespace, without /proc, and
// under a filter of system calls.
#include <support/catch.hpp>
#include <support/supervised.hpp>
#include <support/victim.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>

using namespace std::chrono_literals;

namespace {

int same(int x) {
  return x;
}

/// `how`: it waits for its supervisor, or does not look; or it is without one.
int contained_root(troupe::runtime& rt, const std::string& how) {
  const auto worker = rt.serve(same);
  std::cout << worker.ask(1).value() << std::endl;
  if (how == "alone")
    for (;;) pause();
  auto sup = rt.supervise({.children = {{.id = "child", .start = troupe::run(test::patient)}}});
  std::cout << "supervises" << std::endl;
  if (how == "computes")
    for (;;) pause();
  sup.wait(troupe::no_limit);
  std::cout << "goes on" << std::endl;
  return 0;
}
const test::victim_role contained{"contained root", contained_root};

/// A bit of everything that starts processes.
int versatile_root(troupe::runtime& rt, const std::string&) {
  auto pool = rt.pool(2);
  int sum = 0;
  for (const auto& x : pool.map(same, {1, 2, 3, 4})) sum += x.value();
  std::cout << "pool " << sum << std::endl;
  auto sup = rt.supervise(
      {.intensity = 2,
       .spares = 1,
       .children = {
           {.id = "child", .start = troupe::run(test::patient), .limits = {.open_files = 64}},
           {.id = "program", .start = troupe::execute({.argv = {"sleep", "1000"}})}}});
  const auto child = sup.child("child");
  for (const char* id : {"child", "program"}) {
    const auto victim = *sup.process_of(id);
    rt.kill(victim);
    rt.join(victim);
  }
  rt.self()
      ->request(child, 10s, 7)
      .receive([](int x) { std::cout << "child " << x << std::endl; },
               [](const caf::error& e) { std::cout << troupe::describe(e) << std::endl; });
  return 0;
}
const test::victim_role versatile{"versatile root", versatile_root};

// Not --mount-proc: it needs a root that is a mount, which a chroot's is not.
const std::string own_proc = "mount --make-private /proc && mount -t proc proc /proc";

const std::vector<std::string> as_first = {
    "unshare",       "--pid",     "--fork", "--kill-child", "--mount",
    "--propagation", "unchanged", "sh",     "-c",           own_proc + " && exec \"$0\""};

bool can_be_first() {
  const std::string trial =
      "unshare --pid --fork --mount --propagation unchanged sh -c '" + own_proc + "' 2>/dev/null";
  return std::system(trial.c_str()) == 0;
}

/// The process that `unshare` has started.
int first_below(const test::victim& v) {
  const std::string pid = std::to_string(v.pid());
  int first = 0;
  std::ifstream{"/proc/" + pid + "/task/" + pid + "/children"} >> first;
  return first;
}

}  // namespace

TEST_CASE("the first process of a container ends by SIGTERM as any other", "[process][root]") {
  if (!can_be_first()) {
    std::puts("SKIPPED: a pid namespace of its own needs root");
    SUCCEED();
    return;
  }
  const auto run = [](const std::string& how, const std::string& ready, int signal) {
    test::victim root{"contained root", {how, as_first, false}};
    while (root.line() != ready) {
    }
    test::kill_process(first_below(root), signal);
    const std::string rest = root.rest();
    CHECK(rest == (how == "waits" ? "goes on\n" : ""));
    return WEXITSTATUS(root.status());
  };
  CHECK(run("waits", "supervises", SIGTERM) == 0);
  CHECK(run("waits", "supervises", SIGINT) == 130);
  CHECK(run("computes", "supervises", SIGTERM) == 128 + SIGTERM);
  CHECK(run("alone", "1", SIGTERM) == 128 + SIGTERM);
  CHECK(run("alone", "1", SIGINT) == 128 + SIGINT);
}

TEST_CASE("a program starts and restarts processes where no /proc is mounted", "[process][start]") {
  const std::string gone = "mount --make-private /proc && umount -l /proc";
  if (std::system(
          ("unshare --mount --propagation unchanged sh -c '" + gone + "' 2>/dev/null").c_str()) !=
      0) {
    std::puts("SKIPPED: a mount namespace of its own needs root");
    SUCCEED();
    return;
  }
  test::victim root{
      "versatile root",
      {"",
       {"unshare", "--mount", "--propagation", "unchanged", "sh", "-c", gone + " && exec \"$0\""},
       false}};
  CHECK(root.rest() == "pool 10\nchild 7\n");
  CHECK(root.status() == 0);
  CHECK(root.nothing_left(1s));
}

TEST_CASE("a container's filter of system calls keeps nothing from working", "[process][start]") {
  test::victim root{"versatile root", {"", {TEST_CONTAINER}, false}};
  CHECK(root.rest() == "pool 10\nchild 7\n");
  CHECK(root.status() == 0);
  CHECK(root.nothing_left(1s));
}
