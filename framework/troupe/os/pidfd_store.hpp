#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <vector>

#include "troupe/os/descriptor.hpp"

namespace troupe::os {

/// The pidfds of many processes, until a moment that may never come. Most of them are in no
/// descriptor table: each clone(2) would copy them and each child close its copies, 38 us of a
/// start when there are 300. They lie in messages that this process has sent to itself. Source:
/// unix(7), SCM_RIGHTS.
class pidfd_store {
public:
  pidfd_store();
  void add(pid_t pid, descriptor pidfd);
  void remove(pid_t pid);

  /// Calls `visit(pid, pidfd)` for each, and forgets it. The pidfd is closed after the call, unless
  /// that has moved it away.
  template <class Visit>
  void take_all(Visit visit) {
    for (auto& [pid, pidfd] : here_) visit(pid, pidfd);
    here_.clear();
    while (oldest_ != next_)
      for (auto& [pid, pidfd] : wanted_of_oldest()) visit(pid, pidfd);
  }

private:
  struct held {
    pid_t pid;
    descriptor pidfd;
  };

  [[nodiscard]] std::vector<held>::iterator find_here(pid_t pid);
  void send_some_away();
  void sort_out();
  /// Takes the oldest message; it leaves `sent_`.
  [[nodiscard]] std::map<pid_t, descriptor> wanted_of_oldest();

  std::vector<held> here_;               ///< few, and adding one allocates nothing
  std::map<pid_t, std::uint64_t> sent_;  ///< in which message: an id may be used again
  std::uint64_t oldest_ = 0;             ///< message
  std::uint64_t next_ = 0;
  std::size_t unwanted_ = 0;  ///< in messages
  socket_pair socket_;
};

}  // namespace troupe::os
