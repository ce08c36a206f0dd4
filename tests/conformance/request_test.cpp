#include "actors.hpp"
#include "subject.hpp"

using test::subject;

namespace {

caf::behavior by_type_and_atom() {
  return {[](int) { return "int"; },
          [](double) { return "double"; },
          [](bool) { return "bool"; },
          [](const std::string&) { return "string"; },
          [](int, int) { return "int int"; },
          [](int, const std::string&) { return "int string"; },
          [](caf::get_atom) { return "get"; },
          [](caf::put_atom) { return "put"; },
          [](caf::put_atom, int) { return "put int"; },
          [](caf::atom_value) { return "another atom"; }};
}

caf::behavior same(caf::event_based_actor*) {
  return {[](bool x) { return x; },
          [](std::int8_t x) { return x; },
          [](std::uint16_t x) { return x; },
          [](int x) { return x; },
          [](std::uint64_t x) { return x; },
          [](float x) { return x; },
          [](double x) { return x; },
          [](const std::string& x) { return x; },
          [](caf::atom_value x) { return x; },
          [](const troupe::msg<test::Shape>& x) { return x; }};
}

caf::behavior first_clause() {
  return {[](int) { return 1; }, [](int) { return 2; }};
}

/// Asks back before it answers.
caf::behavior asks_back(caf::event_based_actor* self) {
  return {[=](const caf::actor& whom, int x) {
    auto promise = self->make_response_promise<int>();
    self->request(whom, caf::infinite, x).then([=](int y) mutable { promise.deliver(y + 1); });
    return promise;
  }};
}

}  // namespace

TEST_CASE("a request is answered", "[conformance][request]") {
  test::with_each_kind([](subject& s) {
    const auto adder = s.spawn(test::adder);
    CHECK(s.ask<int>(adder, caf::add_atom_v, 2, 40) == 42);
    CHECK(s.ask<int>(adder, caf::add_atom_v, -2, 2) == 0);
  });
}

TEST_CASE("the types of a message choose the clause", "[conformance][request]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(by_type_and_atom);
    CHECK(s.ask<std::string>(actor, 1) == "int");
    CHECK(s.ask<std::string>(actor, 1.0) == "double");
    CHECK(s.ask<std::string>(actor, true) == "bool");
    CHECK(s.ask<std::string>(actor, "text") == "string");
    CHECK(s.ask<std::string>(actor, 1, 2) == "int int");
    CHECK(s.ask<std::string>(actor, 1, "text") == "int string");
    CHECK(s.ask<std::string>(actor, caf::get_atom_v) == "get");
    CHECK(s.ask<std::string>(actor, caf::put_atom_v) == "put");
    CHECK(s.ask<std::string>(actor, caf::put_atom_v, 1) == "put int");
    CHECK(s.ask<std::string>(actor, caf::delete_atom_v) == "another atom");
    CHECK(s.ask<std::string>(actor, caf::atom("own")) == "another atom");
  });
}

TEST_CASE("of two clauses the first counts", "[conformance][request]") {
  test::with_each_kind([](subject& s) { CHECK(s.ask<int>(s.spawn(first_clause), 0) == 1); });
}

TEST_CASE("values arrive and come back as they were", "[conformance][request]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(same);
    const auto comes_back = [&](auto value) {
      CHECK(s.ask<decltype(value)>(actor, value) == value);
    };
    comes_back(true);
    comes_back(false);
    comes_back(std::int8_t{-128});
    comes_back(std::uint16_t{65535});
    comes_back(std::numeric_limits<int>::min());
    comes_back(std::numeric_limits<std::uint64_t>::max());
    comes_back(0.1F);
    comes_back(0.1);
    comes_back(std::numeric_limits<double>::infinity());
    comes_back(std::string{});
    comes_back(std::string("a\0b", 3));
    comes_back(std::string(1'000'000, 'x'));
    comes_back(caf::atom("own"));
  });
}

TEST_CASE("a schema message arrives and comes back as it was", "[conformance][request]") {
  test::with_each_kind([](subject& s) {
    const auto shape = troupe::make<test::Shape>([](auto m) {
      m.setName("triangle");
      auto corners = m.initCorners(3);
      corners[2].setX(-7);
      m.initHoles(1)[0].setName("hole");
    });
    const auto back = s.ask<troupe::msg<test::Shape>>(s.spawn(same), shape);
    REQUIRE(back);
    CHECK((*back)->getName() == "triangle");
    CHECK((*back)->getCorners()[2].getX() == -7);
    CHECK((*back)->getHoles()[0].getName() == "hole");
  });
}

TEST_CASE("an answer that no handler takes is an unexpected response", "[conformance][request]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(test::echo);
    CHECK(s.ask<std::string>(actor, 1) == caf::sec::unexpected_response);
    CHECK(s.ask<void>(actor, 1) == caf::sec::unexpected_response);
    CHECK(s.ask<int>(actor, 1) == 1);
  });
}

TEST_CASE("answers are received in any order", "[conformance][request]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(test::echo);
    auto first = s.self()->request(actor, caf::infinite, 1);
    auto second = s.self()->request(actor, caf::infinite, 2);
    auto third = s.self()->request(actor, caf::infinite, 3);
    CHECK(s.answer<int>(third) == 3);
    CHECK(s.answer<int>(first) == 1);
    CHECK(s.answer<int>(second) == 2);
  });
}

TEST_CASE("a thousand requests are open at once", "[conformance][request]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(test::echo);
    std::vector<decltype(s.self()->request(actor, caf::infinite, 0))> open;
    for (int i = 0; i < 1000; ++i) open.push_back(s.self()->request(actor, caf::infinite, i));
    int wrong = 0;
    for (int i = 0; i < 1000; ++i)
      if (s.answer<int>(open[static_cast<std::size_t>(i)]) != i) ++wrong;
    CHECK(wrong == 0);
  });
}

TEST_CASE("a request waits without losing what else arrives", "[conformance][request]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(test::echo);
    s.self()->send(s.me(), "before");
    CHECK(s.ask<int>(actor, 1) == 1);
    CHECK(s.next<std::string>() == "before");
  });
}

TEST_CASE("an actor asks back before it answers", "[conformance][request]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(asks_back);
    const auto local = s.helper([]() -> caf::behavior { return {[](int x) { return 10 * x; }}; });
    CHECK(s.ask<int>(actor, local, 4) == 41);
    CHECK(s.ask<int>(actor, s.spawn(test::echo), 4) == 5);
  });
}

TEST_CASE("a typed actor is asked", "[conformance][request][typed]") {
  test::with_each_kind([](subject& s) {
    const test::typed_adder adder = s.spawn(test::add);
    CHECK(s.ask<int>(adder, caf::add_atom_v, 2, 40) == 42);
    const auto dynamic = caf::actor_cast<caf::actor>(adder);
    CHECK(s.ask<int>(dynamic, caf::add_atom_v, 2, 40) == 42);
    CHECK(s.ask<int>(dynamic, 2) == caf::sec::unexpected_message);
  });
}
