// A worker whose stack is full dies of SIGSEGV like many others, and its report tells it from them.
#include <support/oracle.hpp>
#include <support/supervised.hpp>

#include <csignal>
#include <thread>

using test::contains;
using test::outcome;

namespace {

/// So deep that no stack is enough for it.
constexpr int for_ever = 1'000'000'000;

int recurse(int depth) {
  volatile char here[512];
  here[depth % 512] = static_cast<char>(depth);
  return depth == 0 ? 0 : recurse(depth - 1) + here[depth % 512];
}

int large_local(int) {
  volatile char large[16 << 20];
  large[0] = 1;
  return large[0];
}

int recurse_in_thread(int depth) {
  std::thread{[depth] { recurse(depth); }}.join();
  return 0;
}

int touch_null(int) {
  volatile int* volatile nowhere = nullptr;
  *nowhere = 1;
  return 0;
}

int raise_segv(int) {
  return raise(SIGSEGV);
}

caf::behavior deep(caf::event_based_actor*) {
  return {[](int depth) { return recurse(depth); }};
}

troupe::exit_report report_after(int (*what)(int)) {
  auto& rt = test::runtime();
  const auto worker = rt.serve(what);
  const auto answer = worker.ask(for_ever);
  CHECK(outcome(answer) == "worker_lost");
  return rt.join(worker);
}

}  // namespace

TEST_CASE("a stack overflow is told from other ends by SIGSEGV", "[process][crash]") {
  const test::oracle oracle;
  for (const auto what : {recurse, large_local}) {
    const auto report = report_after(what);
    CHECK(report.cause == troupe::exit_cause::signaled);
    CHECK(report.signal == SIGSEGV);
    CHECK(report.stack_overflow);
    CHECK(contains(report.sentence(), "killed by SIGSEGV"));
    CHECK(contains(report.sentence(), "stack overflow"));
  }
  // The last one: only the stack of a worker's main thread is watched.
  for (const auto what : {touch_null, raise_segv, recurse_in_thread}) {
    const auto report = report_after(what);
    CHECK(report.signal == SIGSEGV);
    CHECK_FALSE(report.stack_overflow);
    CHECK_FALSE(contains(report.sentence(), "stack overflow"));
  }
  oracle.check();
}

TEST_CASE("a supervised actor's stack overflow is in its report, and it is restarted",
          "[process][supervisor]") {
  const test::oracle oracle;
  test::event_log log;
  {
    auto tree =
        test::runtime().supervise({.children = {{.id = "deep", .start = troupe::run(deep)}}});
    const auto child = tree.child("deep");
    CHECK(test::outcome_of(child, for_ever) == "worker_lost");
    const auto end = log.wait_for(test::event_log::kind::exited, "deep");
    CHECK(contains(end.reason, "stack overflow"));
    CHECK(test::ask(child, 1) == 1);
    CHECK(tree.which_child("deep")->restarts == 1);
    tree.stop();
  }
  oracle.check();
}
