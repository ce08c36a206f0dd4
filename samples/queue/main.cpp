// A queue between two processes, as multiprocessing.Queue: who gets from an empty one waits.
#include <deque>
#include <iostream>
#include <troupe/troupe.hpp>

// region queue
struct queue_state {
  std::deque<int> items;
  std::deque<caf::response_promise> waiting;  // for items that are not there yet
};

caf::behavior queue(caf::stateful_actor<queue_state>* self) {
  return {
      [self](caf::put_atom, int item) {
        auto& [items, waiting] = self->state;
        if (waiting.empty()) {
          items.push_back(item);
        } else {
          waiting.front().deliver(item);
          waiting.pop_front();
        }
      },
      [self](caf::get_atom) -> caf::result<int> {
        auto& [items, waiting] = self->state;
        if (items.empty()) return waiting.emplace_back(self->make_response_promise());
        const int first = items.front();
        items.pop_front();
        return first;
      },
  };
}
// endregion

// region ends
void produce(troupe::runtime& rt, const caf::actor& queue, int count) {
  for (int i = 1; i <= count; ++i) rt.self()->send(queue, caf::put_atom_v, i * i);
  rt.self()->send(queue, caf::put_atom_v, -1);  // that's all
}

int consume(troupe::runtime& rt, const caf::actor& queue) {
  for (int item = 0; item >= 0;) {
    rt.self()
        ->request(queue, caf::infinite, caf::get_atom_v)
        .receive([&](int next) { item = next; }, [&](caf::error& e) { throw troupe::failure{e}; });
    if (item >= 0) std::cout << "got " << item << std::endl;
  }
  return 0;
}
// endregion

int main(int argc, char** argv) {
  return troupe::program{argc, argv}.run([](troupe::runtime& rt) {
    const auto between = rt.spawn(queue);  // a handle can be an argument
    const auto consumer = rt.spawn(consume, between);
    const auto producer = rt.spawn(produce, between, 5);
    for (const auto& end : {rt.join(producer), rt.join(consumer)})
      std::cout << "exit code " << *end.exit_code << '\n';
  });
}
