// The workers of a pool: how they begin and end, how many there are, when they are replaced.
#include <support/catch.hpp>
#include <support/gate.hpp>
#include <support/ledger.hpp>
#include <support/oracle.hpp>
#include <support/outcome.hpp>
#include <support/processes.hpp>
#include <support/runtime.hpp>

#include <unistd.h>
#include <troupe/os/machine.hpp>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <ranges>
#include <set>
#include <stdexcept>
#include <troupe/testing.hpp>

using namespace std::chrono_literals;
using test::outcome;

namespace {

int prepared = 0;
void prepare() {
  prepared = 42;
}
void prepare_and_throw() {
  throw std::runtime_error{"no licence"};
}
void prepare_and_crash() {
  abort();
}
void prepare_for_ever() {
  for (;;) pause();
}
void prepare_and_exit() {
  _exit(0);
}
void prepare_and_close_all() {
  close_range(0, ~0U, 0);
}
int own_pid(int) {
  return getpid();
}

std::set<int> pids_of(const troupe::pool& pool) {
  std::set<int> pids;
  for (const auto& w : pool.workers()) pids.insert(w.process.pid());
  return pids;
}

/// Where finalizers leave their traces.
std::string trace_file() {
  return "/tmp/troupe-test-finalizer." + std::to_string(getppid());
}
void leave_trace() {
  std::ofstream{trace_file(), std::ios::app} << getpid() << '\n';
}

}  // namespace

TEST_CASE("an initializer runs before the first item of each worker", "[process][pool][workers]") {
  const test::oracle oracle;
  {
    auto& rt = test::runtime();
    troupe::pool_options how{2};
    how.initializer(prepare);
    auto pool = rt.pool(how);
    for (int round = 0; round < 3; ++round) {
      for (const auto& r : pool.map([](int) { return prepared; }, std::views::iota(0, 100)))
        REQUIRE(r.value() == 42);
      for (const auto& w : pool.workers()) rt.kill(w.process);
    }
  }
  oracle.check();
}

TEST_CASE("an initializer that fails breaks its pool, and says why", "[process][pool][workers]") {
  const test::oracle oracle;
  const auto why = [](auto initializer, std::chrono::nanoseconds limit = {}) {
    troupe::pool_options how{2};
    how.initializer(initializer);
    how.start_limit = limit;
    auto pool = test::runtime().pool(how);
    try {
      static_cast<void>(pool.map(own_pid, {1, 2, 3}));
    } catch (const std::runtime_error& e) {
      return std::string{e.what()};
    }
    return std::string{"it worked"};
  };
  const auto contains = [](const std::string& text, const char* part) {
    INFO(text);
    CHECK(test::contains(text, part));
  };
  contains(why(prepare_and_throw), "its initializer failed: no licence");
  contains(why(prepare_and_crash), "SIGABRT");
  contains(why(prepare_for_ever, 50ms), "did not end in time");
  contains(why(prepare_and_exit), "ended with exit code 0 in its initializer");
  contains(why(prepare_and_close_all), "before it was up");
  oracle.check();
}

TEST_CASE("workers that somebody kills before they are up are replaced",
          "[process][pool][workers]") {
  const test::oracle oracle;
  const std::string file = "/tmp/troupe-test-lives." + std::to_string(getpid());
  std::remove(file.c_str());
  {
    troupe::pool_options how{2};
    how.initializer([] {
      const std::string lives = "/tmp/troupe-test-lives." + std::to_string(getppid());
      std::ofstream{lives, std::ios::app} << '.';
      if (std::filesystem::file_size(lives) <= 10) raise(SIGKILL);
    });
    auto pool = test::runtime().pool(how);
    CHECK(pool.map(own_pid, {1, 2, 3}).size() == 3);
  }
  CHECK(std::filesystem::file_size(file) >= 11);
  std::remove(file.c_str());
  oracle.check();
}

TEST_CASE("a finalizer runs in each worker that ends in good order", "[process][pool][workers]") {
  const test::oracle oracle;
  std::remove(("/tmp/troupe-test-finalizer." + std::to_string(getpid())).c_str());
  std::set<int> pids;
  {
    troupe::pool_options how{3};
    how.finalizer(leave_trace);
    auto pool = test::runtime().pool(how);
    static_cast<void>(pool.map(own_pid, std::views::iota(0, 30)));
    pids = pids_of(pool);
    pool.close();
    pool.join();
  }
  std::set<int> traces;
  const std::string file = "/tmp/troupe-test-finalizer." + std::to_string(getpid());
  {
    std::ifstream in{file};
    for (int pid = 0; in >> pid;) traces.insert(pid);
  }
  std::remove(file.c_str());
  CHECK(traces == pids);
  oracle.check();
}

