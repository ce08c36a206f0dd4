// multiprocessing.Pool(4).map(f, xs), in C++.
// region all
#include <iostream>
#include <troupe/troupe.hpp>

int main(int argc, char** argv) {
  return troupe::program{argc, argv}.run([](troupe::runtime& rt) {
    auto pool = rt.pool(4);  // four worker processes
    for (auto& y : pool.map([](std::int64_t x) { return x * x; }, {1, 2, 3, 4}))
      std::cout << y.value() << '\n';
  });
}
// endregion
