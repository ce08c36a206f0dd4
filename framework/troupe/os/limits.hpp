#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
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
  std::optional<int> nice;                                 ///< none: as it is
  std::vector<int> cpus;                                   ///< empty: any
};

/// The first limit that the system refuses: its place in `limits`; after those come the nice value
/// and the CPUs.
struct refused_limit {
  int error = 0;  ///< errno; 0: it took all
  std::size_t place = 0;
};
/// Takes these limits upon this process, for good. Allocates nothing.
/// Source: setrlimit(2), nice(2), sched_setaffinity(2).
refused_limit take_limits(const own_limits& to) noexcept;
/// One sentence.
std::string describe(const refused_limit& what, const own_limits& of);

/// The same. What the system refused, a sentence; empty: it took all.
std::string limit_self(const own_limits& to);

}  // namespace troupe::os
