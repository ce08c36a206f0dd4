#include "actors.hpp"
#include "subject.hpp"

using test::subject;

namespace {

/// Spawns an actor, asks it, answers with its answer.
caf::behavior asking_inside(caf::event_based_actor* self) {
  const auto inner = self->spawn(test::adder);
  return {[=](int x) {
    auto promise = self->make_response_promise<int>();
    self->request(inner, caf::infinite, caf::add_atom_v, x, 1).then([=](int y) mutable {
      promise.deliver(y);
    });
    return promise;
  }};
}

caf::behavior summing(caf::event_based_actor* self, int value, const caf::actor& parent) {
  self->send(parent, value);
  return {[](caf::get_atom) {}};
}

struct sum {
  int missing = 0;
  int total = 0;
  caf::response_promise promise;
};

/// Spawns as many actors as asked for and adds up what they send.
caf::behavior parent(caf::stateful_actor<sum>* self) {
  return {[=](caf::spawn_atom, int n) {
            self->state.missing = n;
            self->state.promise = self->make_response_promise();
            for (int i = 1; i <= n; ++i) self->spawn(summing, i, caf::actor{self});
            return self->state.promise;
          },
          [=](int x) {
            self->state.total += x;
            if (--self->state.missing == 0) self->state.promise.deliver(self->state.total);
          }};
}

caf::behavior typed_inside(caf::event_based_actor* self) {
  const auto inner = self->spawn(test::add);
  return {[=](int a, int b) { return self->delegate(inner, caf::add_atom_v, a, b); }};
}

/// Watches an actor of its own, tells how it ended.
caf::behavior watching(caf::event_based_actor* self, const caf::actor& observer) {
  const auto inner = self->spawn<caf::monitored>(test::mortal);
  self->set_down_handler([=](const caf::down_msg& down) {
    self->send(observer,
               down.reason == caf::exit_reason::user_shutdown && down.source == inner.address());
  });
  return {[=](caf::close_atom) {
    self->send(inner, caf::close_atom_v, caf::exit_reason::user_shutdown);
  }};
}

/// Ends with an actor of its own.
caf::behavior linked_inside(caf::event_based_actor* self) {
  const auto inner = self->spawn<caf::linked>(test::mortal);
  return {[=](caf::close_atom) {
    self->send(inner, caf::close_atom_v, caf::exit_reason::user_shutdown);
  }};
}

/// Gives away actors that it spawns.
caf::behavior factory(caf::event_based_actor* self) {
  return {[=](caf::spawn_atom) { return self->spawn(test::mortal); },
          [=](const caf::actor& x) { return x; }};
}

caf::behavior printing(caf::event_based_actor* self) {
  return {[=](const std::string& text) {
    caf::aout(self) << text << std::endl;
    return text.size() == 4;
  }};
}

caf::behavior detached_inside(caf::event_based_actor* self) {
  const auto inner = self->spawn<caf::detached>(test::adder);
  return {[=](int x) { return self->delegate(inner, caf::add_atom_v, x, 1); }};
}

}  // namespace

TEST_CASE("an actor asks one that it spawned", "[conformance][inside]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(asking_inside);
    for (int i = 0; i < 10; ++i) CHECK(s.ask<int>(actor, i) == i + 1);
  });
}

TEST_CASE("an actor spawns many", "[conformance][inside]") {
  test::with_each_kind(
      [](subject& s) { CHECK(s.ask<int>(s.spawn(parent), caf::spawn_atom_v, 100) == 5050); });
}

TEST_CASE("an actor spawns a typed one", "[conformance][inside][typed]") {
  test::with_each_kind([](subject& s) { CHECK(s.ask<int>(s.spawn(typed_inside), 2, 40) == 42); });
}

TEST_CASE("an actor spawns a detached one", "[conformance][inside]") {
  test::with_each_kind([](subject& s) { CHECK(s.ask<int>(s.spawn(detached_inside), 41) == 42); });
}

TEST_CASE("an actor monitors one that it spawned", "[conformance][inside]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(watching, s.me());
    s.self()->send(actor, caf::close_atom_v);
    CHECK(s.next<bool>());
  });
}

TEST_CASE("an actor ends with one that it spawned", "[conformance][inside]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(linked_inside);
    s.self()->send(actor, caf::close_atom_v);
    CHECK(s.end_of(actor) == caf::exit_reason::user_shutdown);
  });
}

TEST_CASE("an actor gives away one that it spawned", "[conformance][inside][handle]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(factory);
    const auto given = s.ask<caf::actor>(actor, caf::spawn_atom_v);
    REQUIRE(given);
    CHECK(*given != actor);
    CHECK(s.ask<int>(*given, 42) == 42);
    CHECK(s.ask<caf::actor>(actor, *given) == given);
    s.self()->send(*given, caf::close_atom_v, caf::exit_reason::user_shutdown);
    CHECK(s.end_of(*given) == caf::exit_reason::user_shutdown);
    CHECK(s.ask<int>(*given, 42) == caf::sec::request_receiver_down);
  });
}

TEST_CASE("an actor prints", "[conformance][inside]") {
  test::with_each_kind([](subject& s) { CHECK(s.ask<bool>(s.spawn(printing), "text") == true); });
}
