#include "troupe/os/limits.hpp"

#include <sched.h>
#include <sys/resource.h>

#include <cerrno>

#include "troupe/os/child.hpp"
#include "troupe/os/spin.hpp"

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

namespace {

/// The kernel tells of CPU time by SIGXCPU at the soft limit, and at the hard one kills by SIGKILL,
/// which nobody could tell from another. So that comes a second later, where it may.
rlimit limit_of(resource what, std::uint64_t value) noexcept {
  rlimit now{};
  if (what != resource::cpu_seconds || getrlimit(RLIMIT_CPU, &now) != 0 || now.rlim_max <= value)
    return {value, value};
  return {value, value + 1};
}

}  // namespace

refused_limit take_limits(const own_limits& to) noexcept {
  std::size_t place = 0;
  for (const auto& [what, value] : to.limits) {
    const rlimit both = limit_of(what, value);
    if (setrlimit(static_cast<__rlimit_resource_t>(of(what).number), &both) != 0)
      return {errno, place};
    ++place;
  }
  if (to.nice && setpriority(PRIO_PROCESS, 0, *to.nice) != 0) return {errno, place};
  if (to.cpus.empty()) return {};
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  for (const int cpu : to.cpus)
    if (cpu >= 0 && cpu < CPU_SETSIZE) CPU_SET(static_cast<unsigned>(cpu), &cpus);
  if (sched_setaffinity(0, sizeof cpus, &cpus) != 0) return {errno, place + 1};
  return {};
}

std::string describe(const refused_limit& what, const own_limits& of_all) {
  const std::string why = ": " + error_text(what.error);
  if (what.place > of_all.limits.size()) return "its CPUs can't be chosen so" + why;
  if (what.place == of_all.limits.size())
    return "its nice value can't be " + std::to_string(of_all.nice.value_or(0)) + why;
  const auto& [resource, value] = of_all.limits[what.place];
  return std::string{"the limit of its "} + of(resource).name + " can't be " +
         std::to_string(value) + why;
}

std::string limit_self(const own_limits& to) {
  const refused_limit refused = take_limits(to);
  if (!to.cpus.empty()) look_at_cores();
  return refused.error == 0 ? std::string{} : describe(refused, to);
}

}  // namespace troupe::os
