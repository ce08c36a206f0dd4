// B7: from SIGKILL of a worker to an answer of the one in its place.
#include "bench.hpp"

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

/// One of two workers is killed while a map runs; counts the maps whose results are not all right.
void during_map(troupe::runtime& rt, report& out) {
  constexpr int maps = 100;
  constexpr int items = 4000;
  auto pool = rt.pool(2);
  int wrong = 0;
  std::uint64_t restarts = 0;
  samples times;
  for (int i = 0; i < maps; ++i) {
    const int fatal = 1000 + 20 * i;
    const auto begin = clock::now();
    const auto results =
        pool.map(&next, std::views::iota(0, items) | std::views::transform([&](int x) {
                          if (x == fatal)
                            rt.kill(pool.workers()[static_cast<std::size_t>(i % 2)].process);
                          return x;
                        }));
    times.add(clock::now() - begin);
    restarts += pool.progress().restarts;
    bool right = results.size() == static_cast<std::size_t>(items);
    for (int x = 0; right && x < items; ++x) {
      const auto& r = results[static_cast<std::size_t>(x)];
      right = r.has_value() && r.value() == x + 1;
    }
    if (!right) ++wrong;
  }
  out.value("map_killed_wrong", wrong, "of 100");
  out.value("restarts", static_cast<double>(restarts), "of 100");
  times.print(out, "map_killed_");
}

}  // namespace

std::vector<entry> restart_entries() {
  return {{"B7", "troupe_restart", in_pool},
          {"B7", "troupe_restart_by_hand", by_hand},
          {"B7", "troupe_pool_killed", during_map}};
}

}  // namespace bench
