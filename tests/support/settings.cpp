#include <support/settings.hpp>

#include <cstdlib>
#include <iostream>
#include <string>

namespace test {

bool full() {
  const char* is = std::getenv("TROUPE_TEST_FULL");
  return is != nullptr && *is != '\0' && std::string{is} != "0";
}

std::mt19937_64& random() {
  static std::mt19937_64 engine = [] {
    const char* given = std::getenv("TROUPE_TEST_SEED");
    const std::uint64_t seed = given != nullptr ? std::stoull(given) : std::random_device{}();
    std::cout << "seed " << seed << std::endl;
    return std::mt19937_64{seed};
  }();
  return engine;
}

}  // namespace test
