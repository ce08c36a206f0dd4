#include <support/catch.hpp>
#include <support/oracle.hpp>
#include <support/outcome.hpp>
#include <support/processes.hpp>
#include <support/runtime.hpp>

#include <unistd.h>

#include <csignal>
#include <ranges>

using namespace std::chrono_literals;
using test::outcome;
using troupe::exit_cause;

namespace {

int square(int x) {
  return x * x;
}

int sum_of_squares(troupe::runtime& rt, int count) {
  auto pool = rt.pool(2);
  int sum = 0;
  for (const auto& x : pool.map(square, std::views::iota(0, count))) sum += x.value();
  return sum;
}

/// Pids from its own level down.
std::vector<int> chain(troupe::runtime& rt, int levels) {
  std::vector<int> pids{getpid()};
  if (levels > 1) {
    static const auto below = rt.serve(chain);
    const auto rest = below.ask(levels - 1).value();
    pids.insert(pids.end(), rest.begin(), rest.end());
  }
  return pids;
}

/// Its first call makes a loop for its process, which reads on inside that call.
int square_below(troupe::runtime& rt, int x) {
  static const auto below = rt.serve(square);
  return below.ask(x).value();
}

int crash_below(troupe::runtime& rt) {
  const auto worker = rt.serve([]() -> int { abort(); });
  const auto answer = worker.ask();
  return answer.error() == troupe::errc::worker_lost ? *troupe::report_of(answer.error())->signal
                                                     : 0;
}

}  // namespace

TEST_CASE("a worker has workers of its own", "[process][nested]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto worker = rt.serve(sum_of_squares);
  CHECK(worker.ask(10).value() == 285);
  CHECK(worker.ask(100).value() == 328350);
  CHECK(rt.stop(worker).success());
  oracle.check();
}

TEST_CASE("a one-shot process has workers of its own and ends after them", "[process][nested]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto report = rt.join(rt.spawn([](troupe::runtime& below) {
    const auto left = below.serve(square);
    return left.ask(5).value();
  }));
  CHECK(report.exit_code == 25);
  oracle.check();
}

TEST_CASE("calls that came together with the one that starts a worker's loop keep their order",
          "[process][nested]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto worker = rt.serve(square_below);
  std::vector<troupe::pending<int>> answers;
  for (int i = 0; i < 5000; ++i) answers.push_back(worker.submit(i));
  for (int i = 0; i < 5000; ++i) {
    const auto answer = answers[static_cast<std::size_t>(i)].get();
    REQUIRE(answer);
    REQUIRE(*answer == i * i);
  }
  rt.stop(worker);
  oracle.check();
}

TEST_CASE("a crash two levels down is the middle worker's to handle", "[process][nested]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto worker = rt.serve(crash_below);
  CHECK(worker.ask().value() == SIGABRT);
  CHECK(worker.ask().value() == SIGABRT);
  rt.stop(worker);
  oracle.check();
}

TEST_CASE("the parent in the system is the parent in the tree, at every level",
          "[process][nested]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto worker = rt.serve(chain);
  const auto pids = worker.ask(4).value();
  REQUIRE(pids.size() == 4);
  int parent = getpid();
  for (const int pid : pids) {
    CHECK(test::status_of(pid, "PPid") == std::to_string(parent));
    parent = pid;
  }
  CHECK(rt.stop(worker).success());
  CHECK(test::ended(pids, 0ms));
  oracle.check();
}

TEST_CASE("what a process deep below leaves is reaped while all above it live on",
          "[process][nested]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto worker = rt.serve(chain);
  const auto pids = worker.ask(4).value();
  REQUIRE(pids.size() == 4);
  const auto before = test::children();
  REQUIRE(test::kill_process(pids[2]));
  REQUIRE(test::ended({pids[2], pids[3]}, 10s));
  const auto limit = std::chrono::steady_clock::now() + 10s;
  const auto adopted = [&] {  // the last of the chain and the zygote that made it
    const auto now = test::children();
    return std::find(now.begin(), now.end(), pids[3]) != now.end() || now.size() > before.size();
  };
  const auto parent_of_it = [&] { return test::status_of(pids[2], "PPid"); };
  while ((adopted() || !parent_of_it().empty()) && std::chrono::steady_clock::now() < limit)
    rt.join(worker, 1ms);
  CHECK(test::children() == before);
  rt.stop(worker);
  oracle.check();
}

TEST_CASE("a middle process that is killed takes its workers along", "[process][nested]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  for (int round = 0; round < 5; ++round) {
    const auto worker = rt.serve(chain);
    const auto pids = worker.ask(4).value();
    REQUIRE(pids.size() == 4);
    REQUIRE(test::kill_process(pids[static_cast<std::size_t>(round) % 3]));
    if (round % 3 != 0) rt.kill(worker);
    rt.join(worker);
    REQUIRE(test::ended(pids, 2s));
  }
  oracle.check();
}
