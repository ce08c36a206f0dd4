// Five philosophers and five chopsticks, each in a process of its own. One philosopher dies with
// two chopsticks in his hands; the others still get to eat.
#include <algorithm>
#include <deque>
#include <iostream>
#include <troupe/troupe.hpp>

struct chopstick_state {
  caf::strong_actor_ptr holder;
  std::deque<caf::response_promise> waiting;
};

caf::behavior chopstick(caf::stateful_actor<chopstick_state>* self) {
  const auto pass_on = [self] {
    auto& [holder, waiting] = self->state;
    holder = nullptr;
    if (waiting.empty()) return;
    holder = waiting.front().source();
    waiting.front().deliver(caf::unit);
    waiting.pop_front();
    self->monitor(holder);
  };
  self->set_down_handler([=](const caf::down_msg& down) {
    if (self->state.holder == down.source) pass_on();  // the dead don't need it
  });
  return {[=](caf::get_atom) -> caf::result<void> {
            const auto promise = self->state.waiting.emplace_back(self->make_response_promise());
            if (self->state.holder == nullptr) pass_on();
            return promise;
          },
          [=](caf::put_atom) { pass_on(); }};
}

void philosopher(troupe::runtime& rt, const caf::actor& one, const caf::actor& other, bool dies) {
  for (int meal = 1; meal <= 3; ++meal) {
    for (const auto& stick : {one, other})
      rt.self()
          ->request(stick, caf::infinite, caf::get_atom_v)
          .receive([] {}, [](caf::error& e) { throw troupe::failure{e}; });
    if (dies) std::abort();
    for (const auto& stick : {one, other}) rt.self()->send(stick, caf::put_atom_v);
  }
}

int main(int argc, char** argv) {
  return troupe::program{argc, argv}.run([](troupe::runtime& rt) {
    std::vector<caf::actor> sticks(5);
    for (auto& stick : sticks) stick = rt.spawn(chopstick);
    std::vector<troupe::process> table;
    for (const char* name : {"Plato", "Hume", "Kant", "Mill", "Zeno"}) {
      // Each takes the one with the lower number first, so they never all wait for each other.
      const auto [one, other] = std::minmax({table.size(), (table.size() + 1) % 5});
      table.push_back(rt.spawn({name}, philosopher, sticks[one], sticks[other], table.size() == 2));
    }
    for (const auto& each : table) {
      const auto end = rt.join(each);
      std::cout << end.role << (end.success() ? " ate three times\n" : " died at the table\n");
    }
  });
}
