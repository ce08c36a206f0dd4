#include <support/catch.hpp>
#include <support/ledger.hpp>
#include <support/oracle.hpp>
#include <support/outcome.hpp>
#include <support/processes.hpp>
#include <support/runtime.hpp>
#include <support/settings.hpp>

#include <schemas/shapes.capnp.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <iterator>
#include <map>
#include <ranges>
#include <set>
#include <stdexcept>

using namespace std::chrono_literals;
using test::outcome;
using troupe::exit_cause;

namespace {

std::int64_t square(std::int64_t x) {
  return x * x;
}

using noted_item = std::pair<std::string, std::uint64_t>;

std::uint64_t noted(const noted_item& item) {
  test::note(item.first, item.second);
  return item.second + 1;
}

/// Ends its worker at one item.
std::uint64_t poisoned(const noted_item& item) {
  test::note(item.first, item.second);
  if (item.second == 7) abort();
  return item.second;
}

std::vector<noted_item> noted_items(const test::ledger& ledger, std::uint64_t count) {
  std::vector<noted_item> items;
  for (std::uint64_t i = 0; i < count; ++i) items.emplace_back(ledger.place(), i);
  return items;
}

/// An input that throws at its n-th item.
struct throwing_input {
  struct iterator {
    using iterator_concept = std::input_iterator_tag;
    using difference_type = std::ptrdiff_t;
    using value_type = int;
    int at = 0;
    int operator*() const {
      if (at == 50) throw std::runtime_error{"the input broke"};
      return at;
    }
    iterator& operator++() {
      ++at;
      return *this;
    }
    void operator++(int) { ++at; }
    bool operator==(std::default_sentinel_t) const { return at == 100; }
  };
  iterator begin() const { return {}; }
  std::default_sentinel_t end() const { return {}; }
};

}  // namespace

TEST_CASE("map has its results in the order of the input", "[process][pool]") {
  const test::oracle oracle;
  {
    auto pool = test::runtime().pool(3);
    for (const std::int64_t count : {0, 1, 2, 3, 10, 20'000}) {
      const auto results = pool.map(square, std::views::iota(std::int64_t{0}, count));
      REQUIRE(results.size() == static_cast<std::size_t>(count));
      for (std::int64_t i = 0; i < count; ++i)
        REQUIRE(results[static_cast<std::size_t>(i)].value() == i * i);
      CHECK(pool.progress().done == static_cast<std::uint64_t>(count));
    }
    CHECK(pool.progress().restarts == 0);
  }
  oracle.check();
}

TEST_CASE("map takes schema messages, large items and other ranges", "[process][pool]") {
  const test::oracle oracle;
  {
    auto pool = test::runtime().pool(2);
    std::vector<troupe::msg<test::Point>> points;
    for (int i = 0; i < 100; ++i)
      points.push_back(troupe::make<test::Point>([&](auto p) { p.setX(i); }));
    const auto xs = pool.map([](const troupe::msg<test::Point>& p) { return p->getX(); }, points);
    for (int i = 0; i < 100; ++i) REQUIRE(xs[static_cast<std::size_t>(i)].value() == i);
    const auto lengths = pool.map([](const std::string& s) { return s.size(); },
                                  std::vector<std::string>(8, std::string(2 << 20, 'x')));
    for (const auto& length : lengths) REQUIRE(length.value() == 2 << 20);
    const auto longer =
        pool.map([](int size) { return std::string(static_cast<std::size_t>(size), 'y'); },
                 std::set<int>{1, 3'000'000});
    REQUIRE(longer[1].value().size() == 3'000'000);
  }
  oracle.check();
}

TEST_CASE("an exception is the result of its item alone", "[process][pool]") {
  const test::oracle oracle;
  {
    auto pool = test::runtime().pool(2);
    const auto results = pool.map(
        [](int x) {
          if (x % 10 == 3) throw std::invalid_argument{"not " + std::to_string(x)};
          return x;
        },
        std::views::iota(0, 100));
    for (int i = 0; i < 100; ++i) {
      const auto& r = results[static_cast<std::size_t>(i)];
      if (i % 10 == 3) {
        CHECK(troupe::describe(r.error()) == "exception: not " + std::to_string(i));
      } else {
        CHECK(r.value() == i);
      }
    }
    CHECK(pool.progress().failed == 10);
    CHECK(pool.progress().restarts == 0);
  }
  oracle.check();
}

TEST_CASE("a worker killed in the middle of a map costs no result", "[process][pool][crash]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  for (int round = 0; round < 100; ++round) {
    const test::ledger ledger;
    auto pool = rt.pool(2);
    const auto items = noted_items(ledger, 300);
    const auto wait = std::chrono::microseconds{100 + test::random_up_to(600)};
    const auto killer = rt.every(wait, [&, killed = false]() mutable {
      if (std::exchange(killed, true)) return;
      const auto workers = pool.workers();
      rt.kill(workers[test::random_up_to(1)].process);
    });
    const auto results = pool.map(noted, items);
    REQUIRE(results.size() == 300);
    for (std::uint64_t i = 0; i < 300; ++i) REQUIRE(results[i].value() == i + 1);
    int again = 0;
    for (const auto& [item, times] : ledger.notes()) again += times - 1;
    REQUIRE(ledger.notes().size() == 300);
    REQUIRE(again <= 1);  // only the item in progress may have been begun twice
  }
  oracle.check();
}

