#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "errors.hpp"

/// What the words of the command line do. All throw `trouble`.
namespace troupe::tool {

exit_status list(bool json);
exit_status show_tree(const std::optional<std::string>& program, bool json);
/// Shows it again and again until the program ends or Ctrl-C is pressed.
exit_status watch_tree(const std::optional<std::string>& program, bool json);
exit_status stop(const std::optional<std::string>& program, std::chrono::milliseconds within);
exit_status restart(const std::optional<std::string>& program, const std::string& child,
                    std::chrono::milliseconds within);
exit_status doctor(bool json);

}  // namespace troupe::tool
