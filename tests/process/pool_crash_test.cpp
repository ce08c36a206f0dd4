// A death costs the item in progress alone, and nothing of a pool ever hangs.
#include <support/catch.hpp>
#include <support/gate.hpp>
#include <support/ledger.hpp>
#include <support/oracle.hpp>
#include <support/outcome.hpp>
#include <support/processes.hpp>
#include <support/runtime.hpp>
#include <support/settings.hpp>

#include <sys/resource.h>
#include <unistd.h>
#include <troupe/engine/worker.hpp>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <ranges>
#include <set>
#include <stdexcept>
#include <troupe/testing.hpp>

using namespace std::chrono_literals;
using test::outcome;

namespace {

enum class way { error, exit, crash };
enum class stage { decode, run, encode, callback };

void go_wrong(way how) {
  switch (how) {
    case way::error:
      throw std::runtime_error{"on purpose"};
    case way::exit:
      _exit(0);
    case way::crash:
      abort();
  }
}

/// A value that goes wrong in a worker, where and how it says.
struct bomb {
  stage where = stage::run;
  way how = way::error;
  bool armed = false;
  bool is_result = false;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, bomb& b) {
  auto result = f(b.where, b.how, b.armed, b.is_result);
  const bool in_worker = troupe::engine::in_worker();
  if (b.armed && in_worker && Inspector::writes_state && !b.is_result && b.where == stage::decode)
    go_wrong(b.how);
  if (b.armed && in_worker && Inspector::reads_state && b.is_result && b.where == stage::encode)
    go_wrong(b.how);
  return result;
}

bomb carry(const bomb& b) {
  if (b.armed && b.where == stage::run) go_wrong(b.how);
  bomb result = b;
  result.is_result = true;
  return result;
}

troupe::pool_options two_workers(unsigned prefetch) {
  troupe::pool_options how{2};
  how.prefetch = prefetch;
  return how;
}

std::string name_of(way how) {
  return how == way::error ? "error" : how == way::exit ? "exit" : "crash";
}

}  // namespace

TEST_CASE("every way to go wrong at every stage ends, idle, busy or last",
          "[process][pool][hang]") {
  const test::oracle oracle;
  {
    auto& rt = test::runtime();
    auto pool = rt.pool(two_workers(GENERATE(0U, 1U)));
    for (const auto where : {stage::decode, stage::run, stage::encode})
      for (const auto how : {way::error, way::exit, way::crash})
        for (const int place : {0, 150, 299}) {  // when all are idle, busy, and at the last item
          for (const std::size_t chunk : {0, 1, 100}) {
            std::vector<bomb> items(300);
            for (auto& b : items) b = {where, how, false, false};
            items[static_cast<std::size_t>(place)].armed = true;
            troupe::map_options options;
            options.chunk_size = chunk;
            options.on_crash = {2};
            INFO(static_cast<int>(where) << ' ' << name_of(how) << ' ' << place << ' ' << chunk);
            const auto results = pool.map(carry, items, options);
            REQUIRE(results.size() == 300);
            for (int i = 0; i < 300; ++i) {
              const auto& r = results[static_cast<std::size_t>(i)];
              if (i != place) {
                REQUIRE(r.has_value());
                continue;
              }
              REQUIRE(outcome(r) == (how == way::error ? "exception" : "worker_lost"));
            }
          }
        }
  }
  oracle.check();
}

TEST_CASE("a callback that throws, or calls back, ends at every moment", "[process][pool][hang]") {
  const test::oracle oracle;
  {
    auto& rt = test::runtime();
    auto pool = rt.pool(2);
    int told = 0;
    for (const auto how : {way::error, way::exit, way::crash})
      for (int i = 0; i < 10; ++i)
        pool.submit(carry, bomb{stage::run, how, i == 5, false}).then([&](auto&) {
          ++told;
          throw std::runtime_error{"on purpose"};
        });
    pool.close();
    pool.join();
    while (told < 30) troupe::testing::step(rt);
    CHECK(told == 30);
  }
  oracle.check();
}

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

}  // namespace

TEST_CASE("a death inside a chunk costs exactly the item in progress", "[process][pool][crash]") {
  const test::oracle oracle;
  {
    auto pool = test::runtime().pool(two_workers(GENERATE(0U, 1U)));
    for (const std::size_t chunk : {1, 7, 100, 1000}) {
      const test::ledger ledger;
      troupe::map_options how;
      how.chunk_size = chunk;
      const auto results = pool.map(
          [](const noted_item& item) {
            note(item);
            if (item.second == 321) raise(SIGSEGV);
            return item.second;
          },
          noted_items(ledger, 1000), how);
      const auto notes = ledger.notes();
      for (int i = 0; i < 1000; ++i) {
        if (i == 321) continue;
        REQUIRE(results[static_cast<std::size_t>(i)].value() == i);
        REQUIRE(notes.at(static_cast<std::uint64_t>(i)) == 1);
      }
      CHECK(outcome(results[321]) == "worker_lost");
      CHECK(notes.at(321) == 3);
      CHECK(pool.progress().done == 999);
      CHECK(pool.progress().restarts == 3);
    }
    REQUIRE(pool.quarantine().size() == 4);
    for (const auto& record : pool.quarantine()) {
      CHECK(record.index == 321);
      REQUIRE(record.reports.size() == 3);
      for (const auto& report : record.reports) CHECK(report->signal == SIGSEGV);
      CHECK_FALSE(record.item.empty());
    }
  }
  oracle.check();
}

