#include <support/catch.hpp>

#include <troupe/chunk.hpp>
#include <troupe/policy/backoff.hpp>
#include <troupe/policy/chunking.hpp>
#include <troupe/policy/credit.hpp>
#include <troupe/policy/median.hpp>
#include <troupe/policy/sampling.hpp>
#include <troupe/policy/token_bucket.hpp>
#include <troupe/policy/upkeep.hpp>
#include <troupe/pool_progress.hpp>
#include <troupe/pool_settings.hpp>

using namespace std::chrono_literals;
using namespace troupe::policy;

TEST_CASE("chunks grow to what takes two milliseconds, sixteenfold at most", "[policy][chunk]") {
  chunking c;
  CHECK(c.next({}, 2) == 1);
  c.finished(1, 1us, 40);
  CHECK(c.next({}, 2) == 16);
  c.finished(16, 16us, 160);
  CHECK(c.next({}, 2) == 256);
  c.finished(256, 256us, 2560);
  const auto size = c.next({}, 2);
  CHECK(size > 1500);
  CHECK(size <= 2000);
}

TEST_CASE("items that take long travel alone", "[policy][chunk]") {
  chunking c;
  c.finished(1, 50ms, 40);
  CHECK(c.next({}, 2) == 1);
  CHECK(c.next(1000, 2) == 1);
}

