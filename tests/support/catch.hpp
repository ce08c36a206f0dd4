#pragma once

// Catch2 v2 (Debian 12) and v3 (Debian 13) by one name. Tests keep to what both have: no matchers,
// no Approx.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif
