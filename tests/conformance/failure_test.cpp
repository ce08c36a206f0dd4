#include "actors.hpp"
#include "subject.hpp"

#include <stdexcept>

using test::subject;

namespace {

constexpr auto own_category = caf::atom("own");

caf::behavior throwing(caf::event_based_actor*) {
  return {[](int x) {
            if (x < 0) throw std::runtime_error("negative");
            if (x == 0) throw x;
            return x;
          },
          [](caf::put_atom) { throw std::runtime_error("on purpose"); }};
}

caf::behavior handling(caf::event_based_actor* self) {
  self->set_exception_handler([](caf::scheduled_actor*, std::exception_ptr& thrown) -> caf::error {
    try {
      std::rethrow_exception(thrown);
    } catch (const std::exception& e) {
      return {7, own_category, caf::make_message(std::string{e.what()})};
    } catch (...) {
      return caf::sec::invalid_argument;
    }
  });
  return throwing(self);
}

test::typed_adder::behavior_type typed_throwing() {
  return {[](caf::add_atom, int, int) -> int { throw std::runtime_error("on purpose"); }};
}

caf::behavior throws_at_start(caf::event_based_actor*) {
  throw std::runtime_error("on purpose");
}

caf::behavior quits_at_start(caf::event_based_actor* self) {
  self->quit(caf::exit_reason::user_shutdown);
  return {[](int x) { return x; }};
}

caf::behavior quits_before(caf::event_based_actor* self) {
  return {[=](int x) {
    self->quit();
    return x;
  }};
}

}  // namespace

TEST_CASE("an exception is the requester's error and the actor's end", "[conformance][failure]") {
  test::with_each_kind([](subject& s) {
    for (const int bad : {-1, 0}) {
      const auto actor = s.spawn(throwing);
      CHECK(s.ask<int>(actor, 42) == 42);
      CHECK(s.ask<int>(actor, bad) == caf::sec::runtime_error);
      CHECK(s.end_of(actor) == caf::sec::runtime_error);
    }
  });
}

TEST_CASE("an exception after a send is the actor's end", "[conformance][failure]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(throwing);
    s.self()->send(actor, caf::put_atom_v);
    CHECK(s.end_of(actor) == caf::sec::runtime_error);
  });
}

TEST_CASE("an exception handler says the error", "[conformance][failure]") {
  test::with_each_kind([](subject& s) {
    const auto first = s.spawn(handling);
    const auto answer = s.ask<int>(first, -1);
    REQUIRE_FALSE(answer);
    CHECK(answer.error() == caf::error(7, own_category));
    REQUIRE(answer.error().context().match_elements<std::string>());
    CHECK(answer.error().context().get_as<std::string>(0) == "negative");
    CHECK(s.end_of(first) == caf::error(7, own_category));
    const auto second = s.spawn(handling);
    CHECK(s.ask<int>(second, 0) == caf::sec::invalid_argument);
    CHECK(s.end_of(second) == caf::sec::invalid_argument);
  });
}

TEST_CASE("an exception in a typed actor", "[conformance][failure][typed]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(typed_throwing);
    CHECK(s.ask<int>(actor, caf::add_atom_v, 1, 2) == caf::sec::runtime_error);
    CHECK(s.end_of(actor) == caf::sec::runtime_error);
  });
}

TEST_CASE("requests behind the one that ends an actor find it dead", "[conformance][failure]") {
  test::with_each_kind([](subject& s) {
    for (const auto& actor : {s.spawn(throwing), s.spawn(quits_before)}) {
      auto first = s.self()->request(actor, caf::infinite, -1);
      auto second = s.self()->request(actor, caf::infinite, 2);
      auto third = s.self()->request(actor, caf::infinite, 3);
      s.answer<int>(first);
      CHECK(s.answer<int>(second) == caf::sec::request_receiver_down);
      CHECK(s.answer<int>(third) == caf::sec::request_receiver_down);
    }
  });
}

TEST_CASE("a request to a dead actor fails", "[conformance][failure][dead]") {
  test::with_each_kind([](subject& s) {
    for (const auto reason : {caf::exit_reason::normal, caf::exit_reason::kill}) {
      const auto actor = s.spawn(test::mortal);
      s.self()->send(actor, caf::close_atom_v, reason);
      CHECK(s.end_of(actor) == reason);
      CHECK(s.ask<int>(actor, 1) == caf::sec::request_receiver_down);
      CHECK(s.ask<int>(actor, "no clause") == caf::sec::request_receiver_down);
    }
  });
}

TEST_CASE("a send and an exit to a dead actor do nothing", "[conformance][failure][dead]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(test::mortal);
    s.self()->send(actor, caf::close_atom_v);
    CHECK(s.end_of(actor) == caf::none);
    s.self()->send(actor, 1);
    s.self()->send_exit(actor, caf::exit_reason::kill);
    CHECK(s.end_of(actor) == caf::none);
    CHECK(s.ask<int>(actor, 1) == caf::sec::request_receiver_down);
  });
}

TEST_CASE("a helper's request to a dead actor fails", "[conformance][failure][dead]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(test::mortal);
    s.self()->send(actor, caf::close_atom_v);
    CHECK(s.end_of(actor) == caf::none);
    s.helper([actor, me = s.me()](caf::event_based_actor* self) {
      self->request(actor, caf::infinite, 1)
          .then([](int) {}, [=](caf::error& error) { self->send(me, error); });
    });
    CHECK(s.next<caf::error>() == caf::sec::request_receiver_down);
  });
}

TEST_CASE("an actor's request to a dead actor fails", "[conformance][failure][dead]") {
  test::with_each_kind([](subject& s) {
    const auto asking = s.spawn([](caf::event_based_actor* self) -> caf::behavior {
      return {[=](const caf::actor& whom) { return self->delegate(whom, 1); }};
    });
    for (const auto& dead : {s.spawn(test::mortal), s.helper(test::mortal)}) {
      s.self()->send(dead, caf::close_atom_v);
      CHECK(s.end_of(dead) == caf::none);
      CHECK(s.ask<int>(asking, dead) == caf::sec::request_receiver_down);
    }
  });
}

TEST_CASE("an exception while an actor starts is its end", "[conformance][failure][start]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(throws_at_start);
    CHECK(s.ask<int>(actor, 1) == caf::sec::request_receiver_down);
    CHECK(s.end_of(actor) == caf::sec::runtime_error);
  });
}

TEST_CASE("an actor quits while it starts", "[conformance][failure][start]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(quits_at_start);
    CHECK(s.ask<int>(actor, 1) == caf::sec::request_receiver_down);
    CHECK(s.end_of(actor) == caf::exit_reason::user_shutdown);
  });
}

TEST_CASE("the end of one actor is no other's", "[conformance][failure]") {
  test::with_each_kind([](subject& s) {
    const auto bad = s.spawn(throwing);
    const auto good = s.spawn(throwing);
    CHECK(s.ask<int>(bad, -1) == caf::sec::runtime_error);
    CHECK(s.ask<int>(good, 42) == 42);
  });
}
