// One item of a thousand crashes whoever runs it: the others are kept, and it is put aside with the
// reports of its three attempts.
#include <csignal>
#include <iostream>
#include <ranges>
#include <troupe/troupe.hpp>

// region work
int weigh(int item) {
  if (item == 666) std::raise(SIGSEGV);
  return item % 7;
}
// endregion

int main(int argc, char** argv) {
  return troupe::program{argc, argv}.run([](troupe::runtime& rt) {
    // region map
    auto pool = rt.pool(4);
    const auto begin = std::chrono::steady_clock::now();
    int kept = 0;
    for (const auto& weight : pool.map(weigh, std::views::iota(0, 1000))) kept += weight ? 1 : 0;
    // endregion
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
    const auto progress = pool.progress();
    std::cout << kept << " of 1000 results in " << time.count() << " s\n"
              << progress.restarts << " workers died, " << progress.retried
              << " attempts repeated\n";
    // region quarantine
    for (const auto& poison : pool.quarantine()) {
      std::cout << "quarantine: item " << poison.index << ", " << poison.reports.size()
                << " attempts\n";
      std::cout << "the last one: " << poison.reports.back()->sentence() << '\n';
    }
    // endregion
  });
}
