#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace troupe::os {

/// A function of a loaded object, in a form that another process of the same binary understands:
/// stable over fork, exec and address space randomisation.
struct code_address {
  std::string build_id;  ///< raw bytes; of an object without one: a hash of its headers
  std::uint64_t offset = 0;
};

/// Where `code` lies. Empty when no loaded object holds it.
std::optional<code_address> locate(const void* code);

/// The function at an address. Empty when the object is not loaded here or the offset is not in
/// executable memory.
const void* resolve(const code_address& address);

/// Build id of the main program.
const std::string& own_build_id();

}  // namespace troupe::os
