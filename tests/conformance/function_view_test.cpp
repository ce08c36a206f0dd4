#include "actors.hpp"
#include "subject.hpp"

using test::subject;

namespace {

using calculator = caf::typed_actor<caf::replies_to<caf::div_atom, int, int>::with<int>,
                                    caf::replies_to<caf::get_atom>::with<int, std::string>,
                                    caf::reacts_to<caf::close_atom>>;

calculator::behavior_type calculate(calculator::pointer self) {
  return {[](caf::div_atom, int a, int b) -> caf::result<int> {
            if (b == 0) return caf::sec::invalid_argument;
            return a / b;
          },
          [](caf::get_atom) -> caf::result<int, std::string> {
            return {42, "text"};
          },
          [=](caf::close_atom) { self->quit(); }};
}

}  // namespace

TEST_CASE("a function view calls", "[conformance][function_view][typed]") {
  test::with_each_kind([](subject& s) {
    auto add = caf::make_function_view(s.spawn(test::add));
    for (int i = 0; i < 10; ++i) CHECK(add(caf::add_atom_v, i, 1) == i + 1);
  });
}

TEST_CASE("a function view gets several values", "[conformance][function_view][typed]") {
  test::with_each_kind([](subject& s) {
    auto view = caf::make_function_view(s.spawn(calculate));
    const auto both = view(caf::get_atom_v);
    REQUIRE(both);
    CHECK(std::get<0>(*both) == 42);
    CHECK(std::get<1>(*both) == "text");
  });
}

TEST_CASE("a function view gets errors", "[conformance][function_view][typed]") {
  test::with_each_kind([](subject& s) {
    auto view = caf::make_function_view(s.spawn(calculate));
    CHECK(view(caf::div_atom_v, 84, 2) == 42);
    CHECK(view(caf::div_atom_v, 84, 0) == caf::sec::invalid_argument);
    CHECK(view(caf::close_atom_v));
    CHECK(s.end_of(view.handle()) == caf::none);
    CHECK(view(caf::div_atom_v, 84, 2) == caf::sec::request_receiver_down);
  });
}

TEST_CASE("a function view is assigned another actor", "[conformance][function_view][typed]") {
  test::with_each_kind([](subject& s) {
    caf::function_view<test::typed_adder> view;
    CHECK(view(caf::add_atom_v, 2, 40) == caf::sec::bad_function_call);
    view.assign(s.spawn(test::add));
    CHECK(view(caf::add_atom_v, 2, 40) == 42);
    view.assign(s.spawn(test::add));
    CHECK(view(caf::add_atom_v, 2, 41) == 43);
  });
}
