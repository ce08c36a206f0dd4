// What can be said of one item: how long it may take, how often it is tried, that it is not wanted.
#include <support/catch.hpp>
#include <support/gate.hpp>
#include <support/ledger.hpp>
#include <support/oracle.hpp>
#include <support/outcome.hpp>
#include <support/runtime.hpp>

#include <unistd.h>

#include <csignal>
#include <ranges>
#include <set>
#include <stdexcept>
#include <troupe/testing.hpp>

using namespace std::chrono_literals;
using test::outcome;

namespace {

using noted_item = std::pair<std::string, int>;

std::vector<noted_item> noted_items(const test::ledger& ledger, int count) {
  std::vector<noted_item> items;
  for (int i = 0; i < count; ++i) items.emplace_back(ledger.place(), i);
  return items;
}

int note(const noted_item& item) {
  test::note(item.first, static_cast<std::uint64_t>(item.second));
  return item.second;
}

void sleep_for_ever() {
  for (;;) pause();
}

void work_for(std::chrono::nanoseconds time) {
  using clock = std::chrono::steady_clock;
  for (const auto begin = clock::now(); clock::now() - begin < time;) continue;
}

}  // namespace

TEST_CASE("an item over its hard deadline is ended, the rest of its chunk is not",
          "[process][pool][deadline]") {
  const test::oracle oracle;
  {
    const test::ledger ledger;
    auto pool = test::runtime().pool(2);
    troupe::map_options how;
    how.chunk_size = 10;
    how.hard_deadline = 300ms;
    how.kill_grace = 50ms;
    const auto results = pool.map(
        [](const noted_item& item) {
          note(item);
          if (item.second == 17) sleep_for_ever();
          return item.second;
        },
        noted_items(ledger, 60), how);
    for (int i = 0; i < 60; ++i) {
      if (i == 17) continue;
      REQUIRE(results[static_cast<std::size_t>(i)].value() == i);
      REQUIRE(ledger.notes().at(static_cast<std::uint64_t>(i)) == 1);
    }
    CHECK(outcome(results[17]) == "deadline");
    CHECK(troupe::report_of(results[17].error()) != nullptr);
    CHECK(ledger.notes().at(17) == 1);
    CHECK(pool.progress().restarts == 1);
    REQUIRE(pool.quarantine().size() == 1);
    CHECK(pool.quarantine().front().index == 17);
  }
  oracle.check();
}

TEST_CASE("a hard deadline ends an item that is stopped, or ignores SIGTERM",
          "[process][pool][deadline]") {
  const test::oracle oracle;
  {
    auto pool = test::runtime().pool(2);
    troupe::map_options how;
    how.hard_deadline = 50ms;
    how.kill_grace = 30ms;
    const auto results = pool.map(
        [](int x) {
          if (x == 1) signal(SIGTERM, SIG_IGN);
          if (x == 1) sleep_for_ever();
          if (x == 2) raise(SIGSTOP);
          if (x == 3)
            while (getpid() > 0) {
            }
          return x;
        },
        {0, 1, 2, 3, 4}, how);
    CHECK(results[0].value() == 0);
    CHECK(outcome(results[1]) == "deadline");
    CHECK(outcome(results[2]) == "deadline");
    CHECK(outcome(results[3]) == "deadline");
    CHECK(results[4].value() == 4);
  }
  oracle.check();
}

TEST_CASE("a deadline can be a multiple of the median", "[process][pool][deadline]") {
  const test::oracle oracle;
  {
    auto pool = test::runtime().pool(2);
    troupe::map_options how;
    how.percent_of_median = 20'000;
    how.chunk_size = 1;
    const auto results = pool.map(
        [](int x) {
          if (x == 30) sleep_for_ever();
          usleep(4000);
          return x;
        },
        std::views::iota(0, 40), how);
    CHECK(outcome(results[30]) == "deadline");
    for (int i = 0; i < 40; ++i)
      if (i != 30) REQUIRE(results[static_cast<std::size_t>(i)].value() == i);
  }
  oracle.check();
}

TEST_CASE("after its soft deadline an item is asked to end", "[process][pool][deadline]") {
  const test::oracle oracle;
  {
    auto pool = test::runtime().pool(2);
    troupe::map_options how;
    how.soft_deadline = 20ms;
    const auto results = pool.map(
        [](int x) {
          while (x == 1 && !troupe::this_item::cancelled()) usleep(500);
          while (x == 2) troupe::this_item::check();
          return x;
        },
        {0, 1, 2, 3}, how);
    CHECK(results[0].value() == 0);
    CHECK(results[1].value() == 1);  // it may end as it likes
    CHECK(outcome(results[2]) == "deadline");
    CHECK(results[3].value() == 3);
    CHECK(pool.progress().restarts == 0);
  }
  oracle.check();
}

