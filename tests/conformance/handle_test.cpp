#include "actors.hpp"
#include "subject.hpp"

#include <set>
#include <unordered_set>

using test::subject;
using test::typed_adder;

namespace {

/// Gives handles away: its own, the sender's, those it was given.
caf::behavior giving(caf::event_based_actor* self) {
  return {[=](caf::get_atom) { return caf::actor{self}; },
          [=](caf::contact_atom) { return caf::actor_cast<caf::actor>(self->current_sender()); },
          [](const caf::actor& x) { return x; },
          [](const caf::actor_addr& x) { return x; },
          [](const caf::strong_actor_ptr& x) { return x; },
          [=](caf::ping_atom) {
            self->send(caf::actor_cast<caf::actor>(self->current_sender()), "pong");
          },
          [=](const caf::actor& whom, const std::string& text) { self->send(whom, text); },
          [=](const std::vector<caf::actor>& all) {
            for (const auto& each : all) self->send(each, static_cast<int>(all.size()));
          },
          [=](const caf::actor& one, const caf::actor& other) { return one == other; }};
}

struct kept {
  caf::actor whom;
};

/// Keeps the last handle; sends numbers there.
caf::behavior keeping(caf::stateful_actor<kept>* self) {
  return {[=](const caf::actor& whom) { self->state.whom = whom; },
          [=](int x) { return self->delegate(self->state.whom, x); }};
}

using typed_giving = caf::typed_actor<caf::replies_to<typed_adder, int, int>::with<int>,
                                      caf::replies_to<typed_adder>::with<typed_adder>>;

typed_giving::behavior_type typed_asking(typed_giving::pointer self) {
  return {[=](const typed_adder& whom, int a, int b) {
            return self->delegate(whom, caf::add_atom_v, a, b);
          },
          [](const typed_adder& whom) { return whom; }};
}

caf::behavior takes_typed(caf::event_based_actor* self, const typed_adder& whom) {
  return {[=](int a, int b) { return self->delegate(whom, caf::add_atom_v, a, b); }};
}

}  // namespace

TEST_CASE("an actor sends to the sender", "[conformance][handle]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(giving);
    s.self()->send(actor, caf::ping_atom_v);
    CHECK(s.next<std::string>() == "pong");
    CHECK(s.ask<void>(actor, caf::ping_atom_v));
    CHECK(s.next<std::string>() == "pong");
  });
}

TEST_CASE("the sender's handle is the requester's", "[conformance][handle]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(giving);
    CHECK(s.ask<caf::actor>(actor, caf::contact_atom_v) == s.me());
    const auto local = s.helper([actor, me = s.me()](caf::event_based_actor* self) {
      self->request(actor, caf::infinite, caf::contact_atom_v).then([=](const caf::actor& x) {
        self->send(me, x == self);
      });
    });
    CHECK(s.next<bool>());
  });
}

TEST_CASE("the sender of an answer is the actor", "[conformance][handle]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(giving);
    s.self()->send(actor, s.me(), "text");
    s.self()->receive([&](const std::string&) {
      CHECK(caf::actor_cast<caf::actor>(s.self()->current_sender()) == actor);
    });
    s.self()
        ->request(actor, caf::infinite, caf::ping_atom_v)
        .receive([&] { CHECK(caf::actor_cast<caf::actor>(s.self()->current_sender()) == actor); },
                 [](const caf::error& error) { FAIL(test::text(error)); });
  });
}

TEST_CASE("an actor's handle comes back equal, and works", "[conformance][handle]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(giving);
    const auto own = s.ask<caf::actor>(actor, caf::get_atom_v);
    CHECK(own == actor);
    const auto given = s.ask<caf::actor>(actor, actor);
    REQUIRE(given == actor);
    CHECK(s.ask<caf::actor>(*given, caf::get_atom_v) == actor);
  });
}

