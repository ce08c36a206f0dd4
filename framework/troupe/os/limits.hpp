#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace troupe::os {

/// For `limit`; by name, since nobody above includes <sys/resource.h>.
enum class resource : std::uint8_t {
  address_space,
  data,
  stack,
  core,
  file,
  open_files,
  processes,
  cpu_seconds
};

struct own_limits {
  std::vector<std::pair<resource, std::uint64_t>> limits;  ///< soft and hard
  int nice = 0;                                            ///< 0: as it is
  std::vector<int> cpus;                                   ///< empty: any
};

/// Takes these limits upon this process, for good. What the system refused, a sentence; empty: it
/// took all. Source: setrlimit(2), nice(2), sched_setaffinity(2).
std::string limit_self(const own_limits& to);

}  // namespace troupe::os
