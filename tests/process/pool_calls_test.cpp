// What calls of a pool give back, whatever their shape.
#include <support/catch.hpp>
#include <support/gate.hpp>
#include <support/heap.hpp>
#include <support/oracle.hpp>
#include <support/outcome.hpp>
#include <support/processes.hpp>
#include <support/runtime.hpp>

#include <unistd.h>

#include <array>
#include <map>
#include <memory>
#include <ranges>
#include <set>
#include <stdexcept>
#include <troupe/testing.hpp>

using namespace std::chrono_literals;
using test::outcome;

namespace {

std::int64_t square(std::int64_t x) {
  return x * x;
}
int product(int x, int y) {
  return x * y;
}
int throwing(int x) {
  throw std::invalid_argument{"not " + std::to_string(x)};
}
int own_pid(int) {
  return getpid();
}

troupe::pool_options two_workers(unsigned prefetch) {
  troupe::pool_options how{2};
  how.prefetch = prefetch;
  return how;
}

template <class R>
std::vector<R> values_of(const std::vector<troupe::result<R>>& results) {
  std::vector<R> values;
  for (const auto& r : results) values.push_back(r.value());
  return values;
}

}  // namespace

TEST_CASE("imap has its results in the order of the input", "[process][pool][imap]") {
  const test::oracle oracle;
  {
    auto pool = test::runtime().pool(3);
    std::size_t next = 0;
    for (const auto& r : pool.imap(square, std::views::iota(std::int64_t{0}, std::int64_t{3000}))) {
      REQUIRE(r.index == next);
      REQUIRE(r.value() == static_cast<std::int64_t>(next * next));
      ++next;
    }
    CHECK(next == 3000);
    std::string text;
    for (const auto& r : pool.imap([](const std::string& s) { return s + "!"; },
                                   std::vector<std::string>{"a", "b", "c"}))
      text += r.value();
    CHECK(text == "a!b!c!");
  }
  oracle.check();
}

TEST_CASE("starmap spreads tuples over a function's parameters", "[process][pool]") {
  const test::oracle oracle;
  {
    auto pool = test::runtime().pool(2);
    const std::vector<std::pair<int, int>> pairs{{1, 2}, {3, 4}, {5, 6}};
    CHECK(values_of(pool.starmap(product, pairs)) == std::vector<int>{2, 12, 30});
    const std::vector<std::tuple<std::string, int, char>> triples{{"ab", 2, 'c'}};
    const auto texts =
        pool.starmap([](const std::string& s, int n,
                        char c) { return s + std::string(static_cast<std::size_t>(n), c); },
                     triples);
    CHECK(texts.front().value() == "abcc");
  }
  oracle.check();
}

TEST_CASE("a generic lambda takes the items as they are", "[process][pool]") {
  const test::oracle oracle;
  {
    auto pool = test::runtime().pool(2);
    const auto twice = [](const auto& x) { return x + x; };
    CHECK(values_of(pool.map(twice, std::vector{1, 2})) == std::vector{2, 4});
    CHECK(values_of(pool.map(twice, std::vector<std::string>{"ab"})).front() == "abab");
    const std::vector<std::pair<int, std::string>> pairs{{2, "x"}, {3, "yz"}};
    const auto length = [](auto n, const auto& text) { return n * text.size(); };
    CHECK(values_of(pool.starmap(length, pairs)) == std::vector<std::size_t>{2, 6});
    for (const auto& r : pool.imap(twice, std::vector{1.5})) CHECK(r.value() == 3.0);
  }
  oracle.check();
}

TEST_CASE("a single call has its value, its error, and its process", "[process][pool][submit]") {
  const test::oracle oracle;
  {
    auto pool = test::runtime().pool(2);
    CHECK(pool.apply(product, 6, 7).value() == 42);
    CHECK(pool.apply([] { return std::string{"nothing needed"}; }).value() == "nothing needed");
    CHECK(pool.apply([](const std::string& s) { return s.size(); }, "hello").value() == 5);
    CHECK(pool.apply([](int) {}, 1).has_value());
    CHECK(troupe::describe(pool.apply(throwing, 3).error()) == "exception: not 3");
    CHECK(pool.apply(own_pid, 0).value() != getpid());
    std::vector<troupe::task<int>> tasks;
    for (int i = 0; i < 1000; ++i) tasks.push_back(pool.submit(product, i, i));
    for (int i = 999; i >= 0; --i)
      REQUIRE(tasks[static_cast<std::size_t>(i)].get().value() == i * i);
  }
  oracle.check();
}

