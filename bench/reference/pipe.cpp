// pipe spinmix|samecpu: 64 bytes to another process and back, one message outstanding.
// spinmix: reads without blocking, gives way after every fourth, sleeps after 20 us.
// samecpu: blocking reads, both ends on one core.
#include "reference.hpp"

using namespace reference;

namespace {

constexpr int warm_up = 2000;
constexpr int asks = 15000;
using message = std::array<char, 64>;

}  // namespace

int main(int argc, char** argv) {
  const std::string how = argc > 1 ? argv[1] : "";
  const bool spins = how == "spinmix";
  if (!spins && how != "samecpu") return 2;
  if (!spins) share_one_core();
  const double cpu_before = cpu_us();
  const auto receive = [spins](int fd, message& to) {
    return spins ? read_spinning(fd, to.data(), to.size()) : read_all(fd, to.data(), to.size());
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
