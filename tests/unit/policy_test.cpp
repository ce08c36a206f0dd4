#include <support/catch.hpp>

#include <troupe/policy/start_failures.hpp>
#include <troupe/policy/stop_ladder.hpp>

using namespace std::chrono_literals;
using namespace troupe::policy;

TEST_CASE("three workers in a row that never came up are enough", "[policy][attempts]") {
  start_failures f;
  CHECK_FALSE(f.failed());
  CHECK_FALSE(f.failed());
  f.came_up();
  CHECK_FALSE(f.failed());
  CHECK_FALSE(f.failed());
  CHECK(f.failed());
}

TEST_CASE("workers that others kill before they come up are replaced a hundred times",
          "[policy][attempts]") {
  start_failures f;
  for (int i = 1; i < 100; ++i) REQUIRE_FALSE(f.killed());
  CHECK_FALSE(f.failed());
  CHECK(f.killed());
  f.came_up();
  CHECK_FALSE(f.killed());
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

TEST_CASE("without grace the stop ladder kills, and asks nothing before", "[policy][stop]") {
  stop_ladder ladder{0s};
  CHECK(ladder.next_time() == 0s);
  CHECK(ladder.due(0s) == stop_ladder::step::kill);
  CHECK_FALSE(ladder.due(0s).has_value());
  CHECK_FALSE(ladder.next_time().has_value());
}

TEST_CASE("a function gets SIGTERM after 5 s at most", "[policy]") {
  using step = stop_ladder::step;
  auto soon = stop_ladder::of_function(10s);
  CHECK(soon.due(0s) == step::close);
  CHECK(soon.next_time() == 2s);
  auto patient = stop_ladder::of_function(std::chrono::hours{24 * 365});
  CHECK(patient.due(0s) == step::close);
  CHECK(patient.due(4s) == std::nullopt);
  CHECK(patient.due(5s) == step::terminate);
  CHECK(patient.next_time() == std::chrono::hours{24 * 365});
}

TEST_CASE("what has no mailbox is terminated at once, and killed at the end", "[policy][stop]") {
  using step = stop_ladder::step;
  auto ladder = stop_ladder::by_signal(10s);
  CHECK(ladder.due(0s) == step::terminate);
  CHECK_FALSE(ladder.due(9s).has_value());
  CHECK(ladder.next_time() == 10s);
  CHECK(ladder.due(10s) == step::kill);
  CHECK_FALSE(ladder.next_time().has_value());
  auto brutal = stop_ladder::by_signal(0s);
  CHECK(brutal.due(0s) == step::kill);
  CHECK_FALSE(brutal.due(0s).has_value());
}
