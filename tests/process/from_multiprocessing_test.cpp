// The lines that docs/from-multiprocessing.md shows.
#include <support/catch.hpp>
#include <support/oracle.hpp>
#include <support/outcome.hpp>
#include <support/runtime.hpp>

#include <unistd.h>

#include <csignal>
#include <ranges>
#include <troupe/testing.hpp>

using namespace std::chrono_literals;

namespace {

// region functions
std::int64_t square(int x) {
  return std::int64_t{x} * x;
}
int power(int base, int exponent) {
  int result = 1;
  while (exponent-- > 0) result *= base;
  return result;
}
// endregion

// region struct
struct word {
  std::string text;
  int count = 0;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, word& w) {
  return f(w.text, w.count);
}
// endregion

void load_tables() {}

}  // namespace

TEST_CASE("the lines for users of multiprocessing do what they say", "[process][pool][doc]") {
  const test::oracle oracle;
  {
    auto& rt = test::runtime();
    const std::vector<int> items{1, 2, 3};
    const std::vector<std::pair<int, int>> pairs{{2, 3}, {3, 2}};
    std::int64_t sum = 0;
    const auto use = [&sum](std::int64_t value) { sum += value; };
    // region make
    auto pool = rt.pool(4);  // rt.pool() has as many workers as this process has CPUs
    // endregion
    // region map
    for (auto& result : pool.map(square, items)) use(result.value());
    // endregion
    CHECK(sum == 14);
    const auto counted = pool.map(
        [](const std::string& s) {
          return word{s, static_cast<int>(s.size())};
        },
        std::vector<std::string>{"crow"});
    CHECK(counted[0].value().text == "crow");
    CHECK(counted[0].value().count == 4);
    // region starmap
    for (auto& result : pool.starmap(power, pairs)) use(result.value());
    // endregion
    CHECK(sum == 31);
    // region imap
    for (auto& result : pool.imap(square, std::views::iota(1)))
      if (result.value() > 100) break;  // the input may be endless
    for (auto& result : pool.imap_unordered(square, items)) use(result.value());
    // endregion
    CHECK(sum == 45);
    // region apply
    use(pool.apply(power, 2, 3).value());
    const auto later = pool.apply_async(power, 2, 4);
    later.then([&](troupe::result<int>& result) { use(result.value()); });
    use(later.get().value());
    // endregion
    CHECK(sum >= 69);
    // region errors
    const auto results = pool.map(
        [](int x) {
          if (x == 2) std::raise(SIGSEGV);  // as bad as it gets
          return x;
        },
        items);
    for (const auto& result : results)
      if (!result) CHECK(result.error() == troupe::errc::worker_lost);
    // endregion
    CHECK(results[0].value() == 1);
    CHECK_FALSE(results[1]);
    CHECK(results[2].value() == 3);
    // region timeout
    troupe::map_options patient;
    patient.hard_deadline = 200ms;  // for each item; its worker is ended and replaced
    const auto late = pool.map(
        [](int x) {
          while (x == 3) pause();
          return x;
        },
        items, patient);
    // endregion
    CHECK(test::outcome(late[2]) == "deadline");
    // region cancel
    const auto endless = pool.submit([] {
      while (!troupe::this_item::cancelled()) usleep(100);
    });
    endless.cancel();
    // endregion
    CHECK(test::outcome(endless.get()) == "cancelled");
    // region settings
    troupe::pool_options options{2};
    options.initializer(load_tables);
    options.max_tasks_per_child = 100;
    options.max_growth_bytes = 300 << 20;
    auto careful = rt.pool(options);
    // endregion
    CHECK(careful.apply(square, 3).value() == 9);
    // region end
    pool.close();  // or terminate()
    pool.join();   // the destructor does both, in bounded time
    // endregion
  }
  oracle.check();
}
