#include <support/catch.hpp>
#include <support/settings.hpp>
#include <support/supervisor_simulation.hpp>

TEST_CASE("supervisors keep what they promise, whatever happens to them",
          "[policy][supervision][simulation]") {
  const std::uint64_t base = test::random()() % 1'000'000'000;
  const std::uint64_t seeds = test::full() ? 10'000 : 2000;
  for (std::uint64_t i = 0; i < seeds; ++i) {
    const auto broken = test::supervisor_simulation{base + i}.run(1000);
    if (!broken.empty()) FAIL("seed " << base + i << ": " << broken);
  }
  SUCCEED();
}
