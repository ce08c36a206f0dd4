#pragma once

#include <cstdint>
#include <span>

#include "troupe/os/descriptor.hpp"

namespace troupe::os {

/// epoll(7), level-triggered. Owns its own descriptor only; a watched one is removed before it
/// closes.
class poller {
public:
  struct event {
    std::uint64_t tag;
    bool readable;  ///< or hung up
    bool writable;
  };

  poller();

  void add(int fd, std::uint64_t tag, bool writable = false);
  void remove(int fd);

  /// Blocks until something happened or `timeout_ms` (-1: for ever) passed; fills `into`.
  /// A signal ends the wait early with nothing.
  std::size_t wait(std::span<event> into, int timeout_ms);

  [[nodiscard]] int fd() const noexcept { return epoll_.get(); }

private:
  descriptor epoll_;
};

}  // namespace troupe::os