TEST_CASE("kills at any instant cost no finished item", "[process][pool][crash]") {
  const test::oracle oracle;
  {
    auto& rt = test::runtime();
    for (int round = 0; round < test::times(30, 1000); ++round) {
      const unsigned prefetch = round % 3 == 0 ? 0 : 1;
      const test::ledger ledger;
      auto pool = rt.pool(two_workers(prefetch));
      pool.attempts(100);
      const auto items = noted_items(ledger, 2000);
      int kills = 0;
      const auto killer = rt.every(std::chrono::microseconds{200 + test::random_up_to(800)}, [&] {
        const auto workers = pool.workers();
        const auto& one = workers[test::random_up_to(workers.size() - 1)];
        if (one.ready && ++kills <= 5) rt.kill(one.process);
      });
      const auto results = pool.map(note, items);
      for (int i = 0; i < 2000; ++i) REQUIRE(results[static_cast<std::size_t>(i)].value() == i);
      int again = 0;
      const auto notes = ledger.notes();
      for (const auto& [item, times] : notes) again += times - 1;
      REQUIRE(notes.size() == 2000);
      REQUIRE(again <= kills);  // only what was in progress may have been begun twice
    }
  }
  oracle.check();
}

namespace {

using waiting_item = std::tuple<std::string, std::string, int, int, bool>;

/// Some items end when so many others have begun.
int wait_for_others(const waiting_item& item) {
  const auto& [notes, gate, number, others, waits] = item;
  test::note(notes, static_cast<std::uint64_t>(number));
  if (std::filesystem::file_size(notes) >=
      static_cast<std::uintmax_t>(others + 1) * sizeof(std::uint64_t))
    test::open_gate(gate);
  if (waits) test::pass(gate);
  return number;
}

auto items_that_wait(const test::ledger& ledger, const test::gate& gate, int count, int others,
                     const std::set<int>& who = {0}) {
  std::vector<waiting_item> items;
  for (int i = 0; i < count; ++i)
    items.emplace_back(ledger.place(), gate.place(), i, others, who.count(i) != 0);
  return items;
}

}  // namespace

TEST_CASE("a slow item holds up its own chunk alone", "[process][pool][chunk]") {
  const test::oracle oracle;
  {
    const test::ledger ledger;
    const test::gate gate;
    auto pool = test::runtime().pool(2);
    troupe::map_options how;
    how.chunk_size = 1000;
    CHECK(pool.map(wait_for_others, items_that_wait(ledger, gate, 2000, 1000), how).size() == 2000);
  }
  oracle.check();
}

TEST_CASE("what waits behind a slow item goes to a worker that is idle at once",
          "[process][pool][chunk]") {
  const test::oracle oracle;
  {
    auto pool = test::runtime().pool(2);
    troupe::map_options how;
    how.chunk_size = 1;
    for (int round = 0; round < 100; ++round) {  // one item each, and one behind the slow one
      const test::ledger ledger;
      const test::gate gate;
      REQUIRE(pool.map(wait_for_others, items_that_wait(ledger, gate, 3, 2), how).size() == 3);
    }
  }
  oracle.check();
}

TEST_CASE("what waits behind one of several slow items goes to another worker",
          "[process][pool][chunk]") {
  const test::oracle oracle;
  {
    auto pool = test::runtime().pool(3);
    troupe::map_options how;
    how.chunk_size = 2;
    for (int round = 0; round < 100; ++round) {
      const test::ledger ledger;
      const test::gate gate;
      const auto items = items_that_wait(ledger, gate, 12, 9, {0, 2});  // all but 1 and 3
      REQUIRE(pool.map(wait_for_others, items, how).size() == 12);
    }
  }
  oracle.check();
}

TEST_CASE("what waits behind a slow item goes to another worker", "[process][pool][chunk]") {
  const test::oracle oracle;
  {
    auto pool = test::runtime().pool(2);
    for (const std::size_t chunk : {0, 1, 3}) {
      const test::ledger ledger;
      const test::gate gate;
      troupe::map_options how;
      how.chunk_size = chunk;
      const int together = chunk == 3 ? 3 : 1;  // the rest of its own chunk can't be had
      const auto results =
          pool.map(wait_for_others, items_that_wait(ledger, gate, 60, 60 - together), how);
      CHECK(results.size() == 60);
      CHECK(ledger.notes().size() == 60);
    }
  }
  oracle.check();
}

