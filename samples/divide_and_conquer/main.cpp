// Merge sort by a tree of processes: an actor that has too much to do starts two more below itself.
#include <algorithm>
#include <iostream>
#include <iterator>
#include <numeric>
#include <random>
#include <troupe/troupe.hpp>

using numbers = std::vector<int>;

// region sorter
caf::behavior sorter(caf::event_based_actor* self, troupe::runtime& rt, int levels_below) {
  if (levels_below == 0)
    return {[](numbers all) {
      std::sort(all.begin(), all.end());
      return all;
    }};
  const auto left = rt.spawn(sorter, levels_below - 1);
  const auto right = rt.spawn(sorter, levels_below - 1);
  return {[=](const numbers& all) -> caf::result<numbers> {
    const auto middle = all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2);
    auto answer = self->make_response_promise<numbers>();
    const auto sorted = [answer, other = std::make_shared<numbers>()](const numbers& half) mutable {
      if (other->empty()) {
        *other = half;
      } else {
        numbers merged;
        std::merge(half.begin(), half.end(), other->begin(), other->end(),
                   std::back_inserter(merged));
        answer.deliver(merged);
      }
    };
    const auto failed = [answer](caf::error& e) mutable { answer.deliver(e); };
    self->request(left, caf::infinite, numbers(all.begin(), middle)).then(sorted, failed);
    self->request(right, caf::infinite, numbers(middle, all.end())).then(sorted, failed);
    return answer;
  }};
}
// endregion

int main(int argc, char** argv) {
  return troupe::program{argc, argv}.with<numbers>().run([](troupe::runtime& rt) {
    numbers shuffled(100'000);
    std::iota(shuffled.begin(), shuffled.end(), 1);
    std::shuffle(shuffled.begin(), shuffled.end(), std::mt19937{});

    const auto top = rt.spawn(sorter, 2);  // 7 processes on three levels
    rt.self()
        ->request(top, caf::infinite, shuffled)
        .receive(
            [](const numbers& sorted) {
              std::cout << sorted.size() << " numbers, " << sorted.front() << " to "
                        << sorted.back() << ", sorted: " << std::boolalpha
                        << std::is_sorted(sorted.begin(), sorted.end()) << '\n';
            },
            [&](caf::error& e) { std::cout << rt.describe(e) << '\n'; });
  });
}
