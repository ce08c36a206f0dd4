#pragma once

#include <functional>
#include <string_view>

#include "troupe/engine/core.hpp"
#include "troupe/os/output.hpp"

namespace troupe::engine {

/// stdout or stderr of this program, for what other processes of its tree say there. The loop never
/// waits for who reads it: what is not taken is kept, and tried again.
///
/// Runs in: the loop.
class line_output {
public:
  /// `keeps`: bytes, what is more is dropped and counted. `on_room`: nothing is kept any more.
  line_output(core& of, int fd, std::size_t keeps, std::function<void()> on_room = {});
  line_output(const line_output&) = delete;
  line_output& operator=(const line_output&) = delete;
  ~line_output();

  void write(std::string_view text) noexcept;
  [[nodiscard]] bool has_room() const noexcept { return !to_.keeps_any(); }
  [[nodiscard]] bool has_failed() const noexcept { return to_.has_failed(); }
  /// Waits for the reader, for so long at most; -1: as long as it takes.
  void finish(int limit_ms) noexcept { to_.finish(limit_ms); }

private:
  void try_again() noexcept;

  core& core_;
  os::output to_;
  const std::function<void()> on_room_;
  core::timer_id timer_ = 0;
  clock::duration pause_{};
};

}  // namespace troupe::engine
