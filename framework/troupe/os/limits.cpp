#include "troupe/os/limits.hpp"

#include <sched.h>
#include <sys/resource.h>

#include <cerrno>

#include "troupe/os/child.hpp"

namespace troupe::os {

namespace {

struct known_resource {
  int number;
  const char* name;
};

known_resource of(resource what) {
  switch (what) {
    case resource::address_space:
      return {RLIMIT_AS, "address space"};
    case resource::data:
      return {RLIMIT_DATA, "data"};
    case resource::stack:
      return {RLIMIT_STACK, "stack"};
    case resource::core:
      return {RLIMIT_CORE, "core file"};
    case resource::file:
      return {RLIMIT_FSIZE, "file size"};
    case resource::open_files:
      return {RLIMIT_NOFILE, "open files"};
    case resource::processes:
      return {RLIMIT_NPROC, "processes"};
    case resource::cpu_seconds:
      break;
  }
  return {RLIMIT_CPU, "CPU time"};
}

}  // namespace

std::string limit_self(const own_limits& to) {
  for (const auto& [what, value] : to.limits) {
    const auto [number, name] = of(what);
    const rlimit both{value, value};
    if (setrlimit(static_cast<__rlimit_resource_t>(number), &both) != 0)
      return std::string{"the limit of its "} + name + " can't be " + std::to_string(value) + ": " +
             error_text(errno);
  }
  if (to.nice != 0 && setpriority(PRIO_PROCESS, 0, to.nice) != 0)
    return "its nice value can't be " + std::to_string(to.nice) + ": " + error_text(errno);
  if (!to.cpus.empty()) {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    for (const int cpu : to.cpus)
      if (cpu >= 0 && cpu < CPU_SETSIZE) CPU_SET(static_cast<unsigned>(cpu), &cpus);
    if (sched_setaffinity(0, sizeof cpus, &cpus) != 0)
      return "its CPUs can't be chosen so: " + error_text(errno);
  }
  return {};
}

}  // namespace troupe::os