TEST_CASE("chunks shrink near the end of an input", "[policy][chunk]") {
  chunking c;
  for (int i = 0; i < 20; ++i) {
    c.finished(100, 1ms, 1000);
    c.next({}, 4);
  }
  CHECK(c.next(100'000, 4) == 200);
  CHECK(c.next(800, 4) == 100);
  CHECK(c.next(80, 4) == 20);  // 0.2 ms
}

TEST_CASE("chunks of large items stay near 240 KiB", "[policy][chunk]") {
  chunking c;
  for (int i = 0; i < 20; ++i) {
    c.finished(10, 1us, 10 * 1024);
    c.next({}, 4);
  }
  CHECK(c.next({}, 4) <= 241);
}

TEST_CASE("a chunk size that was asked for is kept", "[policy][chunk]") {
  chunking c{7};
  CHECK(c.next({}, 2) == 7);
  c.finished(7, 1ns, 7);
  CHECK(c.next(3, 2) == 7);
}

TEST_CASE("chunks stay in their bounds whatever the times", "[policy][chunk]") {
  chunking c;
  for (const auto elapsed : {0ns, 1ns, std::chrono::nanoseconds{24h}, 0ns, -1ns}) {
    c.finished(1'000'000, elapsed, 0);
    c.finished(0, elapsed, 0);
    c.finished(1, elapsed, 1 << 30);
    const auto size = c.next(0, 2);
    CHECK(size >= 1);
    CHECK(size <= chunking::largest);
  }
}

TEST_CASE("many small chunks are refilled in halves, long ones wait one at a time",
          "[policy][chunk]") {
  chunking small{1};
  CHECK(small.wants_more(1, 1, 1));
  CHECK_FALSE(small.wants_more(2, 2, 1));
  small.finished(2, 2us, 2);
  CHECK(small.window() == 512);
  CHECK(small.wants_more(256, 256, 1));
  CHECK_FALSE(small.wants_more(257, 257, 1));
  CHECK(small.has_place(511, 1));
  CHECK_FALSE(small.has_place(512, 1));
  CHECK_FALSE(small.has_place(1, 0));  // nothing may wait
  for (int i = 0; i < 20; ++i) small.finished(2, 20ms, 2);
  CHECK(small.window() == 2);
  CHECK_FALSE(small.wants_more(2, 2, 1));
  CHECK_FALSE(small.wants_more(1, 1, 0));
  CHECK(small.wants_more(0, 0, 0));
}

TEST_CASE("a pause with full jitter doubles up to its bound", "[policy][backoff]") {
  constexpr std::uint32_t most = ~std::uint32_t{0};
  CHECK(full_jitter(100ms, 1s, 1, 0) == 0ns);
  CHECK(full_jitter(100ms, 1s, 1, most) > 99ms);
  CHECK(full_jitter(100ms, 1s, 1, most) <= 100ms);
  CHECK(full_jitter(100ms, 1s, 3, most) > 399ms);
  CHECK(full_jitter(100ms, 1s, 5, most) <= 1s);
  CHECK(full_jitter(100ms, 1s, 5, most) > 999ms);
  CHECK(full_jitter(100ms, 1s, 4'000'000'000U, most) <= 1s);
  CHECK(full_jitter(0ns, 1s, 1, most) == 0ns);
}

TEST_CASE("a median is known after ten times and forgets the oldest", "[policy][median]") {
  median m;
  for (int i = 1; i <= 9; ++i) m.add(std::chrono::nanoseconds{i});
  CHECK_FALSE(m.value());
  m.add(10ns);
  CHECK(m.value() == 6ns);
  for (int i = 0; i < 256; ++i) m.add(1ms);
  CHECK(m.value() == std::chrono::nanoseconds{1ms});
}

TEST_CASE("a token bucket lets through what its rate allows", "[policy][rate]") {
  const token_bucket::time_point start{1s};
  token_bucket b{100};
  CHECK(b.take(50, start) == 10);  // a tenth of a second
  CHECK(b.take(50, start) == 0);
  CHECK(b.next(start) > start + 9ms);
  CHECK(b.next(start) <= start + 11ms);
  CHECK(b.take(50, start + 50ms) == 5);
  b.give_back(5);
  CHECK(b.take(50, start + 50ms) == 5);
  CHECK(b.take(50, start + 1h) == 10);
  token_bucket none;
  CHECK(none.take(1000, start) == 1000);
}

TEST_CASE("a stream's credit counts items and bytes", "[policy][credit]") {
  const credit c{100, 1000};
  CHECK(c.left({0, 0, 0, 0}) == 100);
  CHECK(c.left({30, 50, 0, 0}) == 20);
  CHECK(c.left({60, 50, 0, 0}) == 0);
  CHECK(c.left({0, 0, 0, 10}) == 100);
  CHECK(c.left({0, 0, 0, 20}) == 50);
  CHECK(c.left({10, 10, 300, 20}) == 25);  // 300 wait, 200 are expected
  CHECK(c.left({10, 10, 900, 20}) == 0);
  CHECK(c.left({1, 0, 0, 5000}) == 0);
  CHECK(c.left({0, 0, 0, 5000}) == 1);  // or nothing would ever happen
}

TEST_CASE("of few items the clock is read at the first, then at one in sixteen",
          "[policy][sampling]") {
  sampling s;
  std::uint32_t counted = 0;
  for (int i = 0; i < 16; ++i) counted += s.weight(1);
  CHECK(counted == 16);
  int read = 0;
  for (int i = 0; i < 1600; ++i) {
    const auto weight = s.weight(1);
    counted += weight;
    read += weight != 0 ? 1 : 0;
  }
  CHECK(counted == 1616);
  CHECK(read == 100);
  CHECK(s.weight(8) == 1);
}

TEST_CASE("a worker retires by items, by growth, by age", "[policy][upkeep]") {
  retirement r;
  CHECK_FALSE(r.due({1'000'000, 1, 1'000'000'000, 24h, 0}));
  r.max_items = 10;
  CHECK_FALSE(r.due({9, 0, 0, 0s, 0}));
  CHECK(r.due({10, 0, 0, 0s, 0}));
  r = {0, 1000, 0s};
  CHECK_FALSE(r.due({0, 0, 5000, 0s, 0}));
  CHECK_FALSE(r.due({0, 4000, 5000, 0s, 0}));
  CHECK(r.due({0, 4000, 5001, 0s, 0}));
  r = {0, 0, 100s};
  CHECK(r.due({0, 0, 0, 90s, 0}));
  CHECK_FALSE(r.due({0, 0, 0, 89s, 0}));
  CHECK_FALSE(r.due({0, 0, 0, 109s, ~0U}));
  CHECK(retirement{0, 0, std::chrono::nanoseconds::max()}.own_age(~0U) > 24h);
  CHECK(r.due({0, 0, 0, 110s, ~0U}));
}

TEST_CASE("little memory stops beginnings, very little kills the youngest", "[policy][upkeep]") {
  CHECK(judge_memory(0, 0, 5) == memory_state::enough);
  CHECK(judge_memory(100, 100, 5) == memory_state::enough);
  CHECK(judge_memory(99, 100, 5) == memory_state::begin_nothing);
  CHECK(judge_memory(50, 100, 5) == memory_state::begin_nothing);
  CHECK(judge_memory(49, 100, 5) == memory_state::kill_youngest);
  CHECK(judge_memory(49, 100, 1) == memory_state::begin_nothing);
  CHECK(judge_memory(49, 100, 0) == memory_state::enough);  // or nothing would ever happen
}

TEST_CASE("pools that would harm the machine are refused", "[policy][upkeep]") {
  CHECK(storm_guard::refuse(4, 2, 0).empty());
  CHECK(storm_guard::refuse(512, 2, 0).empty());
  CHECK_FALSE(storm_guard::refuse(513, 2, 0).empty());
  CHECK(storm_guard::refuse(1024, 16, 0).empty());
  CHECK(storm_guard::refuse(1, 2, 9).empty());
  CHECK_FALSE(storm_guard::refuse(1, 2, 10).empty());
  CHECK_FALSE(storm_guard::warn(16, 2));
  CHECK(storm_guard::warn(17, 2));
}

TEST_CASE("a range of revoked messages goes over the end of 32 bits", "[policy][chunk]") {
  using troupe::revoked_range;
  const revoked_range r{0xfffffffe, 1};
  CHECK(r.has(0xfffffffe));
  CHECK(r.has(0x1'0000'0001));
  CHECK_FALSE(r.has(0x1'0000'0002));
  CHECK_FALSE(r.has(0xfffffffd));
  CHECK_FALSE(revoked_range{}.has(0));
  CHECK(revoked_range::of(r.word()).first == 0xfffffffe);
}

TEST_CASE("items of a block are found by their size or their ends", "[policy][chunk]") {
  troupe::item_block fixed;
  fixed.item_bytes = 2;
  fixed.add(std::as_bytes(std::span{"abcd", 2}));
  fixed.add(std::as_bytes(std::span{"cd", 2}));
  CHECK(static_cast<char>(fixed.item(1)[0]) == 'c');
  troupe::item_block varying;
  varying.add(std::as_bytes(std::span{"abc", 3}));
  varying.add({});
  varying.add(std::as_bytes(std::span{"d", 1}));
  CHECK(varying.item(0).size() == 3);
  CHECK(varying.item(1).empty());
  CHECK(static_cast<char>(varying.item(2)[0]) == 'd');
}

TEST_CASE("a report gives the advice that its numbers call for", "[pool][report]") {
  troupe::pool_report r;
  CHECK(r.advice() ==
        "No item of a map, starmap or stream has ended yet; totals() counts all calls.");
  r.workers = 2;
  r.progress.done = 10'000;
  r.wall = 1s;
  r.compute = 1900ms;
  r.idle = 100ms;
  r.chunks = 100;
  CHECK(r.advice().find("more of them") != std::string::npos);
  r.encode = 600ms;
  CHECK(r.advice().find("parent is the bottleneck") != std::string::npos);
  r.encode = {};
  r.compute = 100ms;
  r.idle = 1900ms;
  r.chunks = 10'000;
  CHECK(r.advice().find("travel alone") != std::string::npos);
  r.held_back = 900ms;
  CHECK(r.advice().find("items_per_second") != std::string::npos);
  r.held_back = 100ms;
  r.chunks = 100;
  CHECK(r.advice().find("idle for long") != std::string::npos);
  r.start = 900ms;
  CHECK(r.advice().find("starting workers") != std::string::npos);
  CHECK(r.text().find("10000 items in 1 s, 2 workers") == 0);
}

TEST_CASE("a progress line tells what there is to tell", "[pool][report]") {
  troupe::pool_progress now;
  CHECK(troupe::progress_text(now, 4) == "4 workers");
  now.failed = 1;
  now.retried = 2;
  now.restarts = 3;
  now.recycled = 4;
  CHECK(troupe::progress_text(now, 4) ==
        "4 workers, 1 failed, 2 retried, 3 workers died, 4 workers replaced");
}
