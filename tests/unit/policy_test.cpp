#include <support/catch.hpp>

#include <troupe/policy/attempts.hpp>
#include <troupe/policy/stop_ladder.hpp>
#include <troupe/policy/window.hpp>

using namespace std::chrono_literals;
using namespace troupe::policy;

TEST_CASE("a window grows to what fits into a millisecond, fourfold at most", "[policy][window]") {
  window w;
  CHECK(w.size() == window::smallest);
  w.finished(2, 2us);
  CHECK(w.size() == 8);
  w.finished(8, 8us);
  CHECK(w.size() == 32);
  for (int i = 0; i < 10; ++i) w.finished(100, 100us);
  CHECK(w.size() == window::largest);
  for (int i = 0; i < 50; ++i) w.finished(1, 10ms);
  CHECK(w.size() == window::smallest);
}

TEST_CASE("a window stays in its bounds whatever the times", "[policy][window]") {
  window w;
  for (const auto elapsed : {0ns, 1ns, std::chrono::nanoseconds{24h}, 0ns, -1ns}) {
    w.finished(1'000'000, elapsed);
    w.finished(1, elapsed);
    w.finished(0, elapsed);
    CHECK(w.size() >= window::smallest);
    CHECK(w.size() <= window::largest);
  }
}

TEST_CASE("a window is refilled when half of it is used", "[policy][window]") {
  window w;
  CHECK(w.wants_more(0));
  CHECK(w.wants_more(1));
  CHECK_FALSE(w.wants_more(2));
}

TEST_CASE("an item is begun as often as its attempts allow", "[policy][attempts]") {
  attempts a;
  CHECK(a.limit() == 3);
  CHECK(a.lost(7));
  CHECK(a.lost(7));
  CHECK(a.failed(7) == 2);
  CHECK(a.failed(8) == 0);
  CHECK_FALSE(a.lost(7));
  a.settled(7);
  CHECK(a.failed(7) == 0);

  a.limit(1);
  CHECK_FALSE(a.lost(8));
  a.limit(0);
  CHECK(a.limit() == 1);
}

TEST_CASE("three workers in a row that never came up are enough", "[policy][attempts]") {
  start_failures f;
  CHECK_FALSE(f.failed());
  CHECK_FALSE(f.failed());
  f.came_up();
  CHECK_FALSE(f.failed());
  CHECK_FALSE(f.failed());
  CHECK(f.failed());
}

TEST_CASE("the stop ladder closes, terminates after a fifth, kills at the end", "[policy][stop]") {
  using step = stop_ladder::step;
  stop_ladder ladder{10s};
  CHECK(ladder.next_time() == 0s);
  CHECK(ladder.due(0s) == step::close);
  CHECK_FALSE(ladder.due(1s).has_value());
  CHECK(ladder.next_time() == 2s);
  CHECK(ladder.due(2s) == step::terminate);
  CHECK_FALSE(ladder.due(9s).has_value());
  CHECK(ladder.next_time() == 10s);
  CHECK(ladder.due(10s) == step::kill);
  CHECK_FALSE(ladder.next_time().has_value());
  CHECK_FALSE(ladder.due(24h).has_value());
}

TEST_CASE("steps of the stop ladder that were missed follow at once, in order", "[policy][stop]") {
  using step = stop_ladder::step;
  stop_ladder ladder{1s};
  CHECK(ladder.due(5s) == step::close);
  CHECK(ladder.due(5s) == step::terminate);
  CHECK(ladder.due(5s) == step::kill);
  CHECK_FALSE(ladder.due(5s).has_value());
}

TEST_CASE("without grace every step of the stop ladder is due at once", "[policy][stop]") {
  stop_ladder ladder{0s};
  for (int steps = 0; steps < 3; ++steps) CHECK(ladder.due(0s).has_value());
  CHECK_FALSE(ladder.due(0s).has_value());
}
