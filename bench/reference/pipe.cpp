// pipe spinmix|samecpu: 64 bytes to another process and back, one message outstanding.
// spinmix: reads without blocking, gives way after every fourth, sleeps after 20 us.
// samecpu: blocking reads, both ends on one core.
#include "reference.hpp"

using namespace reference;

namespace {

constexpr int warm_up = 2000;
constexpr int asks = 15000;
constexpr std::chrono::microseconds spin_limit{20};
using message = std::array<char, 64>;

/// A write of 64 bytes to a pipe is atomic, so one read gets all of it.
bool read_spinning(int fd, message& to) {
  clock::time_point start{};
  for (unsigned turn = 1;; ++turn) {
    const ssize_t got = read(fd, to.data(), to.size());
    if (got >= 0) return static_cast<std::size_t>(got) == to.size();
    require(errno == EAGAIN, "read");
    if (turn % 4 == 0) {
      sched_yield();
    } else {
      __builtin_ia32_pause();
    }
    if (turn % 8 != 0) continue;
    const auto now = clock::now();
    if (start == clock::time_point{}) {
      start = now;
    } else if (now - start > spin_limit) {
      pollfd readable{fd, POLLIN, 0};
      poll(&readable, 1, -1);
      start = {};
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string how = argc > 1 ? argv[1] : "";
  const bool spins = how == "spinmix";
  if (!spins && how != "samecpu") return 2;
  if (!spins) share_one_core();
  const double cpu_before = cpu_us();
  const auto receive = [spins](int fd, message& to) {
    return spins ? read_spinning(fd, to) : read_all(fd, to.data(), to.size());
  };
  const child echo = child::forked([&](int in, int out) {
    if (spins) non_blocking(in);
    for (message m; receive(in, m);) write_all(out, m.data(), m.size());
  });
  if (spins) non_blocking(echo.from);
  message question;
  question.fill('x');
  message answer{};
  std::vector<double> times;
  for (int i = 0; i < warm_up + asks; ++i) {
    std::memcpy(question.data(), &i, sizeof i);
    const auto begin = clock::now();
    write_all(echo.to, question.data(), question.size());
    require(receive(echo.from, answer), "no answer");
    const auto time = clock::now() - begin;
    require(answer == question, "a wrong echo");
    if (i >= warm_up) times.push_back(us(time));
  }
  echo.reap();
  const char* system = spins ? "pipe_spinmix" : "pipe_samecpu";
  percentiles("B1", system, "", times);
  value("B1", system, "cpu_per_op", (cpu_us() - cpu_before) / (warm_up + asks), "us");
}
