#include "troupe/os/machine.hpp"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <string>

namespace troupe::os {

namespace {

/// This process's group in the unified hierarchy ("/a/b"), or in the one of `controller`.
std::string own_group(const std::string& controller) {
  std::ifstream groups{"/proc/self/cgroup"};
  for (std::string line; std::getline(groups, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string names = ',' + line.substr(first + 1, second - first - 1) + ',';
    const bool unified = controller.empty() && names == ",,";
    if (unified || (!controller.empty() && names.find(',' + controller + ',') != std::string::npos))
      return line.substr(second + 1);
  }
  return "/";
}

double quota_of_file(const std::string& folder, bool unified) {
  constexpr double none = std::numeric_limits<double>::infinity();
  double quota = 0;
  double period = 0;
  if (unified) {
    std::ifstream file{folder + "/cpu.max"};
    if (!(file >> quota >> period)) return none;  // "max", or no such file
  } else {
    std::ifstream{folder + "/cpu.cfs_quota_us"} >> quota;
    std::ifstream{folder + "/cpu.cfs_period_us"} >> period;
  }
  return quota > 0 && period > 0 ? quota / period : none;
}

/// The least that any group on the way to the root allows.
double cpu_quota() {
  double least = std::numeric_limits<double>::infinity();
  for (const bool unified : {true, false}) {
    const std::string root = unified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/cpu";
    std::string group = own_group(unified ? "" : "cpu");
    for (;;) {
      least = std::min(least, quota_of_file(root + (group == "/" ? "" : group), unified));
      if (group.size() <= 1) break;
      group.resize(std::max<std::size_t>(group.rfind('/'), 1));
    }
  }
  return least;
}

}  // namespace

std::size_t usable_cpus() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  std::size_t cpus = 1;
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) {
    cpus = static_cast<std::size_t>(CPU_COUNT(&allowed));
  } else if (const long online = sysconf(_SC_NPROCESSORS_ONLN); online > 0) {
    cpus = static_cast<std::size_t>(online);  // more CPUs than a cpu_set_t has
  }
  const double quota = cpu_quota();
  if (quota < static_cast<double>(cpus)) cpus = static_cast<std::size_t>(std::ceil(quota));
  return std::max<std::size_t>(cpus, 1);
}

std::uint64_t available_memory() {
  std::ifstream file{"/proc/meminfo"};
  std::string field;
  for (std::uint64_t kib = 0; file >> field >> kib; file.ignore(64, '\n'))
    if (field == "MemAvailable:") return kib * 1024;
  return std::numeric_limits<std::uint64_t>::max();
}

std::uint64_t resident_bytes_of(int pid) {
  if (pid <= 0) return 0;
  std::ifstream file{"/proc/" + std::to_string(pid) + "/statm"};
  std::uint64_t total = 0;
  std::uint64_t resident = 0;
  file >> total >> resident;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace troupe::os