TEST_CASE("an item that kills whoever runs it is lost after three attempts, the others are not",
          "[process][pool][crash]") {
  const test::oracle oracle;
  {
    const test::ledger ledger;
    auto pool = test::runtime().pool(2);
    const auto results = pool.map(poisoned, noted_items(ledger, 1000));
    for (std::uint64_t i = 0; i < 1000; ++i)
      if (i != 7) REQUIRE(results[i].value() == i);
    REQUIRE(outcome(results[7]) == "worker_lost");
    CHECK(test::contains(troupe::describe(results[7].error()), "attempt 3 of 3"));
    CHECK(test::contains(troupe::describe(results[7].error()), "while it worked on item 7;"));
    CHECK(troupe::report_of(results[7].error())->signal == SIGABRT);
    const auto notes = ledger.notes();
    CHECK(notes.at(7) == 3);
    for (const auto& [item, times] : notes)
      if (item != 7) REQUIRE(times == 1);
    CHECK(pool.progress().done == 999);
    CHECK(pool.progress().failed == 1);
    CHECK(pool.progress().retried == 2);
    CHECK(pool.progress().restarts == 3);
    const auto given_up = pool.quarantine();
    REQUIRE(given_up.size() == 1);
    CHECK(given_up[0].index == 7);
    REQUIRE(given_up[0].reports.size() == 3);
    for (const auto& report : given_up[0].reports) CHECK(report->signal == SIGABRT);
  }
  oracle.check();
}

TEST_CASE("with one attempt an item that kills its worker is never begun again",
          "[process][pool][crash]") {
  const test::oracle oracle;
  {
    const test::ledger ledger;
    auto pool = test::runtime().pool(2);
    pool.attempts(1);
    const auto results = pool.map(poisoned, noted_items(ledger, 100));
    CHECK(outcome(results[7]) == "worker_lost");
    CHECK(ledger.notes().at(7) == 1);
    CHECK(ledger.notes().size() == 100);
    CHECK(pool.progress().restarts == 1);
  }
  oracle.check();
}

TEST_CASE("an exit in the middle of an item counts as its death", "[process][pool][crash]") {
  const test::oracle oracle;
  {
    auto pool = test::runtime().pool(2);
    const auto results = pool.map(
        [](int x) {
          if (x == 3) _exit(0);
          return x;
        },
        std::views::iota(0, 50));
    CHECK(outcome(results[3]) == "worker_lost");
    CHECK(results[4].value() == 4);
  }
  oracle.check();
}

TEST_CASE("imap_unordered yields each item once, with its index", "[process][pool][imap]") {
  const test::oracle oracle;
  {
    auto pool = test::runtime().pool(3);
    std::map<std::size_t, std::int64_t> seen;
    for (const auto& r : pool.imap_unordered(square, std::views::iota(std::int64_t{0}, 1000)))
      REQUIRE(seen.emplace(r.index, r.value()).second);
    REQUIRE(seen.size() == 1000);
    for (const auto& [index, value] : seen)
      REQUIRE(value == static_cast<std::int64_t>(index * index));
  }
  oracle.check();
}

