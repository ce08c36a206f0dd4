// What is called where no run is, or where one is already.
#include <support/catch.hpp>
#include <support/victim.hpp>

#include <cstdlib>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <thread>

namespace {

caf::behavior idle() {
  return {[](int x) { return x; }};
}

std::optional<troupe::supervisor> kept;
caf::actor kept_child;

void use_what_is_kept() {
  std::cout << (kept->running() ? "runs" : "runs not") << std::endl;
  try {
    static_cast<void>(kept->which_children());
  } catch (const troupe::failure& e) {
    std::cout << troupe::sentence_of(e.error()) << std::endl;
  }
  caf::anon_send(kept_child, 1);
  std::cout << "sent" << std::endl;
}

int keeps_handles(troupe::runtime& rt, const std::string&) {
  kept = rt.supervise({.children = {{.id = "child", .start = troupe::run(idle)}}});
  kept_child = kept->child("child");
  std::atexit(use_what_is_kept);
  return 0;
}
const test::victim_role keeping{"keeps handles", keeps_handles};

/// Another run, in this thread or another, while one goes on.
int runs_twice(troupe::runtime&, const std::string& argument) {
  const auto run = [] {
    try {
      test::run_again();
    } catch (const std::logic_error& e) {
      std::cout << e.what() << std::endl;
    }
  };
  if (argument == "thread") {
    std::thread{run}.join();
  } else {
    run();
  }
  return 7;
}
const test::victim_role twice{"runs twice", runs_twice};

}  // namespace

TEST_CASE("handles that are used when run has returned say so", "[process][root]") {
  test::victim root{"keeps handles"};
  CHECK(root.line() == "runs not");
  CHECK(root.line() == "not_running: the supervisor has ended, as program::run has returned");
  CHECK(root.line() == "sent");
  CHECK(root.status() == 0);
}

TEST_CASE("a run within a run is refused", "[process][root]") {
  test::victim root{"runs twice", {GENERATE("", "thread"), {}, false}};
  CHECK(root.line().starts_with("program::run was called where it runs already: "));
  CHECK(WEXITSTATUS(root.status()) == 7);
}
