#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

#include "troupe/os/zygote.hpp"

namespace troupe::os {

/// What owner and zygote say to each other: one record each, between two processes of one binary.
struct zygote_request {
  enum class what : std::uint32_t { start, adopt, forget, execute, end };
  static constexpr std::size_t max_bytes = 64 * 1024;

  what op = what::start;
  start_method method = start_method::fork;
  /// adopt (its pidfd and its group come along), forget, start (0, or one to forget)
  std::int32_t pid = 0;
  /// start: named in the reply; path and arguments follow the record. After its ends the folder of
  /// its control group may come along.
  std::uint64_t token = 0;
  /// execute: which of program_ends come along, and (the last bit) a memory with the plan, which
  /// follows the record otherwise.
  std::uint32_t ends = 0;
  static constexpr std::uint32_t plan_in_memory = 1U << 5;
};

struct zygote_reply {
  std::uint64_t token = 0;
  std::int32_t pid = -1;
  std::int32_t error = 0;
  std::int32_t at = 0;  ///< exec_failure::step
};

/// The binary of this program, for execve(2): the one that runs, also if another lies at its place
/// by now. Without /proc the path by which it was started.
const char* own_binary();

/// The zygote process itself. Single-threaded; sleeps in poll(2); ends with its owner.
[[noreturn]] void run_zygote(int socket, pid_t owner, const zygote_config& config);

}  // namespace troupe::os
