#pragma once

#include <string>
#include <vector>

#include "snapshot.hpp"

namespace troupe::tool {

/// A string as JSON; what is no UTF-8 becomes U+FFFD.
std::string json_text(const std::string& text);

/// One object, children in "children".
std::string json_tree(const snapshot& of);

}  // namespace troupe::tool