TEST_CASE("a worker is replaced after so many items, never in the middle",
          "[process][pool][workers]") {
  const test::oracle oracle;
  {
    troupe::pool_options how{3};
    how.max_tasks_per_child = 10;
    how.prefetch = GENERATE(0U, 1U);
    auto pool = test::runtime().pool(how);
    const auto first = pids_of(pool);
    for (const std::size_t chunk : {0, 1, 4, 25}) {
      troupe::map_options options;
      options.chunk_size = chunk;
      const auto results = pool.map(own_pid, std::views::iota(0, 300), options);
      std::map<int, int> items;
      for (const auto& r : results) ++items[r.value()];
      for (const auto& [pid, count] : items) REQUIRE(count <= 10);
      REQUIRE(items.size() >= 30);
    }
    CHECK(pool.workers().size() == 3);
    for (const int pid : pids_of(pool)) CHECK(first.count(pid) == 0);
    CHECK(pool.progress().restarts == 0);
  }
  oracle.check();
}

TEST_CASE("a worker that grows is replaced", "[process][pool][workers]") {
  const test::oracle oracle;
  {
    troupe::pool_options how{1};
    how.max_growth_bytes = 8 << 20;
    auto pool = test::runtime().pool(how);
    const auto leak = [] {
      static std::vector<std::unique_ptr<std::vector<char>>> leaked;
      leaked.push_back(std::make_unique<std::vector<char>>(128 << 10, 'x'));
      return getpid();
    };
    const int first = pool.apply(leak).value();
    while (pool.apply(leak).value() == first) continue;
    CHECK(pool.totals().recycled == 1);
    CHECK(pool.progress().restarts == 0);
  }
  oracle.check();
}

TEST_CASE("a worker that has no memory left fails its item, and is replaced",
          "[process][pool][workers]") {
  const test::oracle oracle;
  {
    auto pool = test::runtime().pool(1);
    const auto results = pool.map(
        [](int x) {
          if (x == 3) throw std::bad_alloc{};
          return getpid();
        },
        std::views::iota(0, 10));
    CHECK(test::contains(troupe::describe(results[3].error()), "no memory was left"));
    CHECK(pool.progress().restarts == 0);
    CHECK(pool.apply([] { return getpid(); }).value() != results[2].value());
  }
  oracle.check();
}

TEST_CASE("a worker of age is replaced", "[process][pool][workers]") {
  const test::oracle oracle;
  {
    troupe::pool_options how{2};
    how.max_age = 150ms;
    auto pool = test::runtime().pool(how);
    std::set<int> pids;
    for (const auto& r : pool.imap_unordered(own_pid, std::views::iota(0))) {
      pids.insert(r.value());
      if (pids.size() == 4) break;
    }
    CHECK(pool.progress().restarts == 0);
  }
  oracle.check();
}

TEST_CASE("idle workers end, and come back when there is work", "[process][pool][workers]") {
  const test::oracle oracle;
  {
    auto& rt = test::runtime();
    troupe::pool_options how{4};
    how.least_workers = 1;
    how.idle_timeout = 50ms;
    auto pool = rt.pool(how);
    CHECK(pool.workers().size() == 1);
    for (int round = 0; round < 2; ++round) {
      test::gate gate;
      const auto look = rt.every(1ms, [&] {
        if (pool.workers().size() == 4) gate.open();
      });
      for (const auto& r : pool.map(test::pass, std::vector(100, gate.place()))) REQUIRE(r);
      while (pool.workers().size() > 1) troupe::testing::step(rt);
    }
  }
  oracle.check();
}

TEST_CASE("a pool is resized while it works", "[process][pool][workers]") {
  const test::oracle oracle;
  {
    auto& rt = test::runtime();
    auto pool = rt.pool(2);
    test::gate more;
    test::gate fewer;
    const auto items = std::views::iota(0, 1000) | std::views::transform([&](int i) {
                         return i == 400 ? more.place() : i == 900 ? fewer.place() : std::string{};
                       });
    troupe::map_options how;
    how.chunk_size = 1;
    std::size_t seen = 0;
    for (const auto& r : pool.imap_unordered(
             [](const std::string& place) {
               if (!place.empty()) test::pass(place);
             },
             items, how)) {
      REQUIRE(r);
      ++seen;
      if (seen == 100) {
        pool.resize(5);
        CHECK(pool.workers().size() == 5);
        more.open();
      }
      if (seen == 500) {
        pool.resize(1);
        fewer.open();
      }
    }
    CHECK(seen == 1000);
    while (pool.workers().size() > 1) troupe::testing::step(rt);
    CHECK(pool.progress().restarts == 0);
    CHECK_THROWS_AS(pool.resize(0), std::invalid_argument);
  }
  oracle.check();
}

TEST_CASE("a spare takes the place of a worker that dies", "[process][pool][workers]") {
  const test::oracle oracle;
  {
    auto& rt = test::runtime();
    troupe::pool_options how{1};
    how.spares = 1;
    how.initializer(prepare);
    auto pool = rt.pool(how);
    while (test::children_named("troupe-worker").size() < 2) troupe::testing::step(rt);
    for (int round = 0; round < 3; ++round) {
      CHECK(pool.apply([] { return prepared; }).value() == 42);
      rt.kill(pool.workers().front().process);
    }
    CHECK(pool.apply([] { return prepared; }).value() == 42);
  }
  oracle.check();
}