TEST_CASE("all workers that die at once are replaced", "[process][pool][crash]") {
  const test::oracle oracle;
  {
    auto& rt = test::runtime();
    auto pool = rt.pool(8);
    for (int round = 0; round < 5; ++round) {
      const auto results = pool.map(
          [](int x) {
            if (x < 8) abort();
            return x;
          },
          std::views::iota(0, 200));
      for (int i = 0; i < 200; ++i)
        REQUIRE(outcome(results[static_cast<std::size_t>(i)]) == (i < 8 ? "worker_lost" : "value"));
    }
  }
  oracle.check();
}

TEST_CASE("close, terminate, join and the destructor end in bounded time",
          "[process][pool][stop]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto stuck = [](int) {
    signal(SIGTERM, SIG_IGN);
    for (;;) pause();
  };
  troupe::pool_options quick{2};
  quick.stop_grace = 200ms;
  {
    auto pool = rt.pool(quick);
    CHECK_THROWS_AS(pool.join(), std::logic_error);
    std::vector<troupe::task<int>> tasks;
    for (int i = 0; i < 100; ++i) tasks.push_back(pool.submit([](int x) { return x; }, i));
    pool.close();
    CHECK_THROWS_AS(pool.submit(stuck, 1), std::logic_error);
    pool.join();
    for (int i = 0; i < 100; ++i) CHECK(tasks[static_cast<std::size_t>(i)].get().value() == i);
  }
  {
    auto pool = rt.pool(quick);
    std::vector<troupe::task<void>> tasks;
    for (int i = 0; i < 10'000; ++i) tasks.push_back(pool.submit(stuck, i));
    pool.terminate();
    CHECK(pool.join(2s));
    for (const auto& t : tasks) REQUIRE(outcome(t.get()) == "stopped");
  }
  {
    auto pool = rt.pool(quick);
    const auto task = pool.submit(stuck, 1);
    pool.close();
    CHECK_FALSE(pool.join(50ms));
    pool = rt.pool(quick);
    CHECK(outcome(task.get()) == "stopped");
  }
  oracle.check();
}

namespace {

int sum_below(troupe::runtime& rt, int count) {
  auto pool = rt.pool(2);
  int sum = 0;
  for (const auto& x : pool.map([](int y) { return y + 1; }, std::views::iota(0, count)))
    sum += x.value();
  return sum;
}

int pool_below(troupe::runtime& rt, int depth) {
  if (depth == 0) return 0;
  auto pool = rt.pool(1);
  return pool.apply(pool_below, depth - 1).value() + 1;
}

}  // namespace

TEST_CASE("pools work inside the workers of pools", "[process][pool][nested]") {
  const test::oracle oracle;
  {
    auto& rt = test::runtime();
    auto pool = rt.pool(2);
    troupe::map_options how;
    how.chunk_size = 3;
    for (const auto& sum : pool.map(sum_below, std::vector<int>(6, 10), how))
      CHECK(sum.value() == 55);
    CHECK(pool.apply(pool_below, 3).value() == 3);
    const auto refused = pool.apply(pool_below, 30);
    CHECK(test::contains(troupe::describe(refused.error()), "levels deep"));
  }
  oracle.check();
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // they need memory
namespace {

/// From now on this worker has no memory for more than 2 MiB.
void take_little_memory() {
  std::ifstream status{"/proc/self/status"};
  std::string word;
  rlim_t kib = 0;
  while (status >> word)
    if (word == "VmData:") status >> kib;
  const rlim_t bytes = (kib << 10) + (2U << 20);
  const rlimit limit{bytes, bytes};
  if (setrlimit(RLIMIT_DATA, &limit) != 0) _exit(9);
}

std::size_t size_of(const std::string& text) {
  return text.size();
}

}  // namespace

TEST_CASE("an item that no worker can read is given up, and costs no other",
          "[process][pool][crash]") {
  const test::oracle oracle;
  {
    troupe::pool_options options{2};
    options.initializer(take_little_memory);
    auto pool = test::runtime().pool(options);
    std::vector<std::string> items;
    for (std::size_t i = 0; i < 40; ++i) items.emplace_back(i, 'x');
    constexpr std::size_t large = 17;
    items[large].assign(8U << 20, 'x');
    troupe::map_options how;
    how.chunk_size = GENERATE(1U, 8U);
    how.on_crash.attempts = 1;  // it is no attempt
    const auto results = pool.map(size_of, items, how);
    REQUIRE(results.size() == items.size());
    for (std::size_t i = 0; i < items.size(); ++i) {
      INFO(i);
      if (i != large) {
        CHECK(results[i].value() == i);
        continue;
      }
      REQUIRE(results[i].error() == troupe::errc::worker_lost);
      const auto text = troupe::describe(results[i].error());
      INFO(text);
      CHECK(test::contains(text, "no memory is left"));
      CHECK(test::contains(text, "before it had read item 17"));
    }
    REQUIRE(pool.quarantine().size() == 1);
    CHECK(pool.quarantine().front().index == large);
    CHECK(pool.quarantine().front().reports.size() == 3);
  }
  oracle.check();
}
#endif
