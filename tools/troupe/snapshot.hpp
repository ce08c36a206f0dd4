#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "troupe/wire/control.hpp"

namespace troupe::tool {

/// One line of a tree.
struct node {
  unsigned depth = 0;
  std::string name;
  std::string path;
  std::string role;
  std::string state;
  int pid = 0;
  int told_by = 0;  ///< the process that answers for it
  std::chrono::nanoseconds uptime{};
  std::uint32_t restarts = 0;
  std::uint64_t waiting = 0;
  std::optional<std::uint64_t> resident_bytes;  ///< these three: of a process that is there
  std::optional<std::chrono::nanoseconds> cpu_time;
  std::optional<double> cpu_percent;  ///< of one core
};

/// A program's tree at one moment.
struct snapshot {
  std::string program;
  int pid = 0;
  std::vector<node> nodes;
};

/// What one process tells. Depths that can't be are mended.
snapshot snapshot_of(schema::Tree::Reader tree);

/// A tree with the parts that its workers tell of, by pid, in their places. Pure.
snapshot joined(const snapshot& root, const std::map<int, snapshot>& parts);

/// The processes in it, but for its own, for the parts that they may tell of.
std::vector<int> processes_below(const snapshot& of);
std::size_t count_processes(const snapshot& of);

/// Adds what the system tells of memory and CPU.
class meter {
public:
  /// CPU in percent is that since the last time; at first, since the process began.
  void measure(snapshot& of);

private:
  struct sample {
    std::chrono::nanoseconds cpu_time{};
    std::chrono::steady_clock::time_point taken{};
  };
  std::map<int, sample> last_;
};

}  // namespace troupe::tool
