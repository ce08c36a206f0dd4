#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "troupe/os/descriptor.hpp"

namespace troupe::os {

/// Writes text to a descriptor that other processes have, too, and never waits for its reader (a
/// stopped terminal, a pager): what it does not take is kept, and lines beyond a limit are dropped
/// and counted.
///
/// A pipe or a terminal is opened anew for that: O_NONBLOCK is of all who have the description.
/// Where that can't be, and for files, a write takes as long as it takes.
/// Runs in: one thread at a time. Errors: what can't be written is gone, see `has_failed`.
class output {
public:
  static constexpr std::size_t most_kept = 256 * 1024;

  /// `keeps`: bytes.
  explicit output(int fd, std::size_t keeps = most_kept);

  void write(std::string_view text) noexcept;
  /// Writes what was kept, as far as it is taken. True: nothing is kept now.
  bool flush() noexcept;
  [[nodiscard]] bool keeps_any() const noexcept { return !kept_.empty() || dropped_ != 0; }
  /// Something could not be written: the disk is full, or nobody will ever read it.
  [[nodiscard]] bool has_failed() const noexcept { return failed_; }
  /// The same as `flush`, waiting for the reader for so long at most; -1: as long as it takes.
  void finish(int limit_ms) noexcept;

private:
  std::size_t write_some(std::string_view text) noexcept;

  int fd_;
  std::size_t keeps_;
  bool failed_ = false;
  bool is_socket_ = false;
  descriptor own_;  ///< the same, non-blocking
  std::string kept_;
  std::size_t dropped_ = 0;  ///< lines
};

}  // namespace troupe::os
