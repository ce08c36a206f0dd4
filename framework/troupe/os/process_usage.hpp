#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace troupe::os {

struct process_usage {
  std::uint64_t resident_bytes = 0;
  std::chrono::nanoseconds cpu_time{};  ///< user and system, all threads
};
/// Of any process; empty when it is gone. Source: /proc/PID/stat, proc(5).
std::optional<process_usage> usage_of(int pid);

}  // namespace troupe::os
