#pragma once

#include <sys/types.h>

#include <string>

#include "troupe/os/descriptor.hpp"

namespace troupe::os {

/// Where a program says that it is ready, as to systemd. Its name is an abstract one, so no file is
/// left, and a random one: only who has the program's environment knows it.
/// Owns: the socket. Source: sd_notify(3), unix(7).
class notify_socket {
public:
  /// @throws kj::Exception
  notify_socket();

  [[nodiscard]] int fd() const noexcept { return socket_.get(); }
  /// Value of NOTIFY_SOCKET.
  [[nodiscard]] const std::string& name() const noexcept { return name_; }

  /// Takes what has come, without waiting. True when one of the messages says READY=1 and comes
  /// from this user (or root) and the group; also of a process that has ended since, whose group
  /// can't be known any longer.
  bool says_ready(pid_t group);

private:
  descriptor socket_;
  std::string name_;
};

}  // namespace troupe::os