TEST_CASE("items begin no faster than their rate", "[process][pool][workers]") {
  const test::oracle oracle;
  {
    troupe::pool_options how{2};
    how.items_per_second = 200;
    auto pool = test::runtime().pool(how);
    const auto now = [] { return std::chrono::steady_clock::now().time_since_epoch().count(); };
    const auto called = now();
    const auto results =
        pool.map([](int) { return std::chrono::steady_clock::now().time_since_epoch().count(); },
                 std::views::iota(0, 60));
    std::vector<std::int64_t> begun;
    for (const auto& r : results) begun.push_back(r.value());
    std::sort(begun.begin(), begun.end());
    // 20 at once, the others 5 ms apart; who begins later than that is in order.
    for (std::int64_t i = 20; i < 60; ++i)
      REQUIRE(begun[static_cast<std::size_t>(i)] - called >= (i - 19) * 5'000'000);
  }
  oracle.check();
}

namespace {
std::uint64_t memory_for_test = 100;
}

TEST_CASE("with little memory one item runs at a time, with very little the youngest waits",
          "[process][pool][workers]") {
  const test::oracle oracle;
  {
    auto& rt = test::runtime();
    const test::ledger ledger;
    troupe::pool_options how{2};
    how.memory_free = 100;
    how.available_memory = [] { return memory_for_test; };
    auto pool = rt.pool(how);
    pool.attempts(1);
    memory_for_test = 100;
    troupe::map_options one_by_one;
    one_by_one.chunk_size = 1;
    one_by_one.on_crash = {1};
    test::gate gate;
    pool.on_event([&](const troupe::pool_event& e) {
      if (e.what != troupe::pool_event::kind::memory_short) return;
      CHECK(e.item.value_or(9) < 2);
      memory_for_test = 100;
      gate.open();
    });
    const auto trouble = rt.every(1ms, [&, once = false]() mutable {
      if (once || ledger.notes().size() < 2) return;
      once = true;
      memory_for_test = 40;
    });
    const auto place = ledger.place();
    std::vector<std::tuple<std::string, std::string, std::uint64_t>> items;
    for (std::uint64_t i = 0; i < 4; ++i) items.emplace_back(place, gate.place(), i);
    const auto results = pool.map(
        [](const std::tuple<std::string, std::string, std::uint64_t>& item) {
          const auto& [noted, closed, number] = item;
          test::note(noted, number);
          if (number < 2) test::pass(closed);
          return number;
        },
        items, one_by_one);
    for (std::uint64_t i = 0; i < 4; ++i) CHECK(results[i].value() == i);
    int begun = 0;
    for (const auto& [item, times] : ledger.notes()) begun += times;
    CHECK(begun == 5);  // one of the first two was begun again
    CHECK(pool.progress().retried == 0);
    CHECK(pool.progress().restarts == 1);
  }
  oracle.check();
}

TEST_CASE("a pool without a number has the CPUs that this process may use",
          "[process][pool][workers]") {
  const test::oracle oracle;
  {
    auto pool = test::runtime().pool();
    CHECK(pool.workers().size() == troupe::os::usable_cpus());
    CHECK_FALSE(pool.workers().empty());
  }
  oracle.check();
}

TEST_CASE("pools that make no sense are refused", "[process][pool][workers]") {
  auto& rt = test::runtime();
  troupe::pool_options how{1};
  how.least_workers = 2;
  CHECK_THROWS_AS(rt.pool(how), std::invalid_argument);
  CHECK_THROWS_AS(rt.pool(troupe::pool_options{100'000}), std::invalid_argument);
}

TEST_CASE("a pool tells of deaths and of items given up", "[process][pool][workers]") {
  const test::oracle oracle;
  {
    auto& rt = test::runtime();
    auto pool = rt.pool(1);
    std::vector<troupe::pool_event> told;
    pool.on_event([&](const troupe::pool_event& what) { told.push_back(what); });
    CHECK(outcome(pool.apply([](int) { abort(); }, 1)) == "worker_lost");
    while (told.size() < 4) troupe::testing::step(rt);
    int replaced = 0;
    int given_up = 0;
    using kind = troupe::pool_event::kind;
    for (const auto& e : told) {
      REQUIRE(e.report != nullptr);
      CHECK(e.report->signal == SIGABRT);
      if (e.what == kind::worker_lost && test::contains(e.text, "replaced: ")) ++replaced;
      if (e.what == kind::item_lost && e.item == 0 && test::contains(e.text, "gave up item 0"))
        ++given_up;
    }
    CHECK(replaced == 3);
    CHECK(given_up == 1);
  }
  oracle.check();
}