TEST_CASE("a single call's callback comes once, after or before its result",
          "[process][pool][submit]") {
  const test::oracle oracle;
  {
    auto& rt = test::runtime();
    auto pool = rt.pool(2);
    std::vector<std::string> told;
    const auto note = [&](troupe::result<int>& r) {
      told.push_back(r ? std::to_string(r.value()) : outcome(r.error()));
    };
    const auto one = pool.apply_async(product, 2, 3).then(note);
    const auto other = pool.apply_async(throwing, 3).then(note).then(note);
    CHECK(one.get().value() == 6);
    CHECK_FALSE(other.get());
    one.then(note);
    pool.close();
    pool.join();
    while (told.size() < 4) troupe::testing::step(rt);
    CHECK(std::multiset<std::string>(told.begin(), told.end()) ==
          std::multiset<std::string>{"6", "6", "exception", "exception"});
  }
  oracle.check();
}

TEST_CASE("a callback may call the pool, and one that throws disturbs nobody",
          "[process][pool][submit]") {
  const test::oracle oracle;
  {
    auto pool = test::runtime().pool(1);
    int sum = 0;
    bool ended = false;
    pool.apply_async(product, 2, 3).then([&](troupe::result<int>& r) {
      for (const auto& x : pool.map(square, {std::int64_t{1}, std::int64_t{2}}))
        sum += static_cast<int>(x.value());
      sum += pool.apply(product, r.value(), 10).value();
      pool.apply_async(product, 1, 1).then([&](auto&) { ended = true; });
    });
    pool.apply_async(product, 1, 1).then([](auto&) { throw std::runtime_error{"on purpose"}; });
    while (!ended) REQUIRE(pool.apply(product, 5, 5).value() == 25);
    CHECK(sum == 65);
  }
  oracle.check();
}

TEST_CASE("a callback may end its pool in the middle of a map", "[process][pool][submit]") {
  const test::oracle oracle;
  {
    auto pool = std::make_unique<troupe::pool>(test::runtime().pool(2));
    test::gate gate;
    pool->apply_async(product, 1, 1).then([&](auto&) {
      gate.open();
      pool.reset();
    });
    const auto results = pool->map(test::pass, std::vector(100, gate.place()));
    REQUIRE(results.size() == 100);
    CHECK(outcome(results.back()) == "stopped");
  }
  oracle.check();
}

TEST_CASE("map_reduce folds results here and lists what failed", "[process][pool]") {
  const test::oracle oracle;
  {
    auto pool = test::runtime().pool(2);
    const auto sum = pool.map_reduce(
        [](int x) {
          if (x == 13) throw std::runtime_error{"unlucky"};
          return std::vector<int>(static_cast<std::size_t>(x), 1);
        },
        [](std::size_t& total, std::vector<int> ones) { total += ones.size(); },
        std::views::iota(0, 100), std::size_t{0});
    CHECK(sum.total == 99 * 100 / 2 - 13);
    REQUIRE(sum.failed.size() == 1);
    CHECK(sum.failed.front().first == 13);
  }
  oracle.check();
}