TEST_CASE("an item over its deadline is tried again as its rule says",
          "[process][pool][deadline]") {
  const test::oracle oracle;
  {
    const test::ledger ledger;
    auto pool = test::runtime().pool(1);
    troupe::map_options how;
    how.hard_deadline = 50ms;
    how.on_deadline = {2};
    const auto results = pool.map(
        [](const noted_item& item) {
          note(item);
          if (item.second == 1) sleep_for_ever();
          return item.second;
        },
        noted_items(ledger, 3), how);
    CHECK(outcome(results[1]) == "deadline");
    CHECK(ledger.notes().at(1) == 2);
    CHECK(pool.quarantine().front().reports.size() == 2);
  }
  oracle.check();
}

TEST_CASE("exceptions are tried again as their rule says, after a pause",
          "[process][pool][retry]") {
  const test::oracle oracle;
  {
    const test::ledger ledger;
    auto pool = test::runtime().pool(2);
    troupe::map_options how;
    how.on_exception = {4, 1ms, 5ms};
    const auto results = pool.map(
        [](const noted_item& item) {
          note(item);
          if (item.second == 5) throw std::runtime_error{"never"};
          return item.second;
        },
        noted_items(ledger, 20), how);
    CHECK(test::contains(troupe::describe(results[5].error()), "never (attempt 4 of 4)"));
    CHECK(ledger.notes().at(5) == 4);
    CHECK(pool.progress().retried == 3);
    CHECK(pool.progress().failed == 1);
    CHECK(pool.quarantine().empty());
  }
  oracle.check();
}

TEST_CASE("a function says discard, retry_after or snooze", "[process][pool][retry]") {
  const test::oracle oracle;
  {
    const test::ledger ledger;
    auto pool = test::runtime().pool(2);
    troupe::map_options how;
    how.on_exception = {5};
    const auto results = pool.map(
        [](const noted_item& item) {
          note(item);
          static int snoozed = 0;
          if (item.second == 1) throw troupe::discard{"not worth it"};
          if (item.second == 2) throw troupe::retry_after{1ms, "not yet"};
          if (item.second == 3 && snoozed++ < 8) throw troupe::snooze{1ms};
          return item.second;
        },
        noted_items(ledger, 5), how);
    CHECK(troupe::describe(results[1].error()) == "discarded: not worth it");
    CHECK(ledger.notes().at(1) == 1);
    CHECK(test::contains(troupe::describe(results[2].error()), "not yet (attempt 5 of 5)"));
    CHECK(ledger.notes().at(2) == 5);
    CHECK(results[3].value() == 3);
    CHECK(ledger.notes().at(3) >= 9);
    CHECK(results[4].value() == 4);
  }
  oracle.check();
}

TEST_CASE("what is queued is cancelled without being begun", "[process][pool][cancel]") {
  const test::oracle oracle;
  {
    const test::ledger ledger;
    test::gate gate;
    auto& rt = test::runtime();
    auto pool = rt.pool(1);
    const auto items = noted_items(ledger, 3);
    const auto running = pool.submit(
        [](const noted_item& item, const std::string& place) {
          note(item);
          test::pass(place);
          return 0;
        },
        items[0], gate.place());
    const auto queued = pool.submit(note, items[1]);
    const auto last = pool.submit(note, items[2]);
    while (ledger.notes().empty()) troupe::testing::step(rt);
    CHECK(queued.cancel());
    CHECK_FALSE(queued.cancel());
    gate.open();
    CHECK(outcome(queued.get()) == "cancelled");
    CHECK(running.get().value() == 0);
    CHECK(last.get().value() == 2);
    CHECK_FALSE(last.cancel());
    CHECK(ledger.notes().count(1) == 0);
  }
  oracle.check();
}

TEST_CASE("calls that are cancelled while they wait keep no other waiting",
          "[process][pool][cancel]") {
  const test::oracle oracle;
  {
    test::gate gate;
    auto& rt = test::runtime();
    auto pool = rt.pool(1);
    const auto running =
        pool.submit([](const std::string& place) { test::pass(place); }, gate.place());
    std::vector<troupe::task<int>> waiting;
    for (int i = 0; i < 100; ++i) waiting.push_back(pool.submit([](int x) { return x; }, i));
    for (const auto& call : waiting) CHECK(call.cancel());
    gate.open();
    CHECK(running.get());
    CHECK(pool.apply([](int x) { return x; }, 7).value() == 7);
    for (const auto& call : waiting) CHECK(outcome(call.get()) == "cancelled");
    CHECK(pool.totals().failed == 100);
  }
  oracle.check();
}

