// Who runs the loop: hand-over between threads. Meant for the thread sanitizer, too.
#include <support/catch.hpp>
#include <troupe/engine/core.hpp>
#include <troupe/engine/loop_owner.hpp>

#include <atomic>
#include <deque>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using troupe::engine::core;
using troupe::engine::loop_owner;

namespace {

/// Hears once of the other end's end.
class once final : public troupe::engine::event_handler {
public:
  once(core& loop, int& seen) : loop_(loop), seen_(seen) {
    auto pipe = troupe::os::open_pipe(true);
    end_ = kj::mv(pipe.read);
    loop_.watch(loop_.take_slot(*this), 0, end_);
  }
  void on_event(unsigned, bool, bool) override {
    loop_.unwatch(end_);
    ++seen_;
  }

private:
  core& loop_;
  int& seen_;
  troupe::os::descriptor end_;
};

}  // namespace

TEST_CASE("what has happened before a deadline is heard of before it", "[engine][loop]") {
  constexpr int many = 200;
  int seen = 0;
  int seen_before = -1;
  core loop{{}};
  const core::guard mine{loop};
  std::deque<once> ends;
  for (int i = 0; i < many; ++i) ends.emplace_back(loop, seen);
  loop.at(troupe::engine::clock::now(), [&] { seen_before = seen; });
  while (seen_before < 0) loop.run_once(std::nullopt);
  CHECK(seen_before == many);
}

TEST_CASE("a loop has one owner at a time, nested as deep as it likes", "[engine][loop]") {
  loop_owner owner;
  CHECK(owner.is_free());
  REQUIRE(owner.try_take());
  REQUIRE(owner.try_take());
  bool taken = true;
  std::thread{[&] { taken = owner.try_take(); }}.join();
  CHECK_FALSE(taken);
  CHECK_FALSE(owner.give_up());
  const unsigned depth = owner.let_go();
  CHECK(owner.is_free());
  owner.retake(depth, [] {});
  CHECK(owner.is_mine());
  CHECK(owner.give_up());
  CHECK(owner.is_free());
}

TEST_CASE("threads that want a loop get it in turn", "[engine][loop]") {
  loop_owner owner;
  std::uint64_t shared = 0;  // only ever touched by the owner
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 5000; ++i) {
        owner.take([] {});
        ++shared;
        const unsigned depth = owner.let_go();
        owner.retake(depth, [] {});
        owner.give_up();
      }
    });
  for (auto& t : threads) t.join();
  CHECK(shared == 20000);
}

TEST_CASE("the keeper runs the loop while its owner is elsewhere", "[engine][loop]") {
  core loop{{}};
  std::atomic<int> fired{0};
  std::function<void()> again = [&] {
    if (++fired < 5) loop.after(1us, again);
  };
  loop.need_keeper();
  {
    const core::guard mine{loop};
    loop.after(0s, again);
  }
  while (fired < 5) {  // as a program that computes
  }
  for (int i = 0; i < 200; ++i) {  // and back again, at any moment of the keeper's
    const core::guard mine{loop};
    bool seen = false;
    loop.after(0s, [&] { seen = true; });
    loop.run_until([&] { return seen; });
  }
  CHECK(fired == 5);
}

TEST_CASE("a thread that sleeps in the loop lets another have it", "[engine][loop]") {
  core loop{{}};
  std::atomic<bool> done{false};
  std::thread other{[&] {
    for (int i = 0; i < 100; ++i) {
      const core::guard mine{loop};
      CHECK(loop.owner().is_mine());
    }
    done = true;
    loop.wake();
  }};
  {
    const core::guard mine{loop};
    loop.run_until([&] { return done.load(); });
  }
  other.join();
}

TEST_CASE("what is meant for the user's thread waits for it", "[engine][loop]") {
  core loop{{}};
  loop.need_keeper();
  std::atomic<bool> keeper_ran{false};
  std::thread::id who;
  {
    const core::guard mine{loop};
    loop.after_for_user(0s, [&] { who = std::this_thread::get_id(); });
    loop.after(0s, [&] { keeper_ran = true; });
  }
  while (!keeper_ran) {
  }
  const core::guard mine{loop};
  loop.run_until([&] { return who != std::thread::id{}; });
  CHECK(who == std::this_thread::get_id());
}
