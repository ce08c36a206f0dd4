// fork start|restart: a forked process that echoes a byte.
// start: from before the fork to its first answer.
// restart: from SIGKILL to the first answer of the next one; the end is seen through a pidfd.
#include <sys/syscall.h>

#include "reference.hpp"

using namespace reference;

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

void restart() {
  std::vector<double> times;
  std::vector<double> seen;
  child c = echo();
  ask(c);
  for (int i = -5; i < times_each; ++i) {
    const int pidfd = static_cast<int>(syscall(SYS_pidfd_open, c.pid, 0));
    require(pidfd >= 0, "pidfd_open");
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
  percentiles("B7", "raw_fork", "restart_", times);
  percentiles("B7", "raw_fork", "detect_", seen);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  if (what == "start") {
    start();
  } else if (what == "restart") {
    restart();
  } else {
    return 2;
  }
}
