// fork start|restart|restart_after_asks|many: a forked process that echoes a byte.
// start: from before the fork to its first answer.
// restart: from SIGKILL to the first answer of the next one; the end is seen through a pidfd.
// restart_after_asks: the same, with 10 ms of asks before each kill.
// many: 1,000 of them, until all have answered; the memory of all.
#include <sys/syscall.h>

#include <fstream>

#include "reference.hpp"

using namespace reference;
using namespace std::chrono_literals;

namespace {

constexpr int times_each = 200;

child echo() {
  return child::forked([](int in, int out) {
    for (char c; read_all(in, &c, 1);) write_all(out, &c, 1);
  });
}

void ask(const child& c) {
  char byte = 'p';
  write_all(c.to, &byte, 1);
  require(read_all(c.from, &byte, 1) && byte == 'p', "no answer");
}

void start() {
  std::vector<double> times;
  for (int i = -10; i < times_each; ++i) {
    const auto begin = clock::now();
    const child c = echo();
    ask(c);
    const auto time = clock::now() - begin;
    c.reap();
    if (i >= 0) times.push_back(us(time));
  }
  percentiles("B4", "raw_fork", "start_", times);
}

void restart(const char* system, std::chrono::milliseconds asks) {
  std::vector<double> times;
  std::vector<double> seen;
  child c = echo();
  ask(c);
  for (int i = -5; i < times_each; ++i) {
    const int pidfd = static_cast<int>(syscall(SYS_pidfd_open, c.pid, 0));
    require(pidfd >= 0, "pidfd_open");
    for (const auto end = clock::now() + asks; clock::now() < end;) ask(c);
    const auto begin = clock::now();
    kill(c.pid, SIGKILL);
    pollfd ended{pidfd, POLLIN, 0};
    poll(&ended, 1, -1);
    const auto until_seen = clock::now() - begin;
    c.reap();
    c = echo();
    ask(c);
    const auto time = clock::now() - begin;
    close(pidfd);
    if (i < 0) continue;
    times.push_back(us(time));
    seen.push_back(us(until_seen));
  }
  c.reap();
  percentiles("B7", system, "restart_", times);
  percentiles("B7", system, "detect_", seen);
}

double pss_kib(pid_t of) {
  std::ifstream file{"/proc/" + std::to_string(of) + "/smaps_rollup"};
  for (std::string line; std::getline(file, line);)
    if (line.rfind("Pss:", 0) == 0) return std::stod(line.substr(4));
  return 0;
}

void many() {
  std::vector<child> all;
  rlimit files{8192, 8192};
  require(setrlimit(RLIMIT_NOFILE, &files) == 0, "setrlimit");
  const auto begin = clock::now();
  for (int i = 0; i < 1000; ++i) all.push_back(echo());
  char byte = 'p';
  for (const child& c : all) write_all(c.to, &byte, 1);
  for (const child& c : all) require(read_all(c.from, &byte, 1), "no answer");
  value("B8", "raw_fork_many", "start_all", us(clock::now() - begin) / 1000, "ms");
  double pss = pss_kib(getpid());
  for (const child& c : all) pss += pss_kib(c.pid);
  value("B8", "raw_fork_many", "pss_all", pss / 1024, "MiB");
  for (const child& c : all) c.reap();
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  if (what == "start") {
    start();
  } else if (what == "restart") {
    restart("raw_fork", 0ms);
  } else if (what == "restart_after_asks") {
    restart("raw_fork_after_asks", 10ms);
  } else if (what == "many") {
    many();
  } else {
    return 2;
  }
}
