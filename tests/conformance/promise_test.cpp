#include "actors.hpp"
#include "subject.hpp"

#include <map>

using test::subject;

namespace {

struct promises {
  std::map<int, caf::response_promise> open;
};

/// Keeps each request until a message says what becomes of it.
caf::behavior keeping(caf::stateful_actor<promises>* self) {
  const auto taken = [=](int key) {
    auto promise = std::move(self->state.open[key]);
    self->state.open.erase(key);
    return promise;
  };
  return {[=](int key) { return self->state.open[key] = self->make_response_promise(); },
          [=](caf::ok_atom, int key, const std::string& answer) { taken(key).deliver(answer); },
          [=](caf::ok_atom, int key) { taken(key).deliver(caf::unit); },
          [=](caf::ok_atom, int key, int a, const std::string& b) { taken(key).deliver(a, b); },
          [=](caf::close_atom, int key) { taken(key).deliver(caf::sec::invalid_argument); },
          [=](caf::close_atom, int key, const std::string& why) {
            taken(key).deliver(caf::make_error(caf::sec::invalid_argument, why));
          },
          [=](caf::forward_atom, int key, const caf::actor& whom) {
            taken(key).delegate(whom, 10 * key);
          },
          [=](caf::get_atom) { return static_cast<int>(self->state.open.size()); }};
}

/// Answers when another actor has answered it.
caf::behavior asking(caf::event_based_actor* self, const caf::actor& whom) {
  return {[=](int x) {
    auto promise = self->make_response_promise<int>();
    self->request(whom, caf::infinite, caf::add_atom_v, x, 1)
        .then([=](int y) mutable { promise.deliver(y); },
              [=](caf::error& error) mutable { promise.deliver(std::move(error)); });
    return promise;
  }};
}

caf::behavior responding(caf::event_based_actor* self) {
  return {[=](int x) {
            self->response(x + 1);
            return caf::response_promise{};
          },
          [=](double x) {
            auto promise = self->make_response_promise<double, std::string>();
            promise.deliver(x, std::string{"typed"});
            return promise;
          }};
}

using later = caf::typed_actor<caf::replies_to<int>::with<int>, caf::reacts_to<caf::ok_atom>>;

struct one_promise {
  caf::typed_response_promise<int> open;
  int value = 0;
};

later::behavior_type typed_keeping(later::stateful_pointer<one_promise> self) {
  return {[=](int x) {
            self->state.value = x;
            return self->state.open = self->make_response_promise<int>();
          },
          [=](caf::ok_atom) { self->state.open.deliver(self->state.value); }};
}

}  // namespace

TEST_CASE("an answer comes after another message", "[conformance][promise]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(keeping);
    auto open = s.self()->request(actor, caf::infinite, 1);
    CHECK(s.ask<int>(actor, caf::get_atom_v) == 1);
    s.self()->send(actor, caf::ok_atom_v, 1, "late");
    CHECK(s.answer<std::string>(open) == "late");
    CHECK(s.ask<int>(actor, caf::get_atom_v) == 0);
  });
}

TEST_CASE("promises are kept in any order", "[conformance][promise]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(keeping);
    auto first = s.self()->request(actor, caf::infinite, 1);
    auto second = s.self()->request(actor, caf::infinite, 2);
    auto third = s.self()->request(actor, caf::infinite, 3);
    s.self()->send(actor, caf::ok_atom_v, 3, "three");
    CHECK(s.answer<std::string>(third) == "three");
    s.self()->send(actor, caf::ok_atom_v, 1, "one");
    CHECK(s.answer<std::string>(first) == "one");
    s.self()->send(actor, caf::ok_atom_v, 2, "two");
    CHECK(s.answer<std::string>(second) == "two");
  });
}

TEST_CASE("a promise is kept with nothing and with several values", "[conformance][promise]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(keeping);
    auto first = s.self()->request(actor, caf::infinite, 1);
    auto second = s.self()->request(actor, caf::infinite, 2);
    s.self()->send(actor, caf::ok_atom_v, 1);
    s.self()->send(actor, caf::ok_atom_v, 2, 42, "text");
    CHECK(s.answer<void>(first));
    second.receive(
        [](int number, const std::string& text) {
          CHECK(number == 42);
          CHECK(text == "text");
        },
        [](const caf::error& error) { FAIL(test::text(error)); });
  });
}

TEST_CASE("a promise is kept with an error", "[conformance][promise]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(keeping);
    auto first = s.self()->request(actor, caf::infinite, 1);
    auto second = s.self()->request(actor, caf::infinite, 2);
    s.self()->send(actor, caf::close_atom_v, 1);
    s.self()->send(actor, caf::close_atom_v, 2, "a reason");
    CHECK(s.answer<int>(first) == caf::sec::invalid_argument);
    const auto answer = s.answer<int>(second);
    REQUIRE(answer == caf::sec::invalid_argument);
    REQUIRE(answer.error().context().match_elements<std::string>());
    CHECK(answer.error().context().get_as<std::string>(0) == "a reason");
  });
}

TEST_CASE("a promise is delegated", "[conformance][promise]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(keeping);
    const auto other = s.spawn(test::echo);
    auto first = s.self()->request(actor, caf::infinite, 1);
    auto second = s.self()->request(actor, caf::infinite, 2);
    s.self()->send(actor, caf::forward_atom_v, 1, other);
    s.self()->send(actor, caf::forward_atom_v, 2, s.helper(test::echo));
    CHECK(s.answer<int>(first) == 10);
    CHECK(s.answer<int>(second) == 20);
  });
}

TEST_CASE("an answer waits for the answer of another", "[conformance][promise]") {
  test::with_each_kind([](subject& s) {
    CHECK(s.ask<int>(s.spawn(asking, s.spawn(test::adder)), 41) == 42);
    CHECK(s.ask<int>(s.spawn(asking, s.helper(test::adder)), 41) == 42);
    CHECK(s.ask<int>(s.spawn(asking, s.helper(test::echo)), 41) == caf::sec::unexpected_message);
  });
}

TEST_CASE("many promises wait for the answers of another", "[conformance][promise]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(asking, s.spawn(test::adder));
    std::vector<decltype(s.self()->request(actor, caf::infinite, 0))> open;
    for (int i = 0; i < 200; ++i) open.push_back(s.self()->request(actor, caf::infinite, i));
    for (int i = 0; i < 200; ++i) CHECK(s.answer<int>(open[static_cast<std::size_t>(i)]) == i + 1);
  });
}

TEST_CASE("an actor responds before its handler returns", "[conformance][promise]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(responding);
    CHECK(s.ask<int>(actor, 41) == 42);
    s.self()
        ->request(actor, caf::infinite, 0.5)
        .receive(
            [](double x, const std::string& text) {
              CHECK(x == 0.5);
              CHECK(text == "typed");
            },
            [](const caf::error& error) { FAIL(test::text(error)); });
  });
}

TEST_CASE("the promise of a send is kept by a message", "[conformance][promise]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(keeping);
    s.self()->send(actor, 1);
    s.self()->send(actor, caf::ok_atom_v, 1, "late");
    CHECK(s.next<std::string>() == "late");
  });
}

TEST_CASE("a typed actor keeps its promise", "[conformance][promise][typed]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(typed_keeping);
    auto open = s.self()->request(actor, caf::infinite, 42);
    s.self()->send(actor, caf::ok_atom_v);
    CHECK(s.answer<int>(open) == 42);
  });
}
