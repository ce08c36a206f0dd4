#include "troupe/os/terminal.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

namespace troupe::os {

terminal_extent terminal_size(int fd) {
  winsize size{};
  if (isatty(fd) == 0) return {};
  if (ioctl(fd, TIOCGWINSZ, &size) != 0) return {80, 24};
  return {size.ws_col != 0 ? size.ws_col : 80U, size.ws_row != 0 ? size.ws_row : 24U};
}

}  // namespace troupe::os