TEST_CASE("imap_unordered pulls an endless input only as far as it needs",
          "[process][pool][imap]") {
  const test::oracle oracle;
  {
    auto pool = test::runtime().pool(2);
    std::uint64_t pulled = 0;
    auto endless = std::views::iota(std::int64_t{0}) | std::views::transform([&](std::int64_t x) {
                     ++pulled;
                     return x;
                   });
    troupe::map_options how;
    how.ahead = 1000;
    std::uint64_t seen = 0;
    for (const auto& r : pool.imap_unordered(square, endless, how)) {
      REQUIRE(r.value() == static_cast<std::int64_t>(r.index * r.index));
      REQUIRE(pulled >= ++seen);
      REQUIRE(pulled <= seen + 1000);
      if (seen == 10'000) break;
    }
    // What was abandoned does not disturb the next call.
    const auto results = pool.map(square, std::views::iota(std::int64_t{0}, std::int64_t{50}));
    for (std::int64_t i = 0; i < 50; ++i)
      REQUIRE(results[static_cast<std::size_t>(i)].value() == i * i);
  }
  oracle.check();
}

TEST_CASE("imap_unordered survives deaths while its results are read",
          "[process][pool][imap][crash]") {
  const test::oracle oracle;
  {
    auto& rt = test::runtime();
    auto pool = rt.pool(2);
    std::set<std::size_t> seen;
    for (const auto& r :
         pool.imap_unordered(square, std::views::iota(std::int64_t{0}, std::int64_t{500}))) {
      REQUIRE(r.value() == static_cast<std::int64_t>(r.index * r.index));
      REQUIRE(seen.insert(r.index).second);
      if (seen.size() % 100 == 50) rt.kill(pool.workers()[seen.size() % 2].process);
    }
    CHECK(seen.size() == 500);
  }
  oracle.check();
}

TEST_CASE("calls of one pool take turns", "[process][pool][imap]") {
  const test::oracle oracle;
  {
    auto pool = test::runtime().pool(1);
    auto stream = pool.imap_unordered(square, std::views::iota(std::int64_t{0}));
    auto reader = stream.begin();
    const auto single = pool.submit(square, 7);
    CHECK(pool.map(square, {std::int64_t{3}}).front().value() == 9);
    CHECK(single.get().value() == 49);
    for (int i = 0; i < 100; ++i, ++reader)
      CHECK(reader->value() == static_cast<std::int64_t>(reader->index * reader->index));
  }
  oracle.check();
}

TEST_CASE("many streams are read side by side", "[process][pool][imap]") {
  const test::oracle oracle;
  {
    auto pool = test::runtime().pool(2);
    for (const std::size_t ahead : {1, 3, 100}) {
      troupe::map_options how;
      how.ahead = ahead;
      std::vector<troupe::result_stream<std::int64_t>> streams;
      for (int i = 0; i < 50; ++i)
        streams.push_back(
            pool.imap(square, std::views::iota(std::int64_t{0}, std::int64_t{20}), how));
      for (std::int64_t x = 0; x < 20; ++x)
        for (auto& stream : streams) REQUIRE(stream.next(10s)->value() == x * x);
      CHECK(pool.apply(square, std::int64_t{5}).value() == 25);
      for (auto& stream : streams) CHECK_FALSE(stream.next(10s));
      for (auto& stream : streams) CHECK(stream.ended());
    }
  }
  oracle.check();
}

TEST_CASE("an input that throws ends its map, and the pool serves the next", "[process][pool]") {
  const test::oracle oracle;
  {
    auto pool = test::runtime().pool(2);
    const auto same = [](int x) { return x; };
    CHECK_THROWS_AS(pool.map(same, throwing_input{}), std::runtime_error);
    CHECK_THROWS_AS(
        [&] {
          for (const auto& r : pool.imap_unordered(same, throwing_input{})) REQUIRE(r);
        }(),
        std::runtime_error);
    CHECK(pool.map(same, {1, 2, 3}).back().value() == 3);
  }
  oracle.check();
}

TEST_CASE("an idle worker of a pool that is killed is replaced", "[process][pool][crash]") {
  const test::oracle oracle;
  {
    auto& rt = test::runtime();
    auto pool = rt.pool(2);
    REQUIRE(pool.map(square, {std::int64_t{1}, std::int64_t{2}}).size() == 2);
    for (int round = 0; round < 10; ++round) {
      for (const auto& worker : pool.workers()) rt.kill(worker.process);
      const auto results = pool.map(square, std::views::iota(std::int64_t{0}, std::int64_t{20}));
      for (std::int64_t i = 0; i < 20; ++i)
        REQUIRE(results[static_cast<std::size_t>(i)].value() == i * i);
    }
    CHECK(pool.workers().size() == 2);
  }
  oracle.check();
}

TEST_CASE("a pool says which item each worker is at", "[process][pool]") {
  const test::oracle oracle;
  {
    auto& rt = test::runtime();
    auto pool = rt.pool(2);
    pool.attempts(1);
    std::set<std::size_t> items;
    const auto look = rt.every(1ms, [&] {
      for (const auto& worker : pool.workers())
        if (worker.item) items.insert(*worker.item);
      if (items == std::set<std::size_t>{0, 1})
        for (const auto& worker : pool.workers()) rt.kill(worker.process);
    });
    const auto results = pool.map(
        [](int) {
          for (;;) pause();
        },
        {1, 2});
    CHECK(outcome(results[0]) == "worker_lost");
    CHECK(outcome(results[1]) == "worker_lost");
  }
  oracle.check();
}

TEST_CASE("a map of items too large to send fails those items only", "[process][pool]") {
  const test::oracle oracle;
  {
    auto pool = test::runtime().pool(2);
    const auto results = pool.map([](const std::string& s) { return s.size(); },
                                  {std::string(17 << 20, 'x'), std::string("y")});
    CHECK(outcome(results[0]) == "too_large");
    CHECK(results[1].value() == 1);
  }
  oracle.check();
}

TEST_CASE("a pool dropped at work leaves no worker", "[process][pool]") {
  const test::oracle oracle;
  {
    auto pool = test::runtime().pool(3);
    auto stream = pool.imap_unordered(
        [](int) {
          for (;;) pause();
        },
        std::views::iota(0));
    static_cast<void>(stream);
  }
  oracle.check();
}

TEST_CASE("a pool of nobody and a handle of nothing are refused", "[process][pool]") {
  auto& rt = test::runtime();
  CHECK_THROWS_AS(rt.pool(0), std::invalid_argument);
  CHECK_THROWS_AS(rt.join(troupe::process{}), std::invalid_argument);
  CHECK_THROWS_AS(rt.kill(troupe::process{}), std::invalid_argument);
  CHECK_THROWS_AS(troupe::worker<int(int)>{}.ask(1), std::invalid_argument);
}
