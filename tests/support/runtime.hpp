#pragma once

#include <troupe/troupe.hpp>

namespace test {

/// The runtime of this test program. Valid in every TEST_CASE of the process tests.
troupe::runtime& runtime();

/// Called by the program's main alone.
void set_runtime(troupe::runtime* rt);

}  // namespace test
