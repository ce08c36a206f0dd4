// 100,000 squares by two forked processes that have one task each, 16 bytes a message. Everybody
// reads without blocking and gives way when there is nothing.
#include "reference.hpp"

using namespace reference;

namespace {

struct task {
  std::uint64_t index = 0;
  std::int64_t item = 0;
};

void square_each(int in, int out) {
  non_blocking(in);
  for (task t; read_spinning(in, &t, sizeof t);) {
    t.item *= t.item;
    write_all(out, &t, sizeof t);
  }
}

}  // namespace

int main() {
  constexpr std::size_t tasks = 100'000;
  std::array<child, 2> pool;
  for (auto& w : pool) {
    w = child::forked(square_each);
    non_blocking(w.from);
  }
  std::vector<std::int64_t> results(tasks, -1);
  std::size_t next = 0;
  std::size_t done = 0;
  const auto feed = [&](const child& w) {
    if (next == tasks) return;
    const task t{next, static_cast<std::int64_t>(next)};
    ++next;
    write_all(w.to, &t, sizeof t);
  };
  const auto begin = clock::now();
  for (const auto& w : pool) feed(w);
  for (unsigned turn = 1; done < tasks; ++turn) {
    bool any = false;
    for (const auto& w : pool) {
      task t;
      const ssize_t got = read(w.from, &t, sizeof t);
      require(got == sizeof t || (got < 0 && errno == EAGAIN), "a process ended");
      if (got < 0) continue;
      any = true;
      results[t.index] = t.item;
      ++done;
      feed(w);
    }
    if (!any && turn % 4 == 0) sched_yield();
  }
  const double time = us(clock::now() - begin);
  for (std::size_t i = 0; i < tasks; ++i)
    require(results[i] == static_cast<std::int64_t>(i * i), "a wrong result");
  for (const auto& w : pool) w.reap();
  value("B5", "raw_fork_chunk1_spin", "wall", time / 1e3, "ms");
  value("B5", "raw_fork_chunk1_spin", "per_task", time / static_cast<double>(tasks), "us");
}
