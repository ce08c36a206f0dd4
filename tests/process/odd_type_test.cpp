// Types whose own code refuses to write or to read a value.
#include <support/oracle.hpp>
#include <support/processes.hpp>
#include <support/supervised.hpp>

#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <thread>

namespace {

constexpr int unwritable = 13;
constexpr int unreadable = 14;

struct picky {
  int code = 0;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, picky& x) {
  if constexpr (Inspector::writes_state) {
    auto result = f(x.code);
    if (x.code == unreadable) throw std::runtime_error{"not to be read"};
    return result;
  } else {
    if (x.code == unwritable) throw std::runtime_error{"not to be written"};
    return f(x.code);
  }
}

using taker = caf::typed_actor<caf::replies_to<picky>::with<int>, caf::replies_to<int>::with<int>>;

taker::behavior_type taking(taker::pointer) {
  return {[](const picky& x) { return x.code; }, [](int x) { return x; }};
}

using listener = caf::typed_actor<caf::reacts_to<picky>>;
using telling = caf::typed_actor<caf::reacts_to<listener>>;

listener::behavior_type listening(listener::pointer) {
  return {[](const picky&) {}};
}

/// Says what can't be read, and dies before anybody has.
telling::behavior_type tell_and_die(telling::pointer self) {
  return {[=](const listener& to) {
    self->send(to, picky{1});
    self->send(to, picky{unreadable});
    std::abort();
  }};
}

template <class What>
std::string outcome_of(const taker& whom, const What& what) {
  return test::outcome_of(caf::actor_cast<caf::actor>(whom), what);
}

}  // namespace

TEST_CASE("a value that can't be written or read is refused, and costs nobody a life",
          "[process][actor]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  {
    auto tree = rt.supervise({.children = {{.id = "taker", .start = troupe::run(taking)}}});
    const auto child = caf::actor_cast<taker>(tree.child("taker"));
    for (const int code : {unwritable, unreadable}) {
      rt.self()->send(child, picky{code});
      CHECK(outcome_of(child, picky{code}) == "bad_message");
      CHECK(outcome_of(child, picky{1}) == "value");
    }
    std::thread{[&] { caf::anon_send(child, picky{unwritable}); }}.join();
    CHECK(outcome_of(child, 5) == "value");
    CHECK(tree.which_child("taker")->restarts == 0);
    tree.stop();
  }
  oracle.check();
}

TEST_CASE("a request that can't be read when it comes back is answered, and its child restarts",
          "[process][supervisor]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  {
    auto tree = rt.supervise({.children = {{.id = "taker", .start = troupe::run(taking)}}});
    const auto child = caf::actor_cast<taker>(tree.child("taker"));
    test::kill_process(*tree.which_child("taker")->pid, SIGSTOP);  // it begins nothing
    auto good = rt.self()->request(child, caf::infinite, 7);
    auto bad = rt.self()->request(child, caf::infinite, picky{unreadable});
    test::kill_child(tree, "taker");
    std::string outcomes;
    const auto value = [&](int) { outcomes += "value "; };
    const auto error = [&](const caf::error& e) { outcomes += test::outcome(e) + ' '; };
    good.receive(value, error);
    bad.receive(value, error);
    CHECK(outcomes == "value bad_message ");
    CHECK(tree.which_child("taker")->restarts == 1);
    tree.stop();
  }
  oracle.check();
}

TEST_CASE("what a dead worker said last may be unreadable", "[process][supervisor]") {
  const test::oracle oracle;
  test::event_log log;
  auto& rt = test::runtime();
  {
    constexpr int lives = 20;
    auto tree = rt.supervise(
        {.intensity = lives, .children = {{.id = "teller", .start = troupe::run(tell_and_die)}}});
    const auto to = rt.spawn(troupe::in_process, listening);
    const auto child = caf::actor_cast<telling>(tree.child("teller"));
    for (int i = 0; i < lives; ++i) {
      rt.self()->send(child, to);
      log.wait_for_restart("teller");
    }
    CHECK(tree.which_child("teller")->restarts == lives);
    tree.stop();
    caf::anon_send_exit(to, caf::exit_reason::user_shutdown);
  }
  oracle.check();
}
