// Two actors in two processes hit a ball back and forth.
#include <chrono>
#include <iostream>
#include <troupe/troupe.hpp>

using clock_type = std::chrono::steady_clock;

// region actors
caf::behavior pong() {
  return {
      // What a handler returns goes to whoever sent the message, in whatever process that is.
      [](caf::ping_atom, int round) { return caf::make_message(caf::pong_atom_v, round); },
  };
}

struct ping_state {
  int rounds = 0;
  caf::response_promise game_over;
};

caf::behavior ping(caf::stateful_actor<ping_state>* self, const caf::actor& partner) {
  return {
      [=](int rounds) -> caf::result<int> {
        self->send(partner, caf::ping_atom_v, 1);
        self->state.rounds = rounds;
        return self->state.game_over = self->make_response_promise();  // the answer comes later
      },
      [=](caf::pong_atom, int round) {
        if (round < self->state.rounds) {
          self->send(partner, caf::ping_atom_v, round + 1);
        } else {
          self->state.game_over.deliver(round);
        }
      },
  };
}
// endregion

int main(int argc, char** argv) {
  return troupe::program{argc, argv}.run([](troupe::runtime& rt) {
    const auto second = rt.spawn(pong);
    const auto first = rt.spawn(ping, second);
    const auto start = clock_type::now();
    rt.self()
        ->request(first, caf::infinite, 1000)
        .receive(
            [&](int rounds) {
              const std::chrono::duration<double, std::micro> time = clock_type::now() - start;
              std::cout << rounds << " rounds, " << time.count() / rounds << " us each\n";
            },
            [&](caf::error& e) { std::cout << rt.describe(e) << '\n'; });
  });
}
