#include <support/catch.hpp>
#include <support/ledger.hpp>
#include <support/oracle.hpp>
#include <support/outcome.hpp>
#include <support/processes.hpp>
#include <support/runtime.hpp>
#include <support/settings.hpp>

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <stdexcept>

using namespace std::chrono_literals;
using test::outcome;
using troupe::exit_cause;

namespace {

std::uint64_t noted_work(const std::string& ledger, std::uint64_t n) {
  test::note(ledger, n);
  return 2 * n;
}

std::vector<std::uint8_t> large_answer(std::uint32_t bytes) {
  return std::vector<std::uint8_t>(bytes, std::uint8_t{7});
}

enum class way {
  segv,
  abort,
  fpe,
  bus,
  terminate,
  throw_in_noexcept,
  exit,
  underscore_exit,
  quick_exit
};

void throw_up() {
  throw std::runtime_error{"thrown out of noexcept"};
}
void throw_in_noexcept() noexcept {
  throw_up();
}

void touch(void* memory) {
  *static_cast<volatile int*>(memory) = 1;
}

int end_by(way how) {
  switch (how) {
    case way::segv:
      touch(mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
      break;
    case way::abort:
      std::abort();
    case way::fpe:
      std::raise(SIGFPE);
      break;
    case way::bus:  // a page beyond the end of a file
      touch(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, memfd_create("empty", 0), 0));
      break;
    case way::terminate:
      std::terminate();
    case way::throw_in_noexcept:
      throw_in_noexcept();
      break;
    case way::exit:
      std::exit(0);
    case way::underscore_exit:
      _exit(0);
    case way::quick_exit:
      std::quick_exit(0);
  }
  return 0;
}

/// Ends later, while the worker waits for a message.
int end_when_signaled(way how) {
  static way chosen;
  chosen = how;
  std::signal(SIGUSR1, [](int) { end_by(chosen); });
  return 0;
}

int echo(int x) {
  return x;
}

}  // namespace

TEST_CASE("a worker killed at any instant leaves each request exactly one right outcome",
          "[process][crash]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  std::vector<std::chrono::nanoseconds> seen_after;
  for (int round = 0; round < test::times(100, 1000); ++round) {
    const test::ledger ledger;
    const auto worker = rt.serve(noted_work);
    REQUIRE(worker.ask(ledger.place(), 0).value() == 0);
    std::vector<troupe::pending<std::uint64_t>> answers;
    for (std::uint64_t n = 1; n <= 100; ++n) answers.push_back(worker.submit(ledger.place(), n));
    rt.flush();
    const auto work_until =
        std::chrono::steady_clock::now() + std::chrono::microseconds{test::random_up_to(600)};
    while (std::chrono::steady_clock::now() < work_until) static_cast<void>(rt.join(worker, 0ns));

    const auto killed = std::chrono::steady_clock::now();
    rt.kill(worker);
    const auto report = rt.join(worker);
    seen_after.push_back(std::chrono::steady_clock::now() - killed);

    INFO(report.sentence());
    REQUIRE(report.cause == exit_cause::killed);
    REQUIRE(report.signal == SIGKILL);
    const auto notes = ledger.notes();
    int lost = 0;
    for (std::uint64_t n = 1; n <= answers.size(); ++n) {
      const auto answer = answers[n - 1].get();
      INFO("request " << n);
      if (answer) {
        REQUIRE(*answer == 2 * n);
        REQUIRE(notes.at(n) == 1);
      } else if (answer.error() == troupe::errc::not_started) {
        REQUIRE(notes.count(n) == 0);
      } else {
        REQUIRE(outcome(answer) == "worker_lost");
        REQUIRE(troupe::report_of(answer.error())->pid == report.pid);
        ++lost;
      }
    }
    REQUIRE(lost <= 1);
    REQUIRE(outcome(worker.ask(ledger.place(), 0)) == "stopped");
  }
  std::sort(seen_after.begin(), seen_after.end());
  std::cout << "a death is seen after " << seen_after[seen_after.size() / 2].count() / 1000
            << " us, at most " << seen_after.back().count() / 1000 << " us\n";
  oracle.check();
}

TEST_CASE("a worker killed while it writes a large answer is a failure of that answer",
          "[process][crash]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  for (int round = 0; round < test::times(30, 300); ++round) {
    const auto worker = rt.serve(large_answer);
    REQUIRE(worker.ask(1).value().size() == 1);
    auto large = worker.submit(3 << 20);
    auto after = worker.submit(1);
    rt.flush();
    const auto work_until =
        std::chrono::steady_clock::now() + std::chrono::microseconds{test::random_up_to(3000)};
    while (std::chrono::steady_clock::now() < work_until) static_cast<void>(rt.join(worker, 0ns));
    rt.kill(worker);
    const auto report = rt.join(worker);
    const auto answer = large.get();
    if (answer) {
      REQUIRE(answer->size() == 3 << 20);
    } else if (outcome(answer) != "not_started") {
      REQUIRE(outcome(answer) == "worker_lost");
      REQUIRE(outcome(after.get()) == "not_started");
    }
  }
  oracle.check();
}

