// Ctrl-C while a pool is at work.
#include <support/catch.hpp>
#include <support/gate.hpp>
#include <support/outcome.hpp>
#include <support/victim.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <iostream>
#include <ranges>

using namespace std::chrono_literals;

namespace {

struct item {
  int number = 0;
  std::string gate;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, item& i) {
  return f(i.number, i.gate);
}

/// The first one lasts until the gate is open.
int slow(const item& i) {
  if (i.number == 0) {
    std::cout << "begun" << std::endl;
    test::pass(i.gate);
  }
  return i.number;
}

int stubborn(const item& i) {
  signal(SIGTERM, SIG_IGN);
  if (i.number == 0) std::cout << "begun" << std::endl;
  for (;;) pause();
}

/// `argument`: what to run, and the gate that opens when the pool has seen Ctrl-C.
int interrupted_root(troupe::runtime& rt, const std::string& argument) {
  const std::string how = argument.substr(0, argument.find(':'));
  const std::string gate = argument.substr(argument.find(':') + 1);
  troupe::pool_options options{1};
  options.stop_grace = how == "for ever" ? std::chrono::nanoseconds{1h} : 300ms;
  auto pool = rt.pool(options);
  pool.on_event([&](const troupe::pool_event& e) {
    using kind = troupe::pool_event::kind;
    if (e.what != kind::interrupted && e.what != kind::stopped) return;
    std::cout << e.text << std::endl;
    if (how != "for ever" && how != "stubborn") test::open_gate(gate);
  });
  troupe::map_options one_by_one;
  one_by_one.chunk_size = how == "chunk" ? 100 : 1;
  const auto items = std::views::iota(0, 1000) | std::views::transform([&](int i) {
                       return item{i, gate};
                     });
  const bool is_stubborn = how == "stubborn" || how == "for ever";
  const auto results = pool.map(is_stubborn ? stubborn : slow, items, one_by_one);
  int done = 0;
  int stopped = 0;
  for (const auto& r : results) {
    done += r ? 1 : 0;
    stopped += r.error() == troupe::errc::stopped ? 1 : 0;
  }
  std::cout << done << " done, " << stopped << " stopped" << std::endl;
  if (how == "calls again") static_cast<void>(pool.map(slow, items, one_by_one));
  return how == "own code" ? 7 : 0;
}
const test::victim_role interrupted{"interrupted root", interrupted_root};

constexpr auto drains = "interrupted: what has begun ends, nothing more begins";
constexpr auto stops = "interrupted again: what runs is ended";

test::victim_options with(const std::string& how, const test::gate& gate) {
  test::victim_options options;
  options.argument = how + ':' + gate.place();
  return options;
}

int exit_code(test::victim& v) {
  const int status = v.status();
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

}  // namespace

TEST_CASE("the first Ctrl-C lets what has begun end, and nothing more begins",
          "[process][pool][interrupt]") {
  for (const std::string how : {"single", "chunk"}) {
    const test::gate gate;
    test::victim v{"interrupted root", with(how, gate)};
    CHECK(v.line() == "begun");
    v.kill(SIGINT);
    CHECK(v.line() == drains);
    CHECK(v.line() == "1 done, 999 stopped");
    CHECK(exit_code(v) == 130);
    CHECK(v.nothing_left(2s));
  }
}

TEST_CASE("the second Ctrl-C stops what runs", "[process][pool][interrupt]") {
  const test::gate gate;
  test::victim v{"interrupted root", with("stubborn", gate)};
  CHECK(v.line() == "begun");
  v.kill(SIGINT);
  CHECK(v.line() == drains);
  v.kill(SIGINT);
  CHECK(v.line() == stops);
  CHECK(v.line() == "0 done, 1000 stopped");
  CHECK(exit_code(v) == 130);
  CHECK(v.nothing_left(2s));
}

TEST_CASE("the third Ctrl-C ends the program at once", "[process][pool][interrupt]") {
  const test::gate gate;
  test::victim v{"interrupted root", with("for ever", gate)};
  CHECK(v.line() == "begun");
  v.kill(SIGINT);
  CHECK(v.line() == drains);
  v.kill(SIGINT);
  CHECK(v.line() == stops);
  v.kill(SIGINT);  // what runs may take an hour yet
  CHECK(exit_code(v) == 130);
  CHECK(v.nothing_left(2s));
}

TEST_CASE("a program's own exit code stays", "[process][pool][interrupt]") {
  const test::gate gate;
  test::victim v{"interrupted root", with("own code", gate)};
  CHECK(v.line() == "begun");
  v.kill(SIGINT);
  CHECK(v.line() == drains);
  CHECK(v.line() == "1 done, 999 stopped");
  CHECK(exit_code(v) == 7);
}

TEST_CASE("a call after Ctrl-C throws, and the exit code is 130", "[process][pool][interrupt]") {
  const test::gate gate;
  test::victim v{"interrupted root", with("calls again", gate)};
  CHECK(v.line() == "begun");
  v.kill(SIGINT);
  CHECK(v.line() == drains);
  CHECK(v.line() == "1 done, 999 stopped");
  CHECK(exit_code(v) == 130);
}
