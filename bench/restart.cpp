// B7: from SIGKILL of a worker to an answer of the one in its place.
#include "bench.hpp"

#include <algorithm>
#include <ranges>

namespace bench {

namespace {

constexpr int warm_up = 5;
constexpr int kills = 200;

int next(int x) {
  return x + 1;
}

/// A pool of one replaces its worker by itself.
void in_pool(troupe::runtime& rt, report& out) {
  auto pool = rt.pool(1);
  pool.map(&next, {0});
  samples times;
  for (int i = -warm_up; i < kills; ++i) {
    const auto victim = pool.workers().front().process;
    const int old_pid = victim.pid();
    const auto begin = clock::now();
    rt.kill(victim);
    const auto results = pool.map(&next, {i});
    const auto time = clock::now() - begin;
    require(results.size() == 1 && results[0].value() == i + 1, "a wrong answer");
    require(pool.workers().front().process.pid() != old_pid, "the killed worker answered");
    if (i >= 0) times.add(time);
  }
  times.print(out, "restart_");
}

/// The same by hand: see it end, start another, ask it.
void by_hand(troupe::runtime& rt, report& out) {
  auto worker = rt.serve(&next);
  require(worker.ask(0).has_value(), "no answer");
  samples times;
  samples seen;
  for (int i = -warm_up; i < kills; ++i) {
    const auto begin = clock::now();
    rt.kill(worker);
    const auto report = rt.join(worker);
    const auto until_seen = clock::now() - begin;
    worker = rt.serve(&next);
    const auto answer = worker.ask(i);
    const auto time = clock::now() - begin;
    require(report.cause == troupe::exit_cause::killed, "another end than the kill");
    require(answer.has_value() && answer.value() == i + 1, "a wrong answer");
    if (i < 0) continue;
    times.add(time);
    seen.add(until_seen);
  }
  times.print(out, "restart_");
  seen.print(out, "detect_");
}

constexpr int kills_of_a_pool = 100;
constexpr int items = 40;

/// A millisecond of work.
int busy(int x) {
  const auto end = clock::now() + std::chrono::milliseconds{1};
  while (clock::now() < end) {
  }
  return x + 1;
}

bool right(const std::vector<troupe::result<int>>& results) {
  for (int x = 0; x < items; ++x)
    if (results[static_cast<std::size_t>(x)].value_or(-1) != x + 1) return false;
  return results.size() == items;
}

/// One of two workers is killed while a map runs, in the middle of an item. A map is late when it
/// took longer than one that nobody disturbs, an item and 5 ms.
void during_map(troupe::runtime& rt, report& out, troupe::pool& pool) {
  const auto run = [&] {
    const auto begin = clock::now();
    const auto results = pool.map(&busy, std::views::iota(0, items));
    require(right(results), "a wrong result");
    return clock::now() - begin;
  };
  std::vector<clock::duration> undisturbed;
  for (int i = 0; i < 20; ++i) undisturbed.push_back(run());
  std::sort(undisturbed.begin(), undisturbed.end());
  const auto limit = undisturbed[10] + std::chrono::milliseconds{6};
  int wrong = 0;
  int late = 0;
  samples times;
  for (int i = 0; i < kills_of_a_pool; ++i) {
    const int fatal = 5 + i % 30;
    const auto begin = clock::now();
    const auto results =
        pool.map(&busy, std::views::iota(0, items) | std::views::transform([&](int x) {
                          if (x == fatal)  // both are at work when it is pulled
                            rt.kill(pool.workers()[static_cast<std::size_t>(i % 2)].process);
                          return x;
                        }));
    const auto time = clock::now() - begin;
    times.add(time);
    wrong += right(results) ? 0 : 1;
    late += time > limit ? 1 : 0;
  }
  out.value("map_killed_wrong", wrong, "of 100");
  out.value("map_killed_late", late, "of 100");
  times.print(out, "map_killed_");
}

/// The worker of a pool is killed while it has nothing to do, then the pool is asked.
void while_idle(troupe::runtime& rt, report& out) {
  auto pool = rt.pool(1);
  require(pool.apply(&next, 0).value() == 1, "a wrong answer");
  int wrong = 0;
  samples times;
  for (int i = 0; i < kills_of_a_pool; ++i) {
    const auto begin = clock::now();
    rt.kill(pool.workers().front().process);
    const auto answer = pool.apply(&next, i);
    times.add(clock::now() - begin);
    wrong += answer.value_or(-1) == i + 1 ? 0 : 1;
  }
  out.value("idle_killed_wrong", wrong, "of 100");
  times.print(out, "idle_killed_");
}

void killed(troupe::runtime& rt, report& out) {
  {
    auto pool = rt.pool(2);
    during_map(rt, out, pool);
  }
  while_idle(rt, out);
}

}  // namespace

std::vector<entry> restart_entries() {
  return {{"B7", "troupe_restart", in_pool},
          {"B7", "troupe_restart_by_hand", by_hand},
          {"B7", "troupe_pool_killed", killed}};
}

}  // namespace bench