TEST_CASE("chunks of any size have the same results", "[process][pool][chunk]") {
  const test::oracle oracle;
  {
    auto pool = test::runtime().pool(two_workers(GENERATE(0U, 1U)));
    for (const std::size_t size : {1, 2, 7, 64, 1000, 100'000}) {
      troupe::map_options how;
      how.chunk_size = size;
      const auto results =
          pool.map(square, std::views::iota(std::int64_t{0}, std::int64_t{5000}), how);
      REQUIRE(results.size() == 5000);
      for (std::int64_t i = 0; i < 5000; ++i)
        REQUIRE(results[static_cast<std::size_t>(i)].value() == i * i);
      CHECK(pool.map(square, std::vector<std::int64_t>{}, how).empty());
    }
  }
  oracle.check();
}

TEST_CASE("items and results of any length pass", "[process][pool][chunk]") {
  const test::oracle oracle;
  {
    auto pool = test::runtime().pool(two_workers(GENERATE(0U, 1U)));
    const auto texts = std::views::iota(0, 300) | std::views::transform([](int i) {
                         return std::string(static_cast<std::size_t>(i * i), 'x');
                       });
    const auto doubled = pool.map([](const std::string& s) { return s + s; }, texts);
    for (int i = 0; i < 300; ++i)
      REQUIRE(doubled[static_cast<std::size_t>(i)].value().size() ==
              static_cast<std::size_t>(2 * i * i));
  }
  oracle.check();
}

TEST_CASE("an answer that is too large fails its item alone", "[process][pool]") {
  const test::oracle oracle;
  {
    auto pool = test::runtime().pool(1);
    const auto results = pool.map(
        [](int mib) { return std::string(static_cast<std::size_t>(mib) << 20, 'x'); }, {1, 17, 2});
    CHECK(results[0].value().size() == 1 << 20);
    CHECK(outcome(results[1]) == "too_large");
    CHECK(results[2].value().size() == 2 << 20);
  }
  oracle.check();
}

TEST_CASE("an endless input runs in bounded memory, whoever is slow", "[process][pool][imap]") {
  const test::oracle oracle;
  {
    auto& rt = test::runtime();
    auto pool = rt.pool(2);
    test::gate gate;
    std::uint64_t pulled = 0;
    auto endless =
        std::views::iota(std::int64_t{0}) | std::views::transform([&](std::int64_t x) {
          ++pulled;
          return std::pair<std::int64_t, std::string>{x, x == 0 ? gate.place() : std::string{}};
        });
    troupe::map_options how;
    how.chunk_size = 4;
    how.ahead = 100;
    auto stream = pool.imap(
        [](const std::pair<std::int64_t, std::string>& item) {
          if (item.first == 0) test::pass(item.second);  // all others wait for it
          return item.first;
        },
        endless, how);
    const auto look = rt.every(1ms, [&] {
      if (stream.unread().items >= 96) gate.open();  // all but its own chunk
    });
    auto at = stream.begin();
    CHECK(at->value() == 0);
    CHECK(pulled <= 108);
    for (std::int64_t i = 1; i < 1000; ++i) {
      ++at;
      REQUIRE(at->value() == i);
      REQUIRE(pulled <= static_cast<std::uint64_t>(i) + 108);
    }
  }
  oracle.check();
}

TEST_CASE("results that nobody reads stay within their bytes", "[process][pool][imap]") {
  const test::oracle oracle;
  {
    auto& rt = test::runtime();
    auto pool = rt.pool(2);
    constexpr std::uint64_t mib = 1 << 20;
    troupe::map_options how;
    how.ahead_bytes = 8 * mib;
    test::gate gate;
    const auto items = std::views::iota(0) | std::views::transform([&](int i) {
                         return std::pair<int, std::string>{i, gate.place()};
                       });
    auto stream = pool.imap(
        [](const std::pair<int, std::string>& item) {
          if (item.first == 0) test::pass(item.second);  // all others wait for it
          return std::string(mib, 'x');
        },
        items, how);
    std::uint64_t most = 0;
    const auto look = rt.every(1ms, [&] {
      most = std::max(most, stream.unread().bytes);
      if (stream.unread().items >= 6) gate.open();  // with the first one more would be too many
    });
    int read = 0;
    for (const auto& r : stream) {
      REQUIRE(r.value().size() == mib);
      if (++read == 40) break;
    }
    CHECK(most >= 6 * mib);
    CHECK(most <= how.ahead_bytes);
  }
  oracle.check();
}

TEST_CASE("items that wait to be tried again count as pulled", "[process][pool][imap]") {
  const test::oracle oracle;
  {
    auto pool = test::runtime().pool(2);
    std::uint64_t pulled = 0;
    auto endless = std::views::iota(0) | std::views::transform([&](int x) {
                     ++pulled;
                     return x;
                   });
    troupe::map_options how;
    how.ahead = 50;
    auto stream = pool.imap_unordered(
        [](int x) {
          if (x != 49) throw troupe::snooze{1h};
          return x;
        },
        endless, how);
    CHECK(stream.begin()->value() == 49);
    CHECK(pulled == 50);
  }
  oracle.check();
}

TEST_CASE("urgent items go before those that wait", "[process][pool]") {
  const test::oracle oracle;
  {
    auto pool = test::runtime().pool(1);
    troupe::map_options slow;
    slow.chunk_size = 1;
    troupe::map_options urgent;
    urgent.urgent = true;
    std::vector<char> order;
    std::vector<troupe::task<int>> tasks;
    test::gate gate;
    const auto wait = [](const std::string& place) {
      test::pass(place);
      return 0;
    };
    for (int i = 0; i < 20; ++i)
      tasks.push_back(
          pool.submit(slow, wait, gate.place()).then([&](auto&) { order.push_back('n'); }));
    tasks.push_back(
        pool.submit(urgent, wait, gate.place()).then([&](auto&) { order.push_back('u'); }));
    gate.open();
    while (order.size() < 21) {
      for (const auto& t : tasks) t.get();
      troupe::testing::step(test::runtime());
    }
    const auto place = std::find(order.begin(), order.end(), 'u') - order.begin();
    CHECK(place <= 3);  // behind what the worker held already
  }
  oracle.check();
}

TEST_CASE("items with the same key go to the same worker", "[process][pool][keyed]") {
  const test::oracle oracle;
  {
    auto pool = test::runtime().pool(3);
    std::vector<troupe::keyed<int>> items;
    for (int i = 0; i < 3000; ++i) items.push_back({static_cast<std::uint64_t>(i % 7), i});
    const auto pids = pool.map(own_pid, items);
    REQUIRE(pids.size() == 3000);
    std::map<int, int> worker_of;
    for (int i = 0; i < 3000; ++i) {
      const int pid = pids[static_cast<std::size_t>(i)].value();
      REQUIRE(worker_of.emplace(i % 7, pid).first->second == pid);
    }
    std::set<int> used;
    for (const auto& [key, pid] : worker_of) used.insert(pid);
    CHECK(used.size() == 3);
  }
  oracle.check();
}

TEST_CASE("a pool's report accounts for its time", "[process][pool][report]") {
  const test::oracle oracle;
  {
    auto pool = test::runtime().pool(2);
    const auto results = pool.map(
        [](int x) {
          using clock = std::chrono::steady_clock;
          for (const auto begin = clock::now(); clock::now() - begin < 1ms;) continue;
          return x;
        },
        std::views::iota(0, 100));
    REQUIRE(results.size() == 100);
    const auto report = pool.report();
    CHECK(report.progress.done == 100);
    CHECK(report.progress.total == 100);
    CHECK(report.compute >= 100ms);
    CHECK(report.wall >= 50ms);
    CHECK(report.chunks > 10);
    CHECK(report.queue > 0ns);
    CHECK(report.encode > 0ns);
    CHECK(report.decode > 0ns);
    for (const char* part : {"100 done", "compute ", "idle ", "encode ", "an item queued for ",
                             "first worker up after ", " chunks, the last of "})
      CHECK(test::contains(report.text(), part));
    CHECK(test::contains(report.text(), report.advice()));
    // Of all calls, whatever came between.
    CHECK(pool.apply([] { return 1; }).value() == 1);
    CHECK(pool.progress().done == 1);
    CHECK(pool.totals().done == 101);
  }
  oracle.check();
}

TEST_CASE("a pool's report has the time of short items, though none waits",
          "[process][pool][report]") {
  const test::oracle oracle;
  {
    auto pool = test::runtime().pool(two_workers(0));
    troupe::map_options how;
    how.chunk_size = 1;
    const auto results = pool.map(
        [](int x) {
          using clock = std::chrono::steady_clock;
          for (const auto begin = clock::now(); clock::now() - begin < 4us;) continue;
          return x;
        },
        std::views::iota(0, 5000), how);
    REQUIRE(results.size() == 5000);
    CHECK(pool.report().compute >= 20ms);
    CHECK(pool.report().chunks == 5000);
  }
  oracle.check();
}

TEST_CASE("numbers and rows of numbers come back whole, errors among them",
          "[process][pool][chunk]") {
  using row = std::array<double, 3>;
  const test::oracle oracle;
  {
    auto pool = test::runtime().pool(two_workers(GENERATE(0U, 1U)));
    std::vector<row> rows;
    for (int i = 0; i < 20'000; ++i) rows.push_back({1.0 * i, 2.0 * i, 3.0 * i});
    const auto turned = [](const row& r) {
      if (static_cast<int>(r[0]) % 1000 == 7) throw std::runtime_error{"unlucky"};
      return row{r[2], r[1], r[0]};
    };
    for (const std::size_t size : {0, 3, 5000}) {
      troupe::map_options how;
      how.chunk_size = size;
      const auto results = pool.map(turned, rows, how);
      REQUIRE(results.size() == rows.size());
      for (std::size_t i = 0; i < rows.size(); ++i) {
        if (i % 1000 == 7) {
          REQUIRE(outcome(results[i]) == "exception");
        } else {
          REQUIRE(results[i].value() == row{rows[i][2], rows[i][1], rows[i][0]});
        }
      }
    }
    const auto long_row = pool.apply([] { return std::array<char, 10'000>{'x'}; });
    CHECK(long_row.value()[0] == 'x');
  }
  oracle.check();
}
