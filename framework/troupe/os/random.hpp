#pragma once

#include <cstdint>

namespace troupe::os {

/// 64 random bits from the kernel. Source: getrandom(2).
std::uint64_t random_number();

}  // namespace troupe::os
