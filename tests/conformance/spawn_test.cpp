#include "actors.hpp"
#include "subject.hpp"

using test::subject;
using test::typed_adder;

namespace {

caf::behavior with_self(caf::event_based_actor* self) {
  return {[=](caf::ping_atom) { return self != nullptr; }};
}

caf::behavior without_self() {
  return {[](const std::string& text) { return text + "!"; }};
}

caf::behavior with_arguments(caf::event_based_actor*, int number, const std::string& text,
                             double real, bool yes) {
  return {[=](caf::get_atom) {
    return std::to_string(number) + ' ' + text + ' ' + std::to_string(real) + (yes ? " yes" : "");
  }};
}

caf::behavior arguments_alone(int a, int b) {
  return {[=](caf::get_atom) { return a - b; }};
}

caf::behavior with_shape(caf::event_based_actor*, const troupe::msg<test::Shape>& shape) {
  return {[=](caf::get_atom) { return std::string{shape->getName().cStr()}; }};
}

caf::behavior with_handle(caf::event_based_actor* self, const caf::actor& whom) {
  self->send(whom, "begun");
  return {[=](int x) { self->send(whom, x); }};
}

void becoming(caf::event_based_actor* self, int start) {
  self->become([=](int x) { return start + x; });
}

void without_behaviour(caf::event_based_actor*) {}

struct counter_state {
  int count = 0;
};

caf::behavior counter(caf::stateful_actor<counter_state>* self, int start) {
  self->state.count = start;
  return {[=](caf::add_atom) { return ++self->state.count; }};
}

struct knowing_state {
  explicit knowing_state(caf::event_based_actor* owner) : self(owner) {}
  caf::event_based_actor* self;
};

caf::behavior knowing(caf::stateful_actor<knowing_state>* self) {
  return {[=](caf::get_atom) { return self->state.self == self; }};
}

class cell : public caf::event_based_actor {
public:
  cell(caf::actor_config& config, int start, std::string name)
      : event_based_actor(config), value_(start), name_(std::move(name)) {}

  caf::behavior make_behavior() override {
    return {[this](caf::put_atom, int x) { value_ = x; },
            [this](caf::get_atom) { return name_ + std::to_string(value_); }};
  }

private:
  int value_;
  std::string name_;
};

typed_adder::behavior_type typed_with_self(typed_adder::pointer self) {
  return {[=](caf::add_atom, int a, int b) { return self != nullptr ? a + b : 0; }};
}

typed_adder::behavior_type typed_with_state(typed_adder::stateful_pointer<counter_state> self,
                                            int start) {
  self->state.count = start;
  return {[=](caf::add_atom, int a, int b) { return self->state.count += a + b; }};
}

class typed_cell : public typed_adder::base {
public:
  typed_cell(caf::actor_config& config, int start) : typed_adder::base(config), sum_(start) {}

  behavior_type make_behavior() override {
    return {[this](caf::add_atom, int a, int b) { return sum_ += a + b; }};
  }

private:
  int sum_;
};

class typed_event_cell
    : public caf::typed_event_based_actor<caf::replies_to<caf::get_atom>::with<int>> {
public:
  typed_event_cell(caf::actor_config& config, int value)
      : typed_event_based_actor(config), value_(value) {}

  behavior_type make_behavior() override {
    return {[this](caf::get_atom) { return value_; }};
  }

private:
  int value_;
};

}  // namespace

TEST_CASE("a function that returns a behaviour is an actor", "[conformance][spawn]") {
  test::with_each_kind([](subject& s) {
    CHECK(s.ask<bool>(s.spawn(with_self), caf::ping_atom_v) == true);
    CHECK(s.ask<std::string>(s.spawn(without_self), "hello") == "hello!");
    CHECK(s.ask<int>(s.spawn(test::adder), caf::add_atom_v, 2, 40) == 42);
  });
}

TEST_CASE("a lambda is an actor", "[conformance][spawn]") {
  test::with_each_kind([](subject& s) {
    const auto doubler = s.spawn([]() -> caf::behavior { return {[](int x) { return 2 * x; }}; });
    CHECK(s.ask<int>(doubler, 21) == 42);
    const auto shifted =
        s.spawn([](caf::event_based_actor*,
                   int by) -> caf::behavior { return {[=](int x) { return x + by; }}; },
                40);
    CHECK(s.ask<int>(shifted, 2) == 42);
  });
}

