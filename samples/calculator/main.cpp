// One calculator in each of the forms that CAF has for an actor: function or class, with a typed
// handle or without. Each gets a process of its own, and nobody who asks sees a difference.
#include <iostream>
#include <troupe/troupe.hpp>

using add = caf::add_atom;
using sub = caf::sub_atom;

// region functions
caf::behavior by_function() {
  return {[](add, int a, int b) { return a + b; }, [](sub, int a, int b) { return a - b; }};
}

// A message that is not in this list does not compile.
using calculator = caf::typed_actor<caf::replies_to<add, int, int>::with<int>,
                                    caf::replies_to<sub, int, int>::with<int>>;
calculator::behavior_type by_typed_function() {
  return {[](add, int a, int b) { return a + b; }, [](sub, int a, int b) { return a - b; }};
}
// endregion

// region classes
class by_class : public caf::event_based_actor {
public:
  using event_based_actor::event_based_actor;
  caf::behavior make_behavior() override { return by_function(); }
};

class by_typed_class : public calculator::base {
public:
  using calculator::base::base;
  behavior_type make_behavior() override { return by_typed_function(); }
};
// endregion

// region ask
template <class Handle>
void test(troupe::runtime& rt, const std::string& form, const Handle& calc, int a, int b) {
  const auto ask = [&](auto what, const char* sign) {
    rt.self()
        ->request(calc, caf::infinite, what, a, b)
        .receive([&](int r) { std::cout << form << ": " << a << sign << b << " = " << r << '\n'; },
                 [&](caf::error& e) { std::cout << form << ": " << rt.describe(e) << '\n'; });
  };
  ask(caf::add_atom_v, " + ");
  ask(caf::sub_atom_v, " - ");
}
// endregion

int main(int argc, char** argv) {
  return troupe::program{argc, argv}.run([](troupe::runtime& rt) {
    test(rt, "function", rt.spawn(by_function), 1, 2);
    test(rt, "typed function", rt.spawn(by_typed_function), 3, 4);
    test(rt, "class", rt.spawn<by_class>(), 5, 6);
    test(rt, "typed class", rt.spawn<by_typed_class>(), 7, 8);
  });
}
