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

/// Turns what a program tells into snapshots, with what the system tells of its processes.
class observer {
public:
  /// CPU in percent is that since the last snapshot; in a first one, since the process began.
  snapshot look(schema::Tree::Reader tree);

private:
  struct sample {
    std::chrono::nanoseconds cpu_time{};
    std::chrono::nanoseconds taken{};
  };
  std::map<int, sample> last_;
};

}  // namespace troupe::tool
