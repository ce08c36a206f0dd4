#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace troupe {

/// Why a process ended, as far as its parent can tell.
enum class exit_cause : std::uint8_t {
  exited,         ///< by itself, with `exit_code`
  signaled,       ///< by `signal`, not sent by this program
  out_of_memory,  ///< by the kernel: it and what it started needed more than limits.memory_bytes
  killed,         ///< by a signal that this program sent with `runtime::kill`
  stopped,       ///< by SIGTERM or SIGKILL of the stop ladder (in good time it is `exited`, code 0)
  start_failed,  ///< it never came up; `detail` says why
  bad_message,   ///< killed because it sent bytes of the wrong shape; `detail` says which
  closed_channel,  ///< killed because it closed its mailbox and lived on
  unknown          ///< somebody else reaped it: no status is left
};

/// All that is known of one end of one process. Plain data.
struct exit_report {
  int pid = -1;
  std::string role;  ///< what it ran
  exit_cause cause = exit_cause::unknown;
  std::optional<int> exit_code;
  std::optional<int> signal;
  bool core_dumped = false;
  bool maybe_out_of_memory = false;         ///< certain if `cause` says so; else SIGKILL while the
                                            ///< kernel's out-of-memory killer was active
  bool stack_overflow = false;              ///< why it was SIGSEGV; known of a worker's main thread
  std::chrono::microseconds user_time{};    ///< CPU time in user mode
  std::chrono::microseconds system_time{};  ///< CPU time in the kernel
  std::int64_t max_rss_kib = 0;
  std::uint64_t last_message = 0;  ///< number of the last message it began; 0: none
  bool in_progress = false;        ///< it had not finished that message
  std::string stderr_tail;         ///< at most its last 16 KiB
  std::string detail;              ///< what this program knows beyond the status

  [[nodiscard]] bool success() const noexcept { return exit_code == 0; }
  /// One sentence: which process, how it ended, what it was doing.
  [[nodiscard]] std::string sentence() const;
};

}  // namespace troupe
