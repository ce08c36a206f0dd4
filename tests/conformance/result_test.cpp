#include "subject.hpp"

using test::subject;

namespace {

constexpr auto own_category = caf::atom("own");

caf::error own_error() {
  return {7, own_category, caf::make_message("seven is wrong", 7)};
}

caf::behavior nothing() {
  return {[](caf::get_atom) {}, [](caf::put_atom) { return caf::unit; },
          [](caf::add_atom) -> caf::result<void> { return {}; }};
}

caf::behavior errors() {
  return {[](caf::get_atom) -> caf::error { return caf::sec::invalid_argument; },
          [](caf::put_atom) { return caf::make_error(caf::exit_reason::user_shutdown); },
          [](caf::add_atom) { return own_error(); },
          [](caf::sub_atom) { return caf::make_error(caf::sec::invalid_argument, "too small"); },
          [](caf::mul_atom) { return caf::error{}; }};
}

caf::behavior results() {
  return {[](int x) -> caf::result<int> {
            if (x < 0) return caf::sec::invalid_argument;
            if (x > 100) return own_error();
            return x;
          },
          [](double x) -> caf::result<void> {
            if (x < 0) return caf::sec::invalid_argument;
            return caf::unit;
          }};
}

caf::behavior expecteds() {
  return {[](int x) -> caf::expected<int> {
    if (x < 0) return caf::sec::invalid_argument;
    return x;
  }};
}

caf::behavior optionals() {
  return {[](int x) -> caf::optional<int> {
    if (x < 0) return caf::none;
    return x;
  }};
}

caf::behavior several() {
  return {
      [](caf::get_atom) { return std::make_tuple(1, std::string{"one"}); },
      [](caf::put_atom) -> caf::result<int, std::string> {
        return {2, "two"};
      },
      [](caf::add_atom) { return caf::make_message(3, "three"); },
      [](caf::sub_atom) -> caf::result<int, std::string> { return caf::sec::invalid_argument; }};
}

using typed = caf::typed_actor<caf::replies_to<int>::with<int>,
                               caf::replies_to<double>::with<int, std::string>,
                               caf::replies_to<caf::get_atom>::with<void>>;

typed::behavior_type typed_results() {
  return {[](int x) -> caf::result<int> {
            if (x < 0) return caf::sec::invalid_argument;
            return x;
          },
          [](double x) -> caf::result<int, std::string> {
            return {static_cast<int>(x), std::to_string(x)};
          },
          [](caf::get_atom) {}};
}

/// The pair that a request is answered with.
template <class Handle, class... Ts>
std::string ask_pair(subject& s, const Handle& whom, const Ts&... xs) {
  std::string both;
  s.self()
      ->request(whom, caf::infinite, xs...)
      .receive([&](int number, const std::string& text) { both = std::to_string(number) + text; },
               [&](const caf::error& error) { both = test::text(error); });
  return both;
}

}  // namespace

TEST_CASE("a handler without a result answers with unit", "[conformance][result]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(nothing);
    CHECK(s.ask<void>(actor, caf::get_atom_v));
    CHECK(s.ask<void>(actor, caf::put_atom_v));
    CHECK(s.ask<void>(actor, caf::add_atom_v));
    CHECK(s.ask<int>(actor, caf::get_atom_v) == caf::sec::unexpected_response);
  });
}

TEST_CASE("an error is an answer, and the actor lives on", "[conformance][result]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(errors);
    for (int i = 0; i < 2; ++i) {
      CHECK(s.ask<int>(actor, caf::get_atom_v) == caf::sec::invalid_argument);
      CHECK(s.ask<int>(actor, caf::put_atom_v) == caf::exit_reason::user_shutdown);
    }
  });
}

TEST_CASE("an error keeps its category and its context", "[conformance][result]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(errors);
    const auto own = s.ask<int>(actor, caf::add_atom_v);
    REQUIRE_FALSE(own);
    CHECK(own.error().code() == 7);
    CHECK(own.error().category() == own_category);
    REQUIRE(own.error().context().match_elements<std::string, int>());
    CHECK(own.error().context().get_as<std::string>(0) == "seven is wrong");
    CHECK(own.error().context().get_as<int>(1) == 7);
    const auto small = s.ask<int>(actor, caf::sub_atom_v);
    REQUIRE(small == caf::sec::invalid_argument);
    REQUIRE(small.error().context().match_elements<std::string>());
    CHECK(small.error().context().get_as<std::string>(0) == "too small");
  });
}

TEST_CASE("an error that is none is an answer, too", "[conformance][result]") {
  test::with_each_kind([](subject& s) {
    const auto none = s.ask<int>(s.spawn(errors), caf::mul_atom_v);
    REQUIRE_FALSE(none);
    CHECK(none.error() == caf::none);
  });
}

TEST_CASE("a handler returns a caf::result", "[conformance][result]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(results);
    CHECK(s.ask<int>(actor, 42) == 42);
    CHECK(s.ask<int>(actor, -1) == caf::sec::invalid_argument);
    CHECK(s.ask<int>(actor, 101) == own_error());
    CHECK(s.ask<void>(actor, 1.0));
    CHECK(s.ask<void>(actor, -1.0) == caf::sec::invalid_argument);
  });
}

TEST_CASE("a handler returns a caf::expected", "[conformance][result]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(expecteds);
    CHECK(s.ask<int>(actor, 42) == 42);
    CHECK(s.ask<int>(actor, -1) == caf::sec::invalid_argument);
  });
}

TEST_CASE("a handler returns a caf::optional; none is an error", "[conformance][result]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(optionals);
    CHECK(s.ask<int>(actor, 42) == 42);
    CHECK(s.ask<int>(actor, -1) == caf::sec::unexpected_response);
  });
}

TEST_CASE("a handler returns several values", "[conformance][result]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(several);
    CHECK(ask_pair(s, actor, caf::get_atom_v) == "1one");
    CHECK(ask_pair(s, actor, caf::put_atom_v) == "2two");
    CHECK(ask_pair(s, actor, caf::add_atom_v) == "3three");
    CHECK(ask_pair(s, actor, caf::sub_atom_v) == "invalid_argument");
    CHECK(s.ask<int>(actor, caf::get_atom_v) == caf::sec::unexpected_response);
  });
}

TEST_CASE("a typed actor returns values and errors", "[conformance][result][typed]") {
  test::with_each_kind([](subject& s) {
    const typed actor = s.spawn(typed_results);
    CHECK(s.ask<int>(actor, 42) == 42);
    CHECK(s.ask<int>(actor, -1) == caf::sec::invalid_argument);
    CHECK(ask_pair(s, actor, 2.5) == "22.500000");
    CHECK(s.ask<void>(actor, caf::get_atom_v));
  });
}

TEST_CASE("what a send is answered with comes as a message", "[conformance][result]") {
  test::with_each_kind([](subject& s) {
    s.self()->send(s.spawn(results), 42);
    CHECK(s.next<int>() == 42);
    s.self()->send(s.spawn(results), -1);
    CHECK(s.next<caf::error>() == caf::sec::invalid_argument);
  });
}

TEST_CASE("a send to a handler without a result is not answered", "[conformance][result]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(nothing);
    s.self()->send(actor, caf::get_atom_v);
    CHECK(s.ask<void>(actor, caf::get_atom_v));
    s.self()->send(s.me(), "the only message");
    s.self()->receive([](const std::string& x) { CHECK(x == "the only message"); },
                      caf::others >> [](caf::message_view& x) -> caf::result<caf::message> {
                        FAIL(to_string(x.content()));
                        return caf::sec::unexpected_message;
                      });
  });
}