TEST_CASE("handles of others come back equal", "[conformance][handle]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(giving);
    for (const auto& other : {s.spawn(giving), s.helper(giving), s.me()}) {
      CHECK(s.ask<caf::actor>(actor, other) == other);
      CHECK(s.ask<caf::actor_addr>(actor, other.address()) == other.address());
      const auto pointer = caf::actor_cast<caf::strong_actor_ptr>(other);
      CHECK(s.ask<caf::strong_actor_ptr>(actor, pointer) == pointer);
    }
  });
}

TEST_CASE("copies of a handle are equal, also where they arrive", "[conformance][handle]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(giving);
    const auto other = s.spawn(giving);
    const auto local = s.helper(giving);
    CHECK(s.ask<bool>(actor, other, other) == true);
    CHECK(s.ask<bool>(actor, local, local) == true);
    CHECK(s.ask<bool>(actor, actor, actor) == true);
    CHECK(s.ask<bool>(actor, actor, other) == false);
    CHECK(s.ask<bool>(actor, local, other) == false);
  });
}

TEST_CASE("handles are compared, ordered and hashed", "[conformance][handle]") {
  test::with_each_kind([](subject& s) {
    const auto one = s.spawn(giving);
    const auto other = s.spawn(giving);
    const auto copy = one;
    CHECK(one == copy);
    CHECK(one != other);
    CHECK(one.address() == copy.address());
    CHECK(one == one.address());
    CHECK((one < other) != (other < one));
    CHECK_FALSE(one < copy);
    CHECK(std::set<caf::actor>{one, other, copy}.size() == 2);
    CHECK(std::unordered_set<caf::actor>{one, other, copy}.size() == 2);
    CHECK(one.id() != other.id());
  });
}

TEST_CASE("a handle is cast to an address and back", "[conformance][handle]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(giving);
    const auto back = caf::actor_cast<caf::actor>(actor.address());
    CHECK(back == actor);
    CHECK(s.ask<caf::actor>(back, caf::get_atom_v) == actor);
    const auto typed = s.spawn(test::add);
    const auto dynamic = caf::actor_cast<caf::actor>(typed);
    CHECK(dynamic.address() == typed.address());
    CHECK(s.ask<int>(caf::actor_cast<typed_adder>(dynamic), caf::add_atom_v, 1, 2) == 3);
  });
}

TEST_CASE("an actor sends to the handles that it is given", "[conformance][handle]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(giving);
    s.self()->send(actor, s.me(), "text");
    CHECK(s.next<std::string>() == "text");
    s.self()->send(actor, std::vector<caf::actor>{s.me(), s.me(), s.me()});
    CHECK(s.next<int>(3) == std::vector{3, 3, 3});
    const auto other = s.spawn(test::recorder);
    CHECK(s.ask<void>(actor, other, "text"));
    CHECK(s.ask<std::string>(other, caf::get_atom_v) == "text ");
  });
}

TEST_CASE("a handle that only an actor has keeps its actor alive", "[conformance][handle]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(keeping);
    CHECK(s.ask<void>(actor, s.spawn(test::echo)));
    CHECK(s.ask<int>(actor, 1) == 1);
    CHECK(s.ask<void>(actor, s.helper(test::echo)));
    CHECK(s.ask<int>(actor, 2) == 2);
  });
}

TEST_CASE("an invalid handle arrives as one", "[conformance][handle]") {
  test::with_each_kind([](subject& s) {
    const auto back = s.ask<caf::strong_actor_ptr>(s.spawn(giving), caf::strong_actor_ptr{});
    REQUIRE(back);
    CHECK(*back == nullptr);
  });
}

TEST_CASE("typed handles are arguments and values of messages", "[conformance][handle][typed]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(typed_asking);
    for (const auto& adder : {s.spawn(test::add), s.helper(test::add)}) {
      CHECK(s.ask<int>(actor, adder, 2, 40) == 42);
      CHECK(s.ask<typed_adder>(actor, adder) == adder);
      CHECK(s.ask<int>(s.spawn(takes_typed, adder), 2, 40) == 42);
    }
  });
}