TEST_CASE("a process killed while it starts has one report and its requests one outcome each",
          "[process][crash][start]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  for (int round = 0; round < test::times(60, 600); ++round) {
    const auto worker = rt.serve(echo);
    auto answer = worker.submit(1);
    const auto work_until =
        std::chrono::steady_clock::now() + std::chrono::microseconds{test::random_up_to(1500)};
    while (round % 10 != 0 && std::chrono::steady_clock::now() < work_until)
      static_cast<void>(rt.join(worker, 0ns));
    rt.kill(worker);
    const auto report = rt.join(worker);
    INFO(report.sentence());
    REQUIRE(report.cause == exit_cause::killed);
    const auto got = answer.get();
    REQUIRE((outcome(got) == "value" || outcome(got) == "not_started" ||
             outcome(got) == "worker_lost"));
  }
  oracle.check();
}

TEST_CASE("a signal that somebody else sent is told apart from one of this program",
          "[process][crash]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto worker = rt.serve(echo);
  REQUIRE(worker.ask(1).value() == 1);
  REQUIRE(test::kill_process(worker.pid()));
  const auto report = rt.join(worker);
  CHECK(report.cause == exit_cause::signaled);
  CHECK(report.signal == SIGKILL);
  CHECK(test::contains(report.sentence(), "was killed by SIGKILL"));
  oracle.check();
}

TEST_CASE("a crash in the middle of a request is told with its signal", "[process][crash]") {
  struct row {
    way how;
    int signal;
    const char* name;
  };
  const test::oracle oracle;
  auto& rt = test::runtime();
  for (const row& r :
       {row{way::segv, SIGSEGV, "SIGSEGV"}, row{way::abort, SIGABRT, "SIGABRT"},
        row{way::fpe, SIGFPE, "SIGFPE"}, row{way::bus, SIGBUS, "SIGBUS"},
        row{way::terminate, SIGABRT, "SIGABRT"}, row{way::throw_in_noexcept, SIGABRT, "SIGABRT"}}) {
    const auto worker = rt.serve(end_by);
    auto crashing = worker.submit(r.how);
    auto behind = worker.submit(way::exit);
    const auto answer = crashing.get();
    INFO(rt.describe(answer.error()));
    REQUIRE(outcome(answer) == "worker_lost");
    CHECK(outcome(behind.get()) == "not_started");
    const auto report = *troupe::report_of(answer.error());
    CHECK(report.cause == exit_cause::signaled);
    CHECK(report.signal == r.signal);
    CHECK(report.in_progress);
    CHECK(report.last_message == 2);
    CHECK(test::contains(rt.describe(answer.error()), std::string{"was killed by "} + r.name));
    CHECK(test::contains(rt.describe(answer.error()), "may have been carried out"));
  }
  oracle.check();
}

TEST_CASE("the text of an uncaught exception is the end of a process's stderr",
          "[process][crash]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto thrower = rt.spawn([] { throw std::runtime_error{"no more paper"}; });
  const auto report = rt.join(thrower);
  CHECK(report.cause == exit_cause::exited);
  CHECK(report.exit_code == 1);
  CHECK(test::contains(report.stderr_tail, "ended by an exception: no more paper"));

  const auto odd = rt.join(rt.spawn([] { throw 7; }));
  CHECK(odd.exit_code == 1);
  CHECK(test::contains(odd.stderr_tail, "no std::exception"));
  oracle.check();
}

TEST_CASE("an exit with code 0 in the middle of a request is a failure of that request",
          "[process][crash][exit]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  for (const way how : {way::exit, way::underscore_exit, way::quick_exit}) {
    const auto worker = rt.serve(end_by);
    auto ending = worker.submit(how);
    auto behind = worker.submit(how);
    const auto answer = ending.get();
    INFO(rt.describe(answer.error()));
    CHECK(outcome(answer) == "worker_lost");
    CHECK(outcome(behind.get()) == "not_started");
    const auto report = rt.join(worker);
    CHECK(report.cause == exit_cause::exited);
    CHECK(report.exit_code == 0);
    CHECK(report.in_progress);
  }
  oracle.check();
}

TEST_CASE("an exit with code 0 of an idle worker leaves nothing in progress",
          "[process][crash][exit]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  for (const way how : {way::exit, way::underscore_exit, way::quick_exit}) {
    const auto worker = rt.serve(end_when_signaled);
    REQUIRE(worker.ask(how).value() == 0);
    rt.kill(worker, SIGUSR1);
    const auto report = rt.join(worker);
    INFO(report.sentence());
    CHECK(report.cause == exit_cause::exited);
    CHECK(report.exit_code == 0);
    CHECK_FALSE(report.in_progress);
    CHECK(outcome(worker.ask(how)) == "stopped");
  }
  oracle.check();
}

TEST_CASE("killing a process that has ended does nothing", "[process][crash]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto worker = rt.serve(echo);
  rt.kill(worker);
  const auto first = rt.join(worker);
  rt.kill(worker);
  rt.kill(worker, SIGTERM);
  CHECK(rt.stop(worker).sentence() == first.sentence());
  CHECK_FALSE(worker.running());
  oracle.check();
}
