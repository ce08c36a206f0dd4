// Three ways to wait for answers: `then` takes them as they come, `await` handles nothing else
// before it has them (the latest question first), and `receive` blocks, for straight-line code.
#include <algorithm>
#include <iostream>
#include <troupe/troupe.hpp>

using numbers = std::vector<int>;

// region box
/// Holds a number. The compiler knows what may be sent to a box, whatever process it lives in.
using box =
    caf::typed_actor<caf::reacts_to<caf::put_atom, int>, caf::replies_to<caf::get_atom>::with<int>>;

box::behavior_type make_box(box::stateful_pointer<int> self, int content) {
  self->state = content;
  return {[self](caf::put_atom, int value) { self->state = value; },
          [self](caf::get_atom) { return self->state; }};
}
// endregion

// region reader
/// Asks all boxes at once and answers when it has heard of all.
caf::behavior reader(caf::event_based_actor* self, const std::vector<box>& boxes, bool await) {
  return {[=](caf::get_atom) -> caf::result<numbers> {
    auto answer = self->make_response_promise<numbers>();
    auto values = std::make_shared<numbers>();
    const auto note = [=, count = boxes.size()](int value) mutable {
      values->push_back(value);
      if (values->size() == count) answer.deliver(*values);
    };
    for (const auto& each : boxes) {
      auto question = self->request(each, caf::infinite, caf::get_atom_v);
      await ? question.await(note) : question.then(note);
    }
    return answer;
  }};
}
// endregion

int main(int argc, char** argv) {
  return troupe::program{argc, argv}.with<numbers>().run([](troupe::runtime& rt) {
    std::vector<box> boxes;
    for (int i = 0; i < 5; ++i) boxes.push_back(rt.spawn(make_box, i * i));
    rt.self()->send(boxes[0], caf::put_atom_v, 100);
    for (const bool await : {true, false})
      rt.self()
          ->request(rt.spawn(reader, boxes, await), caf::infinite, caf::get_atom_v)
          .receive(
              [&](numbers values) {
                if (!await) std::sort(values.begin(), values.end());  // they came in any order
                std::cout << (await ? "await:" : "then: ");
                for (const int value : values) std::cout << ' ' << value;
                std::cout << '\n';
              },
              [&](caf::error& e) { std::cout << rt.describe(e) << '\n'; });
  });
}