TEST_CASE("an actor gets the arguments of spawn", "[conformance][spawn]") {
  test::with_each_kind([](subject& s) {
    const auto first = s.spawn(with_arguments, 7, "seven", 0.5, true);
    CHECK(s.ask<std::string>(first, caf::get_atom_v) == "7 seven 0.500000 yes");
    CHECK(s.ask<int>(s.spawn(arguments_alone, 50, 8), caf::get_atom_v) == 42);
  });
}

TEST_CASE("an actor gets a schema message as argument of spawn", "[conformance][spawn]") {
  test::with_each_kind([](subject& s) {
    const auto shape = troupe::make<test::Shape>([](auto m) { m.setName("ring"); });
    CHECK(s.ask<std::string>(s.spawn(with_shape, shape), caf::get_atom_v) == "ring");
  });
}

TEST_CASE("an actor gets a handle as argument of spawn", "[conformance][spawn]") {
  test::with_each_kind([](subject& s) {
    const auto teller = s.spawn(with_handle, s.me());
    CHECK(s.next<std::string>() == "begun");
    s.self()->send(teller, 42);
    CHECK(s.next<int>() == 42);
  });
}

TEST_CASE("a function that becomes a behaviour is an actor", "[conformance][spawn]") {
  test::with_each_kind([](subject& s) { CHECK(s.ask<int>(s.spawn(becoming, 40), 2) == 42); });
}

TEST_CASE("an actor without a behaviour ends at once, normally", "[conformance][spawn]") {
  test::with_each_kind(
      [](subject& s) { CHECK(s.end_of(s.spawn(without_behaviour)) == caf::none); });
}

TEST_CASE("a stateful actor keeps its state", "[conformance][spawn]") {
  test::with_each_kind([](subject& s) {
    const auto one = s.spawn(counter, 0);
    const auto other = s.spawn(counter, 100);
    CHECK(s.ask<int>(one, caf::add_atom_v) == 1);
    CHECK(s.ask<int>(other, caf::add_atom_v) == 101);
    CHECK(s.ask<int>(one, caf::add_atom_v) == 2);
  });
}

TEST_CASE("a state is constructed with its actor", "[conformance][spawn]") {
  test::with_each_kind(
      [](subject& s) { CHECK(s.ask<bool>(s.spawn(knowing), caf::get_atom_v) == true); });
}

TEST_CASE("a class is an actor", "[conformance][spawn]") {
  test::with_each_kind([](subject& s) {
    const auto cell_actor = s.spawn<cell>(7, "x");
    CHECK(s.ask<std::string>(cell_actor, caf::get_atom_v) == "x7");
    CHECK(s.ask<void>(cell_actor, caf::put_atom_v, 8));
    CHECK(s.ask<std::string>(cell_actor, caf::get_atom_v) == "x8");
  });
}

TEST_CASE("typed functions are actors", "[conformance][spawn][typed]") {
  test::with_each_kind([](subject& s) {
    const typed_adder plain = s.spawn(test::add);
    const typed_adder with_pointer = s.spawn(typed_with_self);
    CHECK(s.ask<int>(plain, caf::add_atom_v, 2, 40) == 42);
    CHECK(s.ask<int>(with_pointer, caf::add_atom_v, 2, 40) == 42);
  });
}

TEST_CASE("a typed stateful actor keeps its state", "[conformance][spawn][typed]") {
  test::with_each_kind([](subject& s) {
    const typed_adder sum = s.spawn(typed_with_state, 100);
    CHECK(s.ask<int>(sum, caf::add_atom_v, 1, 2) == 103);
    CHECK(s.ask<int>(sum, caf::add_atom_v, 3, 4) == 110);
  });
}

TEST_CASE("typed classes are actors", "[conformance][spawn][typed]") {
  test::with_each_kind([](subject& s) {
    const typed_adder sum = s.spawn<typed_cell>(100);
    CHECK(s.ask<int>(sum, caf::add_atom_v, 1, 2) == 103);
    CHECK(s.ask<int>(sum, caf::add_atom_v, 3, 4) == 110);
    CHECK(s.ask<int>(s.spawn<typed_event_cell>(42), caf::get_atom_v) == 42);
  });
}

TEST_CASE("actors of one function are many", "[conformance][spawn]") {
  test::with_each_kind([](subject& s) {
    std::vector<caf::actor> all;
    for (int i = 0; i < 10; ++i) all.push_back(s.spawn(counter, 10 * i));
    for (int i = 0; i < 10; ++i)
      CHECK(s.ask<int>(all[static_cast<std::size_t>(i)], caf::add_atom_v) == 10 * i + 1);
  });
}
