// B5: squares by a pool of two workers that have come up before. B6: tasks of some milliseconds by
// a worker for each CPU, beside processes that only compute.
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <numeric>

#include "bench.hpp"

namespace bench {

namespace {

constexpr std::size_t workers = 2;

std::int64_t square(std::int64_t x) {
  return x * x;
}

std::size_t ready(const troupe::pool& pool) {
  const auto now = pool.workers();
  return static_cast<std::size_t>(
      std::count_if(now.begin(), now.end(), [](const auto& w) { return w.ready; }));
}

/// `chunk_size` 0: as the pool chooses. The memory for results was used before, as the reference's
/// was: malloc keeps pieces of that size from the second on.
void map(troupe::runtime& rt, report& out, std::int64_t count, std::size_t chunk_size,
         unsigned prefetch = 1) {
  troupe::pool_options workers_of{workers};
  workers_of.prefetch = prefetch;
  auto pool = rt.pool(workers_of);
  while (ready(pool) < workers) pool.map(&square, {1, 2, 3, 4});
  std::vector<std::int64_t> items(static_cast<std::size_t>(count));
  std::iota(items.begin(), items.end(), 0);
  troupe::map_options how;
  how.chunk_size = chunk_size;
  for (int before = 0; before < 3; ++before) static_cast<void>(pool.map(&square, items, how));
  const auto begin = clock::now();
  const auto results = pool.map(&square, items, how);
  const duration<double, std::micro> time = clock::now() - begin;
  require(results.size() == items.size(), "results are missing");
  for (std::size_t i = 0; i < items.size(); ++i)
    require(results[i].value() == items[i] * items[i], "a wrong result");
  out.value("wall", time.count() / 1e3, "ms");
  out.value("per_task", time.count() / static_cast<double>(count), "us");
}

/// Calls that all wait at once, each an object of its own.
void submit(troupe::runtime& rt, report& out) {
  constexpr std::int64_t count = 100'000;
  auto pool = rt.pool(workers);
  while (ready(pool) < workers) pool.map(&square, {1, 2, 3, 4});
  const auto begin = clock::now();
  std::vector<troupe::task<std::int64_t>> calls;
  for (std::int64_t i = 0; i < count; ++i) calls.push_back(pool.submit(&square, i));
  for (std::int64_t i = 0; i < count; ++i)
    require(calls[static_cast<std::size_t>(i)].get().value() == i * i, "a wrong result");
  const duration<double, std::micro> time = clock::now() - begin;
  out.value("per_task", time.count() / static_cast<double>(count), "us");
}

/// Something that takes CPU time and nothing else.
std::uint64_t burn(std::uint64_t rounds) {
  std::uint64_t x = rounds;
  for (std::uint64_t i = 0; i < rounds; ++i) x = x * 6364136223846793005U + 1442695040888963407U;
  return x;
}

/// Rounds of `burn` that take a millisecond here, at the machine's best.
std::uint64_t rounds_a_millisecond() {
  constexpr std::uint64_t tried = 200'000;
  double best = 1e9;
  for (int i = 0; i < 30; ++i) {
    const auto begin = clock::now();
    require(burn(tried) != 0, "nothing was computed");
    best = std::min(best, duration<double, std::milli>(clock::now() - begin).count());
  }
  return static_cast<std::uint64_t>(static_cast<double>(tried) / best);
}

/// The limit: each core has a process of its own that says nothing to anybody.
double alone_on_each_core(std::uint64_t rounds, int tasks, std::size_t processes) {
  std::vector<pid_t> pids;
  int gate[2];
  require(pipe(gate) == 0, "no pipe");
  for (std::size_t core = 0; core < processes; ++core) {
    const pid_t pid = fork();
    require(pid >= 0, "no process");
    if (pid == 0) {
      cpu_set_t own;
      CPU_ZERO(&own);
      CPU_SET(core, &own);
      sched_setaffinity(0, sizeof own, &own);
      close(gate[1]);
      char byte = 0;
      static_cast<void>(!read(gate[0], &byte, 1));
      for (int i = 0; i < tasks / static_cast<int>(processes); ++i)
        if (burn(rounds) == 0) _exit(1);
      _exit(0);
    }
    pids.push_back(pid);
  }
  usleep(20'000);
  const auto begin = clock::now();
  close(gate[1]);
  for (const pid_t pid : pids) waitpid(pid, nullptr, 0);
  close(gate[0]);
  return duration<double, std::milli>(clock::now() - begin).count();
}

double in_pool(troupe::pool& pool, std::uint64_t rounds, int tasks) {
  const std::vector<std::uint64_t> items(static_cast<std::size_t>(tasks), rounds);
  const auto begin = clock::now();
  for (const auto& r : pool.map(&burn, items)) require(r.has_value(), "a task failed");
  return duration<double, std::milli>(clock::now() - begin).count();
}

/// Tasks of so many milliseconds by as many workers as there are CPUs, at most 16.
void scale(troupe::runtime& rt, report& out, std::uint64_t milliseconds, int tasks) {
  const std::uint64_t rounds = rounds_a_millisecond() * milliseconds;
  double one = 0;
  {
    auto single = rt.pool(1);
    in_pool(single, rounds, 4);
    one = in_pool(single, rounds, tasks / 4) * 4;
  }
  auto pool = rt.pool();
  const std::size_t count = std::min<std::size_t>(pool.workers().size(), 16);
  if (pool.workers().size() > count) pool.resize(count);
  while (ready(pool) < count) in_pool(pool, rounds, static_cast<int>(2 * count));
  const double wall = in_pool(pool, rounds, tasks);
  const double limit = alone_on_each_core(rounds, tasks, count);
  out.value("workers", static_cast<double>(count), "");
  out.value("wall_vs_limit", wall / limit, "x");
  out.value("speedup", one / wall, "x");
  out.value("efficiency", one / wall / static_cast<double>(count), "");
}

}  // namespace

std::vector<entry> map_entries() {
  return {{"B5", "troupe_map_auto", [](auto& rt, auto& out) { map(rt, out, 1'000'000, 0); }},
          {"B5", "troupe_map_chunk1", [](auto& rt, auto& out) { map(rt, out, 100'000, 1); }},
          {"B5", "troupe_map_window1", [](auto& rt, auto& out) { map(rt, out, 100'000, 1, 0); }},
          {"B5", "troupe_submit", submit},
          {"B6", "troupe_pool_1ms", [](auto& rt, auto& out) { scale(rt, out, 1, 2000); }},
          {"B6", "troupe_pool_10ms", [](auto& rt, auto& out) { scale(rt, out, 10, 320); }}};
}

}  // namespace bench
