#pragma once

#include <string>

namespace troupe::os {

/// A small file, as far as it can be read; empty when it can't. For /proc and /sys.
std::string file_contents(const std::string& path);

}  // namespace troupe::os
