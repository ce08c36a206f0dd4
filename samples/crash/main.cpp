// A worker crashes in front of you; the program says what happened and goes on.
#include <iostream>
#include <troupe/troupe.hpp>

// region worker
int reciprocal_of(int n) {
  if (n < 0) {
    volatile int* volatile nowhere = reinterpret_cast<volatile int*>(64);
    *nowhere = 1;  // the bug: SIGSEGV
  }
  return 1000 / n;
}
// endregion

int main(int argc, char** argv) {
  return troupe::program{argc, argv}.run([](troupe::runtime& rt) {
    // region ask
    auto worker = rt.serve(reciprocal_of, {"reciprocal"});
    std::cout << "1000 / 8 = " << worker.ask(8).value() << '\n';

    const auto answer = worker.ask(-1);
    std::cout << rt.describe(answer.error()) << '\n';
    // endregion

    const auto report = rt.join(worker);
    std::cout << "killed by a signal: " << std::boolalpha << report.signal.has_value() << '\n';

    // region pool
    auto pool = rt.pool(2);  // a pool replaces what dies and loses only the bad item
    for (const auto& result : pool.map(reciprocal_of, {1, -1, 4}))
      std::cout << (result ? std::to_string(*result) : rt.describe(result.error())) << '\n';
    // endregion
  });
}
