#include "actors.hpp"
#include "subject.hpp"

using test::subject;

namespace {

/// Delegates to whom the message names.
caf::behavior delegating(caf::event_based_actor* self) {
  return {[=](const caf::actor& whom, int x) { return self->delegate(whom, x); },
          [=](const caf::actor& next, const caf::actor& whom, int x) {
            return self->delegate(next, whom, x);
          }};
}

/// Delegates to whom it was given when it was spawned.
caf::behavior delegating_to(caf::event_based_actor* self, const caf::actor& whom) {
  return {[=](caf::add_atom add, int a, int b) { return self->delegate(whom, add, a, b); }};
}

/// Delegates to an actor that it spawned.
caf::behavior delegating_inside(caf::event_based_actor* self) {
  const auto inner = self->spawn(test::adder);
  return {[=](caf::add_atom add, int a, int b) { return self->delegate(inner, add, a, b); }};
}

/// Counts what it has answered.
caf::behavior counting(caf::stateful_actor<int>* self) {
  return {[=](int x) {
    self->state += x;
    return self->state;
  }};
}

/// Answers with the handle of the one who asks.
caf::behavior names_sender(caf::event_based_actor* self) {
  return {[=](int) { return caf::actor_cast<caf::actor>(self->current_sender()); }};
}

caf::behavior refusing() {
  return {[](int) -> caf::result<int> { return caf::sec::invalid_argument; }};
}

test::typed_adder::behavior_type typed_delegating(test::typed_adder::pointer self,
                                                  const test::typed_adder& whom) {
  return {[=](caf::add_atom add, int a, int b) { return self->delegate(whom, add, a, b + 1); }};
}

}  // namespace

TEST_CASE("an actor delegates to the actor that a message names", "[conformance][delegate]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(delegating);
    CHECK(s.ask<int>(actor, s.helper(test::echo), 42) == 42);
    CHECK(s.ask<int>(actor, s.spawn(test::echo), 43) == 43);
  });
}

TEST_CASE("an actor delegates to an argument of its own", "[conformance][delegate]") {
  test::with_each_kind([](subject& s) {
    CHECK(s.ask<int>(s.spawn(delegating_to, s.helper(test::adder)), caf::add_atom_v, 2, 40) == 42);
    CHECK(s.ask<int>(s.spawn(delegating_to, s.spawn(test::adder)), caf::add_atom_v, 2, 40) == 42);
  });
}

TEST_CASE("an actor delegates to one that it spawned", "[conformance][delegate]") {
  test::with_each_kind([](subject& s) {
    CHECK(s.ask<int>(s.spawn(delegating_inside), caf::add_atom_v, 2, 40) == 42);
  });
}

TEST_CASE("a request is delegated twice", "[conformance][delegate]") {
  test::with_each_kind([](subject& s) {
    const auto first = s.spawn(delegating);
    CHECK(s.ask<int>(first, s.spawn(delegating), s.spawn(test::echo), 42) == 42);
    CHECK(s.ask<int>(first, s.helper(delegating), s.spawn(test::echo), 43) == 43);
    CHECK(s.ask<int>(first, first, s.helper(test::echo), 44) == 44);
  });
}

TEST_CASE("who is delegated to sees the first sender", "[conformance][delegate]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(delegating);
    CHECK(s.ask<caf::actor>(actor, s.helper(names_sender), 1) == s.me());
    CHECK(s.ask<caf::actor>(actor, s.spawn(names_sender), 1) == s.me());
  });
}

TEST_CASE("the error of who is delegated to reaches the requester", "[conformance][delegate]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(delegating);
    CHECK(s.ask<int>(actor, s.spawn(refusing), 1) == caf::sec::invalid_argument);
    CHECK(s.ask<int>(actor, s.helper(refusing), 1) == caf::sec::invalid_argument);
    CHECK(s.ask<int>(actor, s.spawn(test::adder), 1) == caf::sec::unexpected_message);
  });
}

TEST_CASE("a send is delegated", "[conformance][delegate]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(delegating);
    const auto target = s.spawn(counting);
    s.self()->send(actor, target, 2);
    CHECK(s.next<int>() == 2);
    s.self()->send(actor, target, 3);
    CHECK(s.next<int>() == 5);
  });
}

TEST_CASE("delegated requests keep their order", "[conformance][delegate]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(delegating);
    const auto target = s.spawn(counting);
    std::vector<decltype(s.self()->request(actor, caf::infinite, target, 1))> open;
    for (int i = 0; i < 100; ++i)
      open.push_back(s.self()->request(actor, caf::infinite, target, 1));
    for (int i = 0; i < 100; ++i) CHECK(s.answer<int>(open[static_cast<std::size_t>(i)]) == i + 1);
  });
}

TEST_CASE("a typed actor delegates", "[conformance][delegate][typed]") {
  test::with_each_kind([](subject& s) {
    const auto local = s.helper(test::add);
    const auto other = s.spawn(test::add);
    CHECK(s.ask<int>(s.spawn(typed_delegating, local), caf::add_atom_v, 2, 40) == 43);
    CHECK(s.ask<int>(s.spawn(typed_delegating, other), caf::add_atom_v, 2, 40) == 43);
  });
}

TEST_CASE("composed actors are asked one after the other", "[conformance][delegate]") {
  test::with_each_kind([](subject& s) {
    const auto one = s.spawn([]() -> caf::behavior { return {[](int x) { return x + 1; }}; });
    const auto other = s.spawn([]() -> caf::behavior { return {[](int x) { return 10 * x; }}; });
    CHECK(s.ask<int>(one * other, 4) == 41);
    CHECK(s.ask<int>(other * one, 4) == 50);
    CHECK(s.ask<int>(other * s.helper(test::echo), 4) == 40);
  });
}
