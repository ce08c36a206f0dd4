#pragma once

#include <string>
#include <vector>

#include "troupe/os/descriptor.hpp"

namespace troupe::os {

/// A folder that belongs to this user alone, in which running programs leave their sockets.
struct private_directory {
  std::string path;
  descriptor fd;        ///< none: it can't be used
  std::string problem;  ///< why, as one sentence; empty: it isn't there
};

/// Where to look, first choice first: $XDG_RUNTIME_DIR/troupe, /tmp/troupe-UID.
std::vector<std::string> runtime_directories();

/// Opens a folder after looking whether it is this user's, mode 0700, and no link. `create`: makes
/// it if it isn't there.
private_directory open_private(const std::string& path, bool create);

/// Names of what is in it, but for "." and "..".
std::vector<std::string> names_in(const private_directory& where);
void remove_from(const private_directory& where, const std::string& name) noexcept;

}  // namespace troupe::os
