#pragma once

#include <cstddef>
#include <cstdint>

namespace troupe::os {

/// CPUs that this process may really use: those it may run on, and no more than its control groups
/// pay for. At least 1. Source: sched_getaffinity(2), cgroup-v2 `cpu.max`, cgroup-v1 `cpu.cfs_*`.
std::size_t usable_cpus();

/// Memory that processes could still get without swapping. Source: MemAvailable of proc(5).
std::uint64_t available_memory();

/// Memory of a process that is in use now; 0 when it is gone. Source: /proc/PID/statm.
std::uint64_t resident_bytes_of(int pid);

}  // namespace troupe::os
