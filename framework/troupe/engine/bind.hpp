#pragma once

#include <cstdint>
#include <vector>

#include "troupe/engine_api.hpp"
#include "troupe/wire/envelope.hpp"

namespace troupe::engine {

/// Tells a process what it is from now on: `what`, at `path` of its tree.
void describe_role(schema::Bind::Builder to, const role& what,
                   const std::vector<std::uint32_t>& path, std::uint64_t incarnation, bool control);

}  // namespace troupe::engine
