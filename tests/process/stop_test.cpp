#include <support/catch.hpp>
#include <support/ledger.hpp>
#include <support/oracle.hpp>
#include <support/outcome.hpp>
#include <support/runtime.hpp>

#include <unistd.h>

#include <csignal>
#include <functional>

using namespace std::chrono_literals;
using test::outcome;
using troupe::exit_cause;

namespace {

int echo(int x) {
  return x;
}

int ignore_sigterm(int) {
  std::signal(SIGTERM, SIG_IGN);
  return 0;
}

/// Longer than every test, in steps that a signal can't shorten.
int hang(const std::string& ledger, bool deaf) {
  if (deaf) std::signal(SIGTERM, SIG_IGN);
  test::note(ledger, 1);
  for (;;) pause();
}

/// Runs the loop until the worker is in the middle of its request.
void wait_for_note(const test::ledger& ledger, const troupe::process& worker) {
  while (ledger.notes().empty()) static_cast<void>(test::runtime().join(worker, 1ms));
}

std::chrono::milliseconds time_of(const std::function<void()>& what) {
  const auto start = std::chrono::steady_clock::now();
  what();
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                               start);
}

}  // namespace

TEST_CASE("an idle worker that is stopped ends by itself with code 0", "[process][stop]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto worker = rt.serve(echo);
  REQUIRE(worker.ask(3).value() == 3);
  const auto report = rt.stop(worker, 60s);
  CHECK(report.success());
  CHECK_FALSE(report.signal.has_value());
  CHECK(outcome(worker.ask(3)) == "stopped");
  CHECK(outcome(worker.tell(3).error()) == "stopped");
  oracle.check();
}

TEST_CASE("a worker that ignores SIGTERM is gone when its grace is over", "[process][stop]") {
  const test::ledger ledger;
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto worker = rt.serve(hang);
  auto answer = worker.submit(ledger.place(), true);
  auto behind = worker.submit(ledger.place(), true);
  rt.flush();
  troupe::exit_report report;
  wait_for_note(ledger, worker);
  const auto took = time_of([&] { report = rt.stop(worker, 300ms); });
  CHECK(report.cause == exit_cause::stopped);
  CHECK(report.signal == SIGKILL);
  CHECK(took >= 300ms);
  CHECK(outcome(answer.get()) == "worker_lost");
  CHECK(outcome(behind.get()) == "stopped");
  oracle.check();
}

TEST_CASE("an idle worker that ignores SIGTERM ends when its mailbox closes", "[process][stop]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto worker = rt.serve(ignore_sigterm);
  REQUIRE(worker.ask(1).value() == 0);
  CHECK(rt.stop(worker, 60s).success());
  oracle.check();
}

TEST_CASE("a busy worker is ended by SIGTERM before its grace is over", "[process][stop]") {
  const test::ledger ledger;
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto worker = rt.serve(hang);
  auto answer = worker.submit(ledger.place(), false);
  wait_for_note(ledger, worker);
  const auto report = rt.stop(worker, 1s);
  CHECK(report.cause == exit_cause::stopped);
  CHECK(report.signal == SIGTERM);
  CHECK(outcome(answer.get()) == "worker_lost");
  oracle.check();
}

TEST_CASE("a worker that SIGSTOP froze can be stopped", "[process][stop]") {
  const test::ledger ledger;
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto worker = rt.serve(hang);
  auto answer = worker.submit(ledger.place(), false);
  wait_for_note(ledger, worker);
  rt.kill(worker, SIGSTOP);
  const auto report = rt.stop(worker, 500ms);
  INFO(report.sentence());
  CHECK(report.cause == exit_cause::stopped);
  CHECK(report.signal == SIGTERM);
  CHECK_FALSE(answer.get());
  oracle.check();
}

TEST_CASE("messages before a stop that the worker has not begun are told so", "[process][stop]") {
  const test::ledger ledger;
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto worker = rt.serve(hang);
  auto first = worker.submit(ledger.place(), false);
  std::vector<troupe::pending<int>> rest;
  for (int i = 0; i < 20; ++i) rest.push_back(worker.submit(ledger.place(), false));
  wait_for_note(ledger, worker);
  rt.stop(worker, 100ms);
  CHECK(outcome(first.get()) == "worker_lost");
  for (auto& answer : rest) CHECK(outcome(answer.get()) == "stopped");
  oracle.check();
}

TEST_CASE("a stop in the middle of the start ends the process", "[process][stop][start]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  for (int i = 0; i < 20; ++i) {
    const auto worker = rt.serve(echo);
    const auto report = rt.stop(worker, 10s);
    INFO(report.sentence());
    REQUIRE_FALSE(worker.running());
  }
  oracle.check();
}

TEST_CASE("a stop with no grace at all is a kill", "[process][stop]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto worker = rt.serve(echo);
  REQUIRE(worker.ask(1).value() == 1);
  const auto report = rt.stop(worker, 0s);
  INFO(report.sentence());
  CHECK((report.success() || report.cause == exit_cause::stopped));
  oracle.check();
}

TEST_CASE("a worker that closes its mailbox and lives on is killed", "[process][stop]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto worker = rt.serve([](int) -> int {
    close(4);
    for (;;) pause();
  });
  const auto answer = worker.ask(1);
  INFO(rt.describe(answer.error()));
  CHECK(outcome(answer) == "worker_lost");
  CHECK(rt.join(worker).cause == exit_cause::closed_channel);
  oracle.check();
}
