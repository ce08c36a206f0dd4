#include "troupe/engine/process_settings.hpp"

#include "troupe/os/random.hpp"

namespace troupe::engine {

/// Never destroyed: the loop may still run while `exit` destroys what is static.
core_options& process_settings() {
  static auto& settings = *new core_options;
  return settings;
}

std::string new_mark() {
  const os::random_bits number = os::random_number();
  return std::to_string(number.high) + '-' + std::to_string(number.low);
}

}  // namespace troupe::engine
