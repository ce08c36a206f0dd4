// What users do to pools by mistake: it ends, with a sentence or with the right results.
#include <support/catch.hpp>
#include <support/oracle.hpp>
#include <support/outcome.hpp>
#include <support/processes.hpp>
#include <support/runtime.hpp>

#include <unistd.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <ranges>
#include <thread>

using namespace std::chrono_literals;
using test::contains;
using test::outcome;

namespace {

int twice(int x) {
  return 2 * x;
}

int slowly(int x) {
  std::this_thread::sleep_for(8ms);
  return 2 * x;
}

int hang_at_3(int x) {
  if (x == 3)
    for (;;) pause();
  return x;
}

int fork_at_2(int x) {
  if (x == 2) fork();  // and both go on
  return x;
}

int later(int x) {
  static bool asked = false;
  if (!std::exchange(asked, true)) throw troupe::retry_after{-1ms};
  return x;
}

struct tree {
  std::vector<tree> below;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, tree& t) {
  return f(t.below);
}

tree chain(int depth) {
  tree whole;
  tree* at = &whole;
  for (int i = 0; i < depth; ++i) at = &at->below.emplace_back();
  return whole;
}

/// What a call throws.
template <class Call>
std::string refusal(Call call) {
  try {
    call();
    return "nothing";
  } catch (const std::exception& e) {
    return e.what();
  }
}

troupe::map_options one_by_one() {
  troupe::map_options how;
  how.chunk_size = 1;
  return how;
}

}  // namespace

TEST_CASE("an input that waits for another process harms no pool that shrinks meanwhile",
          "[process][pool]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  {
    troupe::pool_options how{4};
    how.least_workers = 1;
    how.idle_timeout = 10ms;
    auto pool = rt.pool(how);
    const auto other = rt.serve(slowly);
    const auto input = std::views::iota(0, 100) | std::views::transform([&](int x) {
                         return x % 20 < 16 ? x : other.ask(x).value() / 2;
                       });
    const auto results = pool.map(slowly, input, one_by_one());
    for (int i = 0; i < 100; ++i) CHECK(results[static_cast<std::size_t>(i)].value() == 2 * i);
    rt.stop(other);
  }
  oracle.check();
}

TEST_CASE("an input that waits for its own pool is refused", "[process][pool]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  {
    auto pool = rt.pool(2);
    const auto asking = std::views::iota(0, 10) |
                        std::views::transform([&](int x) { return pool.apply(twice, x).value(); });
    CHECK(contains(refusal([&] { pool.map(twice, asking); }), "give it another pool"));
    CHECK(contains(refusal([&] {
                     auto inner = pool.imap(twice, std::views::iota(0, 100));
                     const auto values = inner | std::views::transform([](auto& r) { return *r; });
                     for (auto& r : pool.imap(twice, values)) static_cast<void>(r);
                   }),
                   "give it another pool"));
    CHECK(pool.apply(twice, 4).value() == 8);
  }
  oracle.check();
}

TEST_CASE("keyed items of a place that goes find another", "[process][pool][keyed]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  {
    auto pool = rt.pool(4);
    std::vector<troupe::keyed<int>> items;
    for (int i = 0; i < 100; ++i) items.push_back({3, i});
    const auto smaller = rt.every(20ms, [&] { pool.resize(2); });
    const auto results = pool.map(slowly, items);
    for (int i = 0; i < 100; ++i) CHECK(results[static_cast<std::size_t>(i)].value() == 2 * i);
    CHECK(pool.workers().size() == 2);
  }
  oracle.check();
}

TEST_CASE("an item that is cancelled before it is pulled keeps no other waiting",
          "[process][pool]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  {
    auto pool = rt.pool(2);
    auto how = one_by_one();
    how.ahead = 2;
    auto stream = pool.imap(twice, std::views::iota(0, 100), how);
    CHECK(stream.cancel(50));
    CHECK(stream.cancel(51));
    CHECK_FALSE(stream.cancel(51));
    CHECK_FALSE(stream.cancel(100));  // there is none
    std::size_t count = 0;
    for (auto& r : stream) {
      CHECK(r.index == count++);
      CHECK(outcome(r) == (r.index == 50 || r.index == 51 ? "cancelled" : "value"));
    }
    CHECK(count == 100);
  }
  oracle.check();
}

TEST_CASE("a stream that is dropped while an item hangs blocks no worker for long",
          "[process][pool]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  {
    auto pool = rt.pool(1);
    {
      auto how = one_by_one();
      how.kill_grace = 10ms;
      auto stream = pool.imap(hang_at_3, std::views::iota(0), how);
      for (auto& r : stream)
        if (r.index == 2) break;
    }
    CHECK(pool.apply(twice, 4).value() == 8);
  }
  oracle.check();
}

TEST_CASE("a task that forks and lets both return has one outcome, and spoils no other",
          "[process][pool]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  {
    auto pool = rt.pool(1);
    const std::vector<int> items{0, 1, 2, 3, 4, 5, 6, 7};
    const auto results = pool.map(fork_at_2, items);
    for (const int x : items) CHECK(results[static_cast<std::size_t>(x)].value() == x);
    std::vector<int> many(500);
    std::iota(many.begin(), many.end(), 0);
    for (int round = 0; round < 20; ++round) {
      const auto doubled = pool.map(twice, many);
      for (const int x : many) REQUIRE(doubled[static_cast<std::size_t>(x)].value() == 2 * x);
    }
    CHECK(pool.totals().restarts == 0);
  }
  oracle.check();
}

TEST_CASE("values that are nested too deeply are refused, by those who send them",
          "[process][pool]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  {
    auto pool = rt.pool(1);
    CHECK(pool.apply(chain, 900).has_value());
    const auto deep = pool.apply(chain, 5'000);
    REQUIRE_FALSE(deep.has_value());
    CHECK(contains(rt.describe(deep.error()), "nested more than 1000 deep"));
    CHECK(pool.totals().restarts == 0);
  }
  oracle.check();
}

TEST_CASE("odd settings are refused, or mean what they say", "[process][pool]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  {
    for (const double rate : {-5.0, std::nan(""), 1e300, std::numeric_limits<double>::infinity()}) {
      troupe::pool_options how{1};
      how.items_per_second = rate;
      CHECK(contains(refusal([&] { rt.pool(how); }), "items_per_second"));
    }
    troupe::pool_options how{2};
    how.least_workers = 1;
    how.idle_timeout = troupe::no_limit;
    how.max_age = troupe::no_limit;
    auto pool = rt.pool(how);
    std::vector<int> items(100);
    std::iota(items.begin(), items.end(), 0);
    CHECK(pool.map(slowly, items).size() == 100);
    CHECK(pool.workers().size() == 2);
    CHECK(pool.totals().recycled == 0);
    CHECK(pool.apply(later, 4).value() == 4);  // a pause of less than nothing is none
  }
  oracle.check();
}
