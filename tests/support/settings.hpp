#pragma once

#include <cstdint>
#include <random>

namespace test {

/// Whether the long versions of the tests are asked for (TROUPE_TEST_FULL).
bool full();

/// How often to do what is better done often.
inline int times(int bounded, int in_full) {
  return full() ? in_full : bounded;
}

/// Seeded anew in each run, or with TROUPE_TEST_SEED; prints the seed, so that a failure can be
/// repeated.
std::mt19937_64& random();

/// A number from 0 to `most`.
inline std::uint64_t random_up_to(std::uint64_t most) {
  return std::uniform_int_distribution<std::uint64_t>{0, most}(random());
}

}  // namespace test
