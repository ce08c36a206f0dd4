// Messages that overtake one another, or that an actor skips: their line, and what the page says.
#include <support/catch.hpp>
#include <support/forged.hpp>
#include <troupe/engine/arrivals.hpp>
#include <troupe/engine/progress_writer.hpp>

#include <atomic>
#include <random>
#include <set>
#include <string>
#include <thread>

using troupe::engine::arrivals;
using troupe::engine::progress_writer;
using troupe::wire::Envelope;

namespace {

troupe::wire::progress read(const troupe::wire::progress_slot& slot) {
  return troupe::wire::read_progress(slot, 0, 1000);
}

std::string frame(std::uint64_t number) {
  return test::frame_of(Envelope::Kind::TELL, number, std::string{"x"});
}

std::uint64_t number_of(std::span<const std::byte> frame) {
  return troupe::wire::checked_envelope {
    frame
    } -> getNumber();
}

void put(arrivals& line, std::uint64_t number, bool urgent = false) {
  const std::string bytes = frame(number);
  line.add(std::as_bytes(std::span{bytes}), urgent);
}

}  // namespace

TEST_CASE("messages in order need no window", "[engine][progress]") {
  troupe::wire::progress_slot slot{};
  progress_writer writer{slot};
  for (const std::uint64_t n : {1, 2, 4}) {  // 3 was an answer
    writer.begin(n);
    CHECK(read(slot).running() == n);
    writer.finish();
    CHECK(read(slot).running() == 0);
  }
  CHECK(slot.turn == 0);
}

TEST_CASE("what an urgent message overtakes is not begun", "[engine][progress]") {
  troupe::wire::progress_slot slot{};
  progress_writer writer{slot};
  writer.begin(1);
  writer.finish();
  writer.begin_early(4);
  CHECK(read(slot).running() == 4);
  for (const std::uint64_t n : {2, 3}) CHECK_FALSE(read(slot).has_begun(n));
  CHECK(read(slot).has_left(1));
  writer.finish();
  writer.begin(2);
  CHECK(read(slot).running() == 2);
  CHECK(read(slot).has_begun(2));
  CHECK_FALSE(read(slot).has_left(2));
  CHECK_FALSE(read(slot).has_begun(3));
  CHECK(read(slot).has_left(4));
  writer.finish();
  writer.begin(3);
  writer.finish();
  CHECK(read(slot).running() == 0);
  for (const std::uint64_t n : {1, 2, 3, 4}) CHECK(read(slot).has_left(n));
}

TEST_CASE("a skipped message is not begun until it is taken", "[engine][progress]") {
  troupe::wire::progress_slot slot{};
  progress_writer writer{slot};
  writer.begin(1);
  writer.skip(1);
  CHECK_FALSE(read(slot).has_begun(1));
  writer.begin(2);
  CHECK(read(slot).running() == 2);
  CHECK_FALSE(read(slot).has_begun(1));
  writer.finish();
  writer.begin_again(1);
  CHECK(read(slot).running() == 1);
  writer.finish();
  CHECK(read(slot).has_left(1));
  CHECK(read(slot).has_left(2));
}

TEST_CASE("the page tells of many messages which were passed over, whatever was before",
          "[engine][progress]") {
  using troupe::wire::progress;
  troupe::wire::progress_slot slot{};
  progress_writer writer{slot};
  std::mt19937 random{3};
  std::set<std::uint64_t> passed;
  std::uint64_t highest = 0;
  const auto check = [&](std::uint64_t running) {
    const auto seen = troupe::wire::read_progress(slot, 0, ~std::uint64_t{0});
    std::uint64_t wrong = seen.running() == running ? 0 : 1;
    for (std::uint64_t n = highest; n > 0 && highest - n < progress::window; --n)
      wrong += seen.has_begun(n) == (passed.count(n) == 0) ? 0 : 1;
    CHECK(wrong == 0);
  };
  for (int round = 0; round < 300; ++round) {
    for (auto many = random() % 400; many > 0; --many) {
      writer.begin(++highest);
      if (random() % 50 == 0) {
        writer.skip(highest);
        passed.insert(highest);
      } else {
        writer.finish();
      }
    }
    check(0);
    // Overtaken ones are handled before anything else that was in line with them.
    const std::uint64_t first = highest + 1;
    highest += 1 + random() % (round % 50 == 0 ? 3 * progress::window : 20);
    for (std::uint64_t n = first; n < highest; ++n) passed.insert(n);
    writer.begin_early(highest);
    check(highest);
    writer.finish();
    check(0);
    for (std::uint64_t n = first; n < highest; ++n) {
      writer.begin(n);
      passed.erase(n);
      if (n == first) check(n);
      writer.finish();
    }
    check(0);
    if (passed.empty()) continue;
    auto some = passed.lower_bound(random() % highest);
    if (some == passed.end() || round % 20 == 19) some = passed.begin();
    while (some != passed.end()) {
      const std::uint64_t n = *some;
      writer.begin_again(n);
      some = passed.erase(some);
      check(n);
      if (random() % 2 == 0) {
        writer.skip(n);
        passed.insert(n);
      } else {
        writer.finish();
      }
      check(0);
      if (round % 20 != 19) break;
    }
  }
}

