#include "actors.hpp"
#include "subject.hpp"

using namespace std::chrono_literals;
using test::subject;

namespace {

struct count_state {
  int count = 0;
  int wrong = 0;
};

/// Counts what doesn't come in the order 0, 1, 2...
caf::behavior counter(caf::stateful_actor<count_state>* self) {
  return {[=](int x) {
            if (x != self->state.count++) ++self->state.wrong;
          },
          [=](caf::get_atom) { return std::make_tuple(self->state.count, self->state.wrong); }};
}

caf::behavior counts_up(caf::event_based_actor* self) {
  return {[=](const caf::actor& whom, int n) {
    for (int i = 0; i < n; ++i) self->send(whom, i);
  }};
}

/// Says "none" to whoever asks when a message had no sender.
caf::behavior knows_sender(caf::stateful_actor<test::notes>* self) {
  return {[=](int) { self->state.text += self->current_sender() == nullptr ? "none " : "some "; },
          [=](caf::get_atom) { return self->state.text; }};
}

caf::behavior tells(caf::event_based_actor* self, const caf::actor& whom) {
  return {[=](int x) { self->send(whom, x); }};
}

caf::behavior ticks(caf::stateful_actor<count_state>* self) {
  return {[=](const caf::actor& whom) { self->delayed_send(self, 1ms, caf::tick_atom_v, whom); },
          [=](caf::tick_atom, const caf::actor& whom) {
            if (++self->state.count == 3) {
              self->send(whom, self->state.count);
            } else {
              self->delayed_send(self, 1ms, caf::tick_atom_v, whom);
            }
          }};
}

caf::behavior sends_itself(caf::stateful_actor<test::notes>* self) {
  return {[=](caf::put_atom) {
            self->send(self, 1);
            self->send(self, caf::ok_atom_v);
            self->send(self, 2);
            self->state.text += "begun ";
          },
          [=](int x) { self->state.text += std::to_string(x) + ' '; },
          [=](caf::ok_atom) { self->state.text += "ok "; },
          [=](caf::get_atom) { return self->state.text; }};
}

caf::behavior hurries_itself(caf::stateful_actor<test::notes>* self) {
  return {[=](caf::put_atom) {
            for (int i = 0; i < 50; ++i) self->send(self, 1);
            self->send<caf::message_priority::high>(self, 2);
          },
          [=](int x) { self->state.text += std::to_string(x) + ' '; },
          [=](caf::get_atom) { return self->state.text; }};
}

}  // namespace

TEST_CASE("messages of one sender arrive in order, before its next request",
          "[conformance][send]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(counter);
    for (int i = 0; i < 10'000; ++i) s.self()->send(actor, i);
    s.self()
        ->request(actor, caf::infinite, caf::get_atom_v)
        .receive(
            [](int count, int wrong) {
              CHECK(count == 10'000);
              CHECK(wrong == 0);
            },
            [](const caf::error& error) { FAIL(test::text(error)); });
  });
}

TEST_CASE("messages of an actor arrive in order", "[conformance][send]") {
  test::with_each_kind([](subject& s) {
    s.self()->send(s.spawn(counts_up), s.me(), 10'000);
    int wrong = 0;
    for (int i = 0; i < 10'000; ++i)
      if (s.next<int>() != i) ++wrong;
    CHECK(wrong == 0);
  });
}

TEST_CASE("messages go from actor to actor in order", "[conformance][send]") {
  test::with_each_kind([](subject& s) {
    s.self()->send(s.spawn(counts_up), s.spawn(tells, s.me()), 100);
    int wrong = 0;
    for (int i = 0; i < 100; ++i)
      if (s.next<int>() != i) ++wrong;
    CHECK(wrong == 0);
  });
}

TEST_CASE("messages of several types keep their order", "[conformance][send]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(test::recorder);
    s.self()->send(actor, 1);
    s.self()->send(actor, "two");
    s.self()->send(actor, 3);
    s.self()->send(actor, std::string{"four"});
    CHECK(s.ask<std::string>(actor, caf::get_atom_v) == "1 two 3 four ");
  });
}

TEST_CASE("a message sent anonymously has no sender", "[conformance][send]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(knows_sender);
    caf::anon_send(actor, 1);
    s.self()->send(actor, 2);
    caf::anon_send(actor, 3);
    CHECK(s.ask<std::string>(actor, caf::get_atom_v) == "none some none ");
    const auto teller = s.spawn(tells, s.me());
    caf::anon_send(teller, 4);
    CHECK(s.next<int>() == 4);
  });
}

TEST_CASE("a delayed message arrives", "[conformance][send][delayed]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(tells, s.me());
    s.self()->delayed_send(actor, 1ms, 1);
    CHECK(s.next<int>() == 1);
    caf::delayed_anon_send(actor, 1ms, 2);
    CHECK(s.next<int>() == 2);
    s.self()->delayed_send(actor, 0ms, 3);
    CHECK(s.next<int>() == 3);
  });
}

TEST_CASE("messages that are delayed alike arrive in order", "[conformance][send][delayed]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(tells, s.me());
    for (int i = 0; i < 10; ++i) s.self()->delayed_send(actor, 2ms, i);
    for (int i = 0; i < 10; ++i) CHECK(s.next<int>() == i);
  });
}

TEST_CASE("an actor sends itself delayed messages", "[conformance][send][delayed]") {
  test::with_each_kind([](subject& s) {
    s.self()->send(s.spawn(ticks), s.me());
    CHECK(s.next<int>() == 3);
  });
}

TEST_CASE("an actor sends itself messages", "[conformance][send]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(sends_itself);
    CHECK(s.ask<void>(actor, caf::put_atom_v));
    CHECK(s.ask<std::string>(actor, caf::get_atom_v) == "begun 1 ok 2 ");
  });
}

TEST_CASE("a schema message is sent", "[conformance][send]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn([](caf::event_based_actor* self) -> caf::behavior {
      return {[=](const caf::actor& whom, const troupe::msg<test::Shape>& shape) {
        self->send(whom, std::string{shape->getName().cStr()});
      }};
    });
    s.self()->send(actor, s.me(), troupe::make<test::Shape>([](auto m) { m.setName("ring"); }));
    CHECK(s.next<std::string>() == "ring");
  });
}

TEST_CASE("an urgent request is answered", "[conformance][send][priority]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(test::recorder);
    s.self()->send<caf::message_priority::high>(actor, 1);
    CHECK(s.answer<std::string>(s.self()->request<caf::message_priority::high>(
              actor, caf::infinite, caf::get_atom_v)) == "1 ");
  });
}

TEST_CASE("an urgent message overtakes what waits", "[conformance][send][priority]") {
  test::with_each_kind([](subject& s) {
    // From outside nobody can tell what waits already.
    const auto actor = s.spawn(hurries_itself);
    CHECK(s.ask<void>(actor, caf::put_atom_v));
    const auto seen = s.ask<std::string>(actor, caf::get_atom_v);
    REQUIRE(seen);
    CHECK(seen->size() == 102);
    CHECK(seen->find('2') < 100);
  });
}
