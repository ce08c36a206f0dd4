#include "actors.hpp"
#include "subject.hpp"

using namespace std::chrono_literals;
using test::subject;

namespace {

/// Never answers by itself: keeps every request until it is told to answer.
caf::behavior silent(caf::stateful_actor<std::vector<caf::response_promise>>* self) {
  return {[=](int) {
            self->state.push_back(self->make_response_promise());
            return self->state.back();
          },
          [=](caf::ok_atom) {
            for (auto& promise : self->state) promise.deliver(0);
            self->state.clear();
          },
          [](caf::get_atom) { return "alive"; }};
}

caf::behavior idle_once(caf::event_based_actor* self, const caf::actor& observer) {
  return {[](caf::get_atom) { return "not idle"; },
          caf::after(1ms) >>
              [=] {
                self->send(observer, "idle");
                self->become([](caf::get_atom) { return "idle"; });
              }};
}

/// Idle each time a while passes after a message.
caf::behavior idle_after_message(caf::event_based_actor* self) {
  return {[=](const caf::actor& observer) {
    self->become(
        caf::keep_behavior, [](int x) { return x; },
        caf::after(1ms) >>
            [=] {
              self->send(observer, "idle");
              self->unbecome();
            });
  }};
}

caf::behavior asks_with_limit(caf::event_based_actor* self) {
  return {[=](const caf::actor& whom) {
    auto promise = self->make_response_promise<int>();
    self->request(whom, 1ms, 1)
        .then([=](int x) mutable { promise.deliver(x); },
              [=](caf::error& error) mutable { promise.deliver(error); });
    return promise;
  }};
}

}  // namespace

TEST_CASE("a request times out", "[conformance][timeout]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(silent);
    CHECK(s.answer<int>(s.self()->request(actor, 1ms, 1)) == caf::sec::request_timeout);
    CHECK(s.answer<int>(s.self()->request(actor, 0ms, 1)) == caf::sec::request_timeout);
    CHECK(s.ask<std::string>(actor, caf::get_atom_v) == "alive");
  });
}

TEST_CASE("an answer after the timeout is nobody's", "[conformance][timeout]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(silent);
    CHECK(s.answer<int>(s.self()->request(actor, 1ms, 1)) == caf::sec::request_timeout);
    s.self()->send(actor, caf::ok_atom_v);
    auto open = s.self()->request(actor, caf::infinite, 2);
    CHECK(s.ask<std::string>(actor, caf::get_atom_v) == "alive");
    s.self()->send(actor, caf::ok_atom_v);
    CHECK(s.answer<int>(open) == 0);
  });
}

TEST_CASE("a request is answered before its timeout", "[conformance][timeout]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(test::echo);
    CHECK(s.answer<int>(s.self()->request(actor, 60min, 42)) == 42);
  });
}

TEST_CASE("a helper's request times out", "[conformance][timeout]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(silent);
    s.helper([actor, me = s.me()](caf::event_based_actor* self) {
      const auto failed = [=](caf::error& error) { self->send(me, error); };
      self->request(actor, 1ms, 1).await([](int) {}, failed);
      self->request(actor, 1ms, 1).then([](int) {}, failed);
    });
    CHECK(s.next<caf::error>() == caf::sec::request_timeout);
    CHECK(s.next<caf::error>() == caf::sec::request_timeout);
  });
}

TEST_CASE("an actor's request times out", "[conformance][timeout]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(asks_with_limit);
    CHECK(s.ask<int>(actor, s.spawn(silent)) == caf::sec::request_timeout);
    CHECK(s.ask<int>(actor, s.helper(silent)) == caf::sec::request_timeout);
  });
}

TEST_CASE("an actor that gets nothing is idle", "[conformance][timeout]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(idle_once, s.me());
    CHECK(s.next<std::string>() == "idle");
    CHECK(s.ask<std::string>(actor, caf::get_atom_v) == "idle");
  });
}

TEST_CASE("an actor is idle again after a message", "[conformance][timeout]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(idle_after_message);
    for (int i = 0; i < 3; ++i) {
      s.self()->send(actor, s.me());
      CHECK(s.next<std::string>() == "idle");
    }
  });
}
