// A CAF behaviour in a process of its own: it is asked, it crashes, a new one takes its place.
#include <cstdlib>
#include <iostream>
#include <troupe/troupe.hpp>

#include "hello.capnp.h"

using namespace std::chrono_literals;
using troupe::make;
using troupe::msg;

// region actor
caf::behavior calculator() {
  return {[](const msg<Add>& m) {
    if (m->getA() < 0) std::abort();  // a bug
    return make<Sum>([&](auto sum) { sum.setValue(m->getA() + m->getB()); });
  }};
}
// endregion

// region ask
void ask(troupe::runtime& rt, const caf::actor& calc, int a, int b) {
  const auto add = make<Add>([&](auto m) {
    m.setA(a);
    m.setB(b);
  });
  rt.self()
      ->request(calc, 10s, add)
      .receive([](const msg<Sum>& sum) { std::cout << sum->getValue() << '\n'; },
               [&](caf::error& e) { std::cout << rt.describe(e) << '\n'; });
}
// endregion

int main(int argc, char** argv) {
  return troupe::program{argc, argv}.run([](troupe::runtime& rt) {
    // region crash
    auto calc = rt.spawn(calculator);  // a process of its own
    ask(rt, calc, 2, 40);
    ask(rt, calc, -1, 1);  // it aborts; this process goes on
    calc = rt.spawn(calculator);
    ask(rt, calc, 20, 22);
    // endregion
  });
}
