// What the host program, or whoever started it, does with signals.
#include <support/catch.hpp>
#include <support/oracle.hpp>
#include <support/outcome.hpp>
#include <support/processes.hpp>
#include <support/runtime.hpp>
#include <support/settings.hpp>
#include <support/victim.hpp>

#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <iostream>
#include <numeric>
#include <ranges>
#include <thread>

using namespace std::chrono_literals;
using test::outcome;
using troupe::exit_cause;

namespace {

/// Sets a disposition for one test.
class disposition {
public:
  disposition(int signal, void (*handler)(int), int flags) : signal_(signal) {
    struct sigaction action {};
    action.sa_handler = handler;
    action.sa_flags = flags;
    sigaction(signal, &action, &before_);
  }
  ~disposition() { sigaction(signal_, &before_, nullptr); }

private:
  int signal_;
  struct sigaction before_ {};
};

std::atomic<int> ticks = 0;
void count_tick(int) {
  ++ticks;
}

void tick_every(std::chrono::microseconds interval) {
  const itimerval timer{{0, interval.count()}, {0, interval.count()}};
  setitimer(ITIMER_REAL, &timer, nullptr);
}

int square(int x) {
  return x * x;
}
int crash(int) {
  abort();
}
int wait_for_ever(int) {
  for (;;) pause();
}

/// Some of everything.
void busy_scenario(bool causes_are_known) {
  auto& rt = test::runtime();
  rt.wait_all();  // what other tests did not join
  for (int round = 0; round < 5; ++round) {
    {
      auto pool = rt.pool(2);
      const auto squares = pool.map(square, std::views::iota(0, 500));
      for (int i = 0; i < 500; ++i) REQUIRE(squares[static_cast<std::size_t>(i)].value() == i * i);
    }
    const auto bytes = rt.serve([](const std::string& text) { return text; });
    REQUIRE(bytes.ask(std::string(300'000, 'x')).value().size() == 300'000);
    REQUIRE(rt.stop(bytes).signal.has_value() == false);
    const auto crashing = rt.serve(crash);
    const auto lost = crashing.ask(1);
    REQUIRE(outcome(lost) == "worker_lost");
    const auto cause = troupe::report_of(lost.error())->cause;
    REQUIRE((cause == exit_cause::signaled || (!causes_are_known && cause == exit_cause::unknown)));
    const auto waiting = rt.serve(wait_for_ever);
    auto answer = waiting.submit(1);
    REQUIRE(outcome(waiting.submit(1).get_within(5ms)) == "request_timeout");
    rt.stop(waiting, 50ms);
    REQUIRE_FALSE(answer.get());
    for (int i = 0; i < 5; ++i) rt.spawn([](int code) { return code; }, i);
    const auto reports = rt.wait_all();
    for (int i = 0; i < 5; ++i) {
      const auto& report = reports[static_cast<std::size_t>(i)];
      INFO(report.sentence());
      if (report.cause == exit_cause::unknown) {
        REQUIRE_FALSE(causes_are_known);
      } else {
        REQUIRE(report.exit_code == i);
      }
    }
  }
}

/// Signals of a worker that are not as a program expects them, as text. SIGSEGV is handled to tell
/// of a full stack.
std::string odd_signals() {
  std::string odd;
  sigset_t mask;
  sigprocmask(SIG_SETMASK, nullptr, &mask);
  for (int signal = 1; signal < NSIG; ++signal) {
    struct sigaction action {};
    if (sigaction(signal, nullptr, &action) != 0) continue;
    if (signal != SIGSEGV && action.sa_handler != SIG_DFL)
      odd += " disposition of " + std::to_string(signal);
    if (sigismember(&mask, signal) == 1) odd += " blocked " + std::to_string(signal);
  }
  return odd;
}

std::string odd_signals_below(troupe::runtime& rt) {
  const auto worker = rt.serve(odd_signals);
  return odd_signals() + worker.ask().value();
}

const test::victim_role oddly_started{
    "oddly started", [](troupe::runtime& rt, const std::string&) {
      const auto worker = rt.serve(odd_signals_below);
      const auto odd = worker.ask();
      std::cout << "odd:" << (odd ? *odd : rt.describe(odd.error())) << std::endl;
      return 0;
    }};

}  // namespace

TEST_CASE("a host that ignores SIGCHLD still learns of every death", "[process][signal]") {
  const test::oracle oracle;
  {
    const disposition ignored{SIGCHLD, SIG_IGN, 0};
    busy_scenario(false);
  }
  oracle.check();
}

TEST_CASE("a host with SA_NOCLDWAIT still learns of every death", "[process][signal]") {
  const test::oracle oracle;
  {
    const disposition no_zombies{SIGCHLD, SIG_DFL, SA_NOCLDWAIT};
    busy_scenario(false);
  }
  oracle.check();
}

TEST_CASE("a host thread that waits for every child takes no answer away", "[process][signal]") {
  const test::oracle oracle;
  std::atomic<bool> stop = false;
  std::thread thief{[&stop] {
    while (!stop) waitpid(-1, nullptr, 0);
  }};
  busy_scenario(false);
  stop = true;
  // Its last wait ends with a child of the test's own.
  const int last = test::start_program({"true"});
  thief.join();
  waitpid(last, nullptr, 0);
  oracle.check();
}

TEST_CASE("system calls that a signal interrupts go on", "[process][signal]") {
  const test::oracle oracle;
  {
    const disposition handled{SIGALRM, count_tick, 0};
    tick_every(1ms);
    busy_scenario(true);
    tick_every(0us);
  }
  CHECK(ticks > 10);
  oracle.check();
}

TEST_CASE("system calls that a signal interrupts in a worker go on", "[process][signal]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto worker = rt.serve([](const std::string& text) {
    static const auto before = std::signal(SIGALRM, SIG_DFL);
    static_cast<void>(before);
    static const bool once = [] {
      struct sigaction action {};
      action.sa_handler = count_tick;
      sigaction(SIGALRM, &action, nullptr);
      tick_every(1ms);
      return true;
    }();
    static_cast<void>(once);
    return text;
  });
  for (int i = 0; i < 100; ++i)
    REQUIRE(worker.ask(std::string(100'000, 'x')).value().size() == 100'000);
  static_cast<void>(rt.join(worker, 20ms));  // interrupts while it sleeps
  for (int i = 0; i < 100; ++i) REQUIRE(worker.ask("y").value() == "y");
  CHECK(rt.stop(worker).success());
  oracle.check();
}

TEST_CASE("a write to a dead worker is no SIGPIPE for the host", "[process][signal]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const disposition usual{SIGPIPE, SIG_DFL, 0};
  for (int round = 0; round < test::times(20, 200); ++round) {
    const auto worker = rt.serve([](const std::string& text) { return text; });
    REQUIRE(worker.ask("x").value() == "x");
    REQUIRE(test::kill_process(worker.pid()));
    REQUIRE(test::ended({worker.pid()}, 10s));
    // The loop has not run: the runtime does not know yet.
    std::vector<troupe::pending<std::string>> answers;
    for (int i = 0; i < 20; ++i) answers.push_back(worker.submit(std::string(20'000, 'x')));
    rt.flush();
    for (auto& answer : answers) REQUIRE(outcome(answer.get()) != "value");
  }
  oracle.check();
}

TEST_CASE("a worker has no signal ignored, handled or blocked", "[process][signal]") {
  const test::oracle oracle;
  const disposition handled{SIGUSR1, count_tick, 0};
  const disposition ignored{SIGPIPE, SIG_IGN, 0};
  sigset_t some, before;
  sigemptyset(&some);
  sigaddset(&some, SIGTERM);
  sigaddset(&some, SIGUSR2);
  pthread_sigmask(SIG_BLOCK, &some, &before);
  const auto worker = test::runtime().serve(odd_signals_below);
  CHECK(worker.ask().value().empty());
  test::runtime().stop(worker);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  oracle.check();
}

TEST_CASE("a worker has usual signals though its program was started with odd ones",
          "[process][signal]") {
  test::victim program{"oddly started", {"", {}, true}};
  CHECK(program.line() == "odd:");
  CHECK(WEXITSTATUS(program.status()) == 0);
}
