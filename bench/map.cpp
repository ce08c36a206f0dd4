// B5: squares by a pool of two workers that have come up before.
#include "bench.hpp"

#include <algorithm>
#include <numeric>

namespace bench {

namespace {

constexpr std::size_t workers = 2;

std::int64_t square(std::int64_t x) {
  return x * x;
}

void map(troupe::runtime& rt, report& out, std::int64_t count) {
  auto pool = rt.pool(workers);
  const auto all_up = [&] {
    const auto now = pool.workers();
    return std::all_of(now.begin(), now.end(), [](const auto& w) { return w.ready; });
  };
  while (!all_up()) pool.map(&square, {1, 2, 3, 4});
  std::vector<std::int64_t> items(static_cast<std::size_t>(count));
  std::iota(items.begin(), items.end(), 0);
  const auto begin = clock::now();
  const auto results = pool.map(&square, items);
  const duration<double, std::micro> time = clock::now() - begin;
  require(results.size() == items.size(), "results are missing");
  for (std::size_t i = 0; i < items.size(); ++i)
    require(results[i].value() == items[i] * items[i], "a wrong result");
  out.value("wall", time.count() / 1e3, "ms");
  out.value("per_task", time.count() / static_cast<double>(count), "us");
}

}  // namespace

std::vector<entry> map_entries() {
  return {{"B5", "troupe_map_auto", [](auto& rt, auto& out) { map(rt, out, 1'000'000); }},
          {"B5", "troupe_map_chunk1", [](auto& rt, auto& out) { map(rt, out, 100'000); }}};
}

}  // namespace bench
