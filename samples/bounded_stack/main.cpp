// A class of actors that changes its behaviour with its state: a stack is empty, full or in
// between, and what it can't do is an error that the asker gets.
#include <iostream>
#include <troupe/troupe.hpp>

// region stack
class bounded_stack : public caf::event_based_actor {
public:
  bounded_stack(caf::actor_config& config, std::size_t room)
      : event_based_actor(config), room_(room) {}

  caf::behavior make_behavior() override { return empty(); }

private:
  caf::behavior empty() {
    return {[this](caf::put_atom, int item) { push(item); },
            [](caf::get_atom) { return caf::make_error(caf::sec::end_of_stream, "it is empty"); }};
  }
  caf::behavior partly_filled() {
    return {[this](caf::put_atom, int item) { push(item); },
            [this](caf::get_atom) { return pop(); }};
  }
  caf::behavior full() {
    return {[](caf::put_atom, int) {
              return caf::make_error(caf::sec::invalid_argument, "it is full");
            },
            [this](caf::get_atom) { return pop(); }};
  }

  void push(int item) {
    items_.push_back(item);
    become(items_.size() == room_ ? full() : partly_filled());
  }
  int pop() {
    const int item = items_.back();
    items_.pop_back();
    become(items_.empty() ? empty() : partly_filled());
    return item;
  }

  std::size_t room_;
  std::vector<int> items_;
};
// endregion

int main(int argc, char** argv) {
  return troupe::program{argc, argv}.run([](troupe::runtime& rt) {
    const auto stack = rt.spawn<bounded_stack>(std::size_t{3});
    const auto failed = [&](caf::error& e) { std::cout << rt.describe(e) << '\n'; };
    for (int i = 1; i <= 4; ++i)
      rt.self()
          ->request(stack, caf::infinite, caf::put_atom_v, i)
          .receive([&] { std::cout << "put " << i << '\n'; }, failed);
    for (int i = 1; i <= 4; ++i)
      rt.self()
          ->request(stack, caf::infinite, caf::get_atom_v)
          .receive([](int item) { std::cout << "got " << item << '\n'; }, failed);
  });
}
