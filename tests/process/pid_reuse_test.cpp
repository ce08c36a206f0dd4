#include <support/catch.hpp>
#include <support/processes.hpp>
#include <support/settings.hpp>
#include <support/victim.hpp>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iostream>

using namespace std::chrono_literals;

namespace {

/// Starts a program that gets the pid `wanted`: 0 when another process took it.
int stranger_with(int wanted) {
  std::ofstream{"/proc/sys/kernel/ns_last_pid"} << wanted - 1;
  const pid_t pid = fork();
  if (pid == 0)
    for (;;) pause();
  if (pid == wanted) return pid;
  test::end_program(pid);
  return 0;
}

/// In a pid namespace of its own. Prints how many strangers it looked at, or what went wrong.
int meet_strangers(troupe::runtime& rt, const std::string& argument) {
  int met = 0;
  for (int round = 0; met < std::stoi(argument) && round < 10 * std::stoi(argument); ++round) {
    const auto worker = rt.serve([](int x) { return x; });
    worker.ask(1).value();
    rt.kill(worker);
    rt.join(worker);
    const int stranger = stranger_with(worker.pid());
    if (stranger == 0) continue;
    ++met;
    rt.kill(worker);
    rt.kill(worker, SIGTERM);
    rt.stop(worker, 0s);
    static_cast<void>(worker.ask(1));
    static_cast<void>(rt.join(rt.spawn([] {})));  // whatever the loop still wanted to do
    if (waitpid(stranger, nullptr, WNOHANG) != 0) {
      std::cout << "a stranger was hit" << std::endl;
      return 1;
    }
    test::end_program(stranger);
  }
  std::cout << met << std::endl;
  return 0;
}
const test::victim_role meets{"meets strangers", meet_strangers};

}  // namespace

TEST_CASE("a dead worker's handle never hits the stranger that got its pid", "[process][pid]") {
  // Not --mount-proc: it needs a root that is a mount, which a chroot's is not.
  const std::string own_proc = "mount --make-private /proc && mount -t proc proc /proc && ";
  const std::string trial = "unshare --pid --fork --mount --propagation unchanged sh -c '" +
                            own_proc + "echo 77 >/proc/sys/kernel/ns_last_pid' 2>/dev/null";
  if (std::system(trial.c_str()) != 0) {
    std::puts("SKIPPED: a pid namespace with a last pid of its own needs root");
    SUCCEED();
    return;
  }
  const std::string count = std::to_string(test::times(100, 1000));
  test::victim program{"meets strangers",
                       {count,
                        {"unshare", "--pid", "--fork", "--kill-child", "--mount", "--propagation",
                         "unchanged", "sh", "-c", own_proc + "{ \"$0\"; exit $?; }"},
                        false}};
  CHECK(program.line() == count);
  CHECK(WEXITSTATUS(program.status()) == 0);
}
