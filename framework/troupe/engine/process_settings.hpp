#pragma once

#include <string>

#include "troupe/engine/core.hpp"

namespace troupe::engine {

/// What `program` found out about this process before anything else ran; workers inherit it or find
/// it out again.
core_options& process_settings();

/// The mark that this worker's ancestors gave, or a new one for a root.
std::string new_mark();

}  // namespace troupe::engine
