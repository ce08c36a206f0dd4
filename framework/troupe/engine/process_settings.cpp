#include "troupe/engine/process_settings.hpp"

#include <cstddef>
#include <new>

#include "troupe/os/random.hpp"

namespace troupe::engine {

/// Never destroyed: the loop may still run while `exit` destroys what is static. Not on the heap:
/// each worker writes it, and has written the page of static objects anyway.
core_options& process_settings() {
  alignas(core_options) static std::byte place[sizeof(core_options)];
  static auto& settings = *new (place) core_options;
  return settings;
}

std::string new_mark() {
  const os::random_bits number = os::random_number();
  return std::to_string(number.high) + '-' + std::to_string(number.low);
}

}  // namespace troupe::engine