TEST_CASE("an item that is cancelled before its next attempt keeps nobody waiting",
          "[process][pool][cancel]") {
  const test::oracle oracle;
  {
    auto pool = test::runtime().pool(1);
    const auto later = [](int) -> int { throw troupe::retry_after{1h, "not today"}; };
    const auto call = pool.submit(later, 0);
    auto stream = pool.imap(later, std::views::iota(0, 3));
    while (pool.progress().retried < 4) CHECK_FALSE(stream.next(1ms));
    CHECK(call.cancel());
    CHECK_FALSE(call.cancel());
    for (const std::size_t i : {1, 0, 2}) CHECK(stream.cancel(i));
    for (auto& result : stream) CHECK(outcome(result) == "cancelled");
    pool.close();
    CHECK(pool.join(10s));
  }
  oracle.check();
}

TEST_CASE("a running item is asked to end, then its worker is", "[process][pool][cancel]") {
  const test::oracle oracle;
  {
    auto& rt = test::runtime();
    auto pool = rt.pool(1);
    const auto pid = pool.workers().front().process.pid();
    troupe::map_options patient;
    patient.kill_grace = 1h;
    const auto cooperative = pool.submit(patient, [] {
      while (!troupe::this_item::cancelled()) usleep(500);
    });
    const auto is_at_work = [&] { return pool.workers().front().item.has_value(); };
    while (!is_at_work()) troupe::testing::step(rt);
    CHECK(cooperative.cancel());
    CHECK(outcome(cooperative.get()) == "cancelled");
    CHECK(pool.apply([] { return getpid(); }).value() == pid);
    const auto stubborn = pool.submit([] { sleep_for_ever(); });
    while (!is_at_work()) troupe::testing::step(rt);
    CHECK(stubborn.cancel());
    CHECK(outcome(stubborn.get()) == "cancelled");
    CHECK(pool.apply([] { return getpid(); }).value() != pid);
  }
  oracle.check();
}

TEST_CASE("an item of a stream is cancelled in the middle of its chunk",
          "[process][pool][cancel]") {
  const test::oracle oracle;
  {
    const test::ledger ledger;
    auto pool = test::runtime().pool(1);
    test::gate gate;
    troupe::map_options how;
    how.chunk_size = 50;
    std::vector<std::pair<noted_item, std::string>> items;
    for (const auto& item : noted_items(ledger, 50)) items.emplace_back(item, gate.place());
    auto stream = pool.imap_unordered(
        [](const std::pair<noted_item, std::string>& item) {
          note(item.first);
          if (item.first.second == 0) test::pass(item.second);
          return item.first.second;
        },
        items, how);
    while (ledger.notes().empty()) troupe::testing::step(test::runtime());
    CHECK(stream.cancel(33));
    gate.open();
    std::set<std::size_t> cancelled;
    std::size_t values = 0;
    for (const auto& r : stream) {
      if (r) {
        ++values;
      } else {
        cancelled.insert(r.index);
      }
    }
    CHECK(values == 49);
    CHECK(cancelled == std::set<std::size_t>{33});
    CHECK(ledger.notes().count(33) == 0);
    CHECK(ledger.notes().at(34) == 1);
  }
  oracle.check();
}

TEST_CASE("a report has the time of items that were ended for it", "[process][pool][report]") {
  const test::oracle oracle;
  {
    auto pool = test::runtime().pool(1);
    troupe::map_options how;
    how.hard_deadline = 50ms;
    how.chunk_size = 1;
    const auto results = pool.map(
        [](int x) {
          sleep_for_ever();
          return x;
        },
        {1, 2, 3}, how);
    REQUIRE(results.size() == 3);
    CHECK(pool.report().compute >= 150ms);
  }
  oracle.check();
}

TEST_CASE("a report has the time of items that crashed, and of those before them in their chunk",
          "[process][pool][report]") {
  const test::oracle oracle;
  {
    auto pool = test::runtime().pool(1);
    troupe::map_options how;
    how.chunk_size = 5;
    const auto results = pool.map(
        [](int x) {
          work_for(x == 4 ? 20ms : 1ms);
          if (x == 4) abort();
          return x;
        },
        std::views::iota(0, 5), how);
    CHECK(results[3].value() == 3);
    CHECK(outcome(results[4]) == "worker_lost");
    CHECK(pool.progress().retried == 2);
    CHECK(pool.report().compute >= 64ms);
  }
  oracle.check();
}

TEST_CASE("a report has the time for which a pool's rate held items back",
          "[process][pool][report]") {
  const test::oracle oracle;
  for (const double rate : {0.0, 50.0}) {
    troupe::pool_options how{2};
    how.items_per_second = rate;
    auto pool = test::runtime().pool(how);
    REQUIRE(pool.map([](int x) { return x; }, std::views::iota(0, 20)).size() == 20);
    CHECK((pool.report().held_back > 0ns) == (rate != 0));
  }
  oracle.check();
}