TEST_CASE("who looks while messages are skipped never takes one of them for done",
          "[engine][progress]") {
  troupe::wire::progress_slot slot{};
  std::atomic<std::uint64_t> skipped{0};  // this number was not taken yet
  std::atomic<bool> over{false}, looked{false};
  std::thread worker{[&] {
    progress_writer writer{slot};
    std::mt19937 random{7};
    for (std::uint64_t n = 1; n < 200'000 || !looked;) {
      const std::uint64_t late = n++;
      skipped = late;
      writer.begin(late);
      writer.skip(late);
      for (auto others = random() % 60; others > 0; --others) {
        writer.begin(n++);
        writer.finish();
        writer.begin_again(late);  // as it is offered after each
        writer.skip(late);
      }
      skipped = 0;
      writer.begin_again(late);
      writer.finish();
    }
    over = true;
  }};
  std::uint64_t wrong = 0;
  while (!over) {
    const std::uint64_t before = skipped;
    const auto seen = troupe::wire::read_progress(slot, 0, ~std::uint64_t{0});
    if (before == 0 || skipped != before) continue;
    looked = true;
    if (seen.has_left(before)) ++wrong;
  }
  worker.join();
  CHECK(wrong == 0);
  CHECK(troupe::wire::read_progress(slot, 0, ~std::uint64_t{0}).running() == 0);
}

TEST_CASE("bits that are made ready for newer messages tell nothing of older ones",
          "[engine][progress]") {
  using troupe::wire::progress;
  troupe::wire::progress_slot slot{};
  const std::uint64_t newest = 20'000, older = newest - progress::window;
  for (std::uint64_t n = older + 1; n <= newest + progress::window; ++n)
    slot.passed[n % slot.bits / 64] |= std::uint64_t{1} << (n % 64);
  slot.records[0].begun = newest;
  slot.turn = 1;
  const auto seen = troupe::wire::read_progress(slot, 0, 2 * newest);
  CHECK(seen.begun == older);
  std::uint64_t wrong = 0;
  for (std::uint64_t n = 1; n <= newest; ++n)
    if (seen.has_left(n) != (n <= older)) ++wrong;
  CHECK(wrong == 0);
}

TEST_CASE("a peer whose progress never holds still has begun nothing that we know of",
          "[engine][progress]") {
  troupe::wire::progress_slot slot{};
  slot.begun = slot.finished = 9;
  std::atomic<bool> over{false};
  std::thread liar{[&] {
    while (!over) slot.turn += 2;
  }};
  int wrong = 0;
  for (int i = 0; i < 1000; ++i) {
    const auto seen = read(slot);
    if (seen.begun != 0 && seen.begun != 9) ++wrong;
  }
  over = true;
  liar.join();
  CHECK(wrong == 0);
}

TEST_CASE("the line gives urgent messages first and skipped ones after each that was handled",
          "[engine][arrivals]") {
  arrivals line;
  for (const std::uint64_t n : {1, 2, 3}) put(line, n);
  put(line, 4, true);
  std::span<const std::byte> next;
  const auto take = [&](std::uint64_t expected, bool skip) {
    const auto from = line.next(next);
    REQUIRE(from != arrivals::from::nowhere);
    CHECK(number_of(next) == expected);
    if (skip) {
      line.skipped(from, next.size());
    } else {
      line.handled(from, next.size());
    }
  };
  take(4, false);
  take(1, true);
  take(2, true);
  take(3, false);
  take(1, true);
  take(2, false);
  take(1, true);
  CHECK(line.next(next) == arrivals::from::nowhere);
  line.offer_again();
  take(1, false);
  CHECK(line.next(next) == arrivals::from::nowhere);
}
