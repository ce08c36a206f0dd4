#pragma once

namespace troupe::os {

struct terminal_extent {
  unsigned columns = 0;  ///< 0: it is no terminal
  unsigned rows = 0;
};
/// What `fd` is; a terminal that does not tell has 80 columns and 24 rows. Source: tty_ioctl(4).
terminal_extent terminal_size(int fd);

}  // namespace troupe::os
