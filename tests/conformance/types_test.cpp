#include "subject.hpp"

#include <map>

using test::subject;

namespace {

struct place {
  std::string name;
  double latitude = 0;
  std::vector<int> heights;
};

bool operator==(const place& a, const place& b) {
  return a.name == b.name && a.latitude == b.latitude && a.heights == b.heights;
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, place& x) {
  return f(caf::meta::type_name("place"), x.name, x.latitude, x.heights);
}

enum class colour : std::uint8_t { red, green };

using ages = std::map<std::string, int>;
using pair = std::tuple<int, std::string>;

using mirror =
    caf::typed_actor<caf::replies_to<std::vector<int>>::with<std::vector<int>>,
                     caf::replies_to<std::vector<std::string>>::with<std::vector<std::string>>,
                     caf::replies_to<ages>::with<ages>,
                     caf::replies_to<caf::get_atom, pair>::with<int, std::string>,
                     caf::replies_to<place>::with<place>,
                     caf::replies_to<std::vector<place>>::with<std::vector<place>>,
                     caf::replies_to<colour>::with<colour>,
                     caf::replies_to<troupe::msg<test::Shape>>::with<troupe::msg<test::Shape>>>;

mirror::behavior_type reflecting() {
  return {[](const std::vector<int>& x) { return x; },
          [](const std::vector<std::string>& x) { return x; },
          [](const ages& x) { return x; },
          [](caf::get_atom, const pair& x) -> caf::result<int, std::string> {
            return {std::get<0>(x), std::get<1>(x)};
          },
          [](const place& x) { return x; },
          [](const std::vector<place>& x) { return x; },
          [](colour x) { return x == colour::red ? colour::green : colour::red; },
          [](const troupe::msg<test::Shape>& x) { return x; }};
}

using gazetteer = caf::typed_actor<caf::reacts_to<caf::put_atom, place>,
                                   caf::replies_to<caf::get_atom, std::string>::with<place>,
                                   caf::replies_to<caf::get_atom>::with<std::vector<place>>>;

struct all_places {
  std::vector<place> places;
};

gazetteer::behavior_type collecting(gazetteer::stateful_pointer<all_places> self,
                                    const place& first) {
  self->state.places.push_back(first);
  return {[=](caf::put_atom, const place& x) { self->state.places.push_back(x); },
          [=](caf::get_atom, const std::string& name) -> caf::result<place> {
            for (const auto& each : self->state.places)
              if (each.name == name) return each;
            return caf::sec::invalid_argument;
          },
          [=](caf::get_atom) { return self->state.places; }};
}

const place berlin{"Berlin", 52.5, {34, 115}};
const place paris{"Paris", 48.9, {}};

}  // namespace

TEST_CASE("containers are values of messages", "[conformance][types][typed]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(reflecting);
    const auto comes_back = [&](auto value) {
      CHECK(s.ask<decltype(value)>(actor, value) == value);
    };
    comes_back(std::vector<int>{});
    comes_back(std::vector<int>{1, -2, 3});
    comes_back(std::vector<int>(100'000, 7));
    comes_back(std::vector<std::string>{"", "two"});
    comes_back(ages{{"a", 1}, {"b", 2}});
  });
}

TEST_CASE("a tuple is a value of a message", "[conformance][types][typed]") {
  test::with_each_kind([](subject& s) {
    s.self()
        ->request(s.spawn(reflecting), caf::infinite, caf::get_atom_v, pair{42, "text"})
        .receive(
            [](int number, const std::string& text) {
              CHECK(number == 42);
              CHECK(text == "text");
            },
            [](const caf::error& error) { FAIL(test::text(error)); });
  });
}

TEST_CASE("structs with inspect and enums are values of messages", "[conformance][types][typed]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(reflecting);
    CHECK((s.ask<place>(actor, berlin) == berlin));
    CHECK((s.ask<std::vector<place>>(actor, std::vector{berlin, paris}) ==
           std::vector{berlin, paris}));
    CHECK((s.ask<colour>(actor, colour::red) == colour::green));
  });
}

TEST_CASE("schema messages are values of typed messages", "[conformance][types][typed]") {
  test::with_each_kind([](subject& s) {
    const auto back = s.ask<troupe::msg<test::Shape>>(
        s.spawn(reflecting), troupe::make<test::Shape>([](auto m) { m.setName("ring"); }));
    REQUIRE(back);
    CHECK((*back)->getName() == "ring");
  });
}

TEST_CASE("a typed actor keeps what it was sent", "[conformance][types][typed]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(collecting, berlin);
    s.self()->send(actor, caf::put_atom_v, paris);
    CHECK((s.ask<place>(actor, caf::get_atom_v, "Paris") == paris));
    CHECK((s.ask<place>(actor, caf::get_atom_v, "Rome") == caf::sec::invalid_argument));
    CHECK((s.ask<std::vector<place>>(actor, caf::get_atom_v) == std::vector{berlin, paris}));
  });
}
