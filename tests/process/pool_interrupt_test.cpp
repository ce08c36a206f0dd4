// Ctrl-C while a pool is at work.
#include <support/catch.hpp>
#include <support/outcome.hpp>
#include <support/victim.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <iostream>
#include <ranges>

using namespace std::chrono_literals;

namespace {

int slow(int x) {
  if (x == 0) std::cout << "begun" << std::endl;
  for (int i = 0; x == 0 && i < 20; ++i) usleep(20'000);
  return x;
}

int stubborn(int x) {
  signal(SIGTERM, SIG_IGN);
  if (x == 0) std::cout << "begun" << std::endl;
  for (;;) pause();
  return x;
}

int interrupted_root(troupe::runtime& rt, const std::string& how) {
  troupe::pool_options options{1};
  options.stop_grace = 300ms;
  auto pool = rt.pool(options);
  troupe::map_options one_by_one;
  one_by_one.chunk_size = how == "chunk" ? 100 : 1;
  const auto results =
      pool.map(how == "stubborn" ? stubborn : slow, std::views::iota(0, 1000), one_by_one);
  int done = 0;
  int stopped = 0;
  for (const auto& r : results) {
    done += r ? 1 : 0;
    stopped += r.error() == troupe::errc::stopped ? 1 : 0;
  }
  std::cout << done << " done, " << stopped << " stopped" << std::endl;
  return how == "own code" ? 7 : 0;
}
const test::victim_role interrupted{"interrupted root", interrupted_root};

test::victim_options with(const std::string& argument) {
  test::victim_options options;
  options.argument = argument;
  return options;
}

int exit_code(test::victim& v) {
  const int status = v.status();
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

}  // namespace

TEST_CASE("the first Ctrl-C lets what has begun end, and nothing more begins",
          "[process][pool][interrupt]") {
  for (const std::string how : {"", "chunk"}) {
    test::victim v{"interrupted root", with(how)};
    CHECK(v.line() == "begun");
    v.kill(SIGINT);
    CHECK(v.line() == "1 done, 999 stopped");
    CHECK(exit_code(v) == 130);
    CHECK(v.nothing_left(2s));
  }
}

TEST_CASE("the second Ctrl-C stops what runs", "[process][pool][interrupt]") {
  test::victim v{"interrupted root", with("stubborn")};
  CHECK(v.line() == "begun");
  v.kill(SIGINT);
  CHECK_FALSE(v.ended_within(200ms));
  v.kill(SIGINT);
  CHECK(v.line() == "0 done, 1000 stopped");
  CHECK(exit_code(v) == 130);
  CHECK(v.nothing_left(2s));
}

TEST_CASE("the third Ctrl-C ends the program at once", "[process][pool][interrupt]") {
  test::victim v{"interrupted root", with("stubborn")};
  CHECK(v.line() == "begun");
  for (int i = 0; i < 3; ++i) {
    v.kill(SIGINT);
    if (i < 2) CHECK_FALSE(v.ended_within(20ms));
  }
  CHECK(exit_code(v) == 130);
  CHECK(v.nothing_left(2s));
}

TEST_CASE("a program's own exit code stays", "[process][pool][interrupt]") {
  test::victim v{"interrupted root", with("own code")};
  CHECK(v.line() == "begun");
  v.kill(SIGINT);
  CHECK(v.line() == "1 done, 999 stopped");
  CHECK(exit_code(v) == 7);
}
