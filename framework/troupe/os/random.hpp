#pragma once

#include <cstdint>

namespace troupe::os {

struct random_bits {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
};

/// 128 random bits from the kernel. Source: getrandom(2).
random_bits random_number();

}  // namespace troupe::os
