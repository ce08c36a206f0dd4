#pragma once

#include <cstdint>
#include <string>
#include <vector>

/// What this machine and this user's limits allow. Each is found by trying it, or from /proc and
/// /sys; nothing is left behind. Source: the manual page of the same name.
namespace troupe::os {

std::string kernel_release();

bool has_pidfd();
/// waitid(2) by pidfd.
bool has_wait_by_pidfd();
/// Signals to a process group by pidfd (Linux 6.9).
bool has_group_signal_by_pidfd();
bool has_clone3();
bool has_close_range();
bool has_sealed_memory();  ///< memfd_create(2) with F_ADD_SEALS
bool has_subreaper();

/// Version of Landlock's interface; 0: none, or switched off.
int landlock_version();
bool has_seccomp_filters();

struct resource_limit {
  static constexpr std::uint64_t unlimited = ~std::uint64_t{0};
  std::uint64_t soft = unlimited;
  std::uint64_t hard = unlimited;
};
resource_limit limit_of_descriptors();
resource_limit limit_of_processes();
resource_limit limit_of_core_bytes();
/// 0: not known, or none.
std::uint64_t limit_of_pipe_pages();

/// Whether /proc is there and speaks of this pid namespace.
bool has_proc();
bool has_proc_children();  ///< /proc/PID/task/TID/children
bool has_proc_io();        ///< /proc/PID/io
bool sees_other_processes();

}  // namespace troupe::os
