#include "troupe/os/capabilities.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <sstream>

#include "troupe/os/descriptor.hpp"
#include "troupe/os/file.hpp"

namespace troupe::os {

namespace {

constexpr unsigned signal_group_flag = 1U << 2;  // PIDFD_SIGNAL_PROCESS_GROUP
constexpr unsigned landlock_version_flag = 1U;   // LANDLOCK_CREATE_RULESET_VERSION
constexpr auto by_pidfd = static_cast<idtype_t>(3);
#ifdef SYS_landlock_create_ruleset
constexpr long landlock_call = SYS_landlock_create_ruleset;
#else
constexpr long landlock_call = 444;
#endif

descriptor own_pidfd() {
  const int fd = static_cast<int>(syscall(SYS_pidfd_open, getpid(), 0));
  return fd >= 0 ? descriptor{fd} : descriptor{};
}

resource_limit limit_of(__rlimit_resource what) {
  rlimit limit{};
  if (getrlimit(what, &limit) != 0) return {};
  const auto value = [](rlim_t is) {
    return is == RLIM_INFINITY ? resource_limit::unlimited : std::uint64_t{is};
  };
  return {value(limit.rlim_cur), value(limit.rlim_max)};
}

}  // namespace

std::string kernel_release() {
  utsname name{};
  return uname(&name) == 0 ? name.release : "";
}

bool has_pidfd() {
  return own_pidfd().get() >= 0;
}

/// Of a process that is no child, so what is expected is ECHILD.
bool has_wait_by_pidfd() {
  const descriptor self = own_pidfd();
  siginfo_t info{};
  return self.get() >= 0 &&
         (waitid(by_pidfd, static_cast<id_t>(self.get()), &info, WEXITED | WNOHANG) == 0 ||
          errno == ECHILD);
}

bool has_group_signal_by_pidfd() {
  const descriptor self = own_pidfd();
  return self.get() >= 0 &&
         (syscall(SYS_pidfd_send_signal, self.get(), 0, nullptr, signal_group_flag) == 0 ||
          errno == ESRCH);  // this process leads no group
}

/// With arguments that it must refuse.
bool has_clone3() {
  return syscall(SYS_clone3, nullptr, 0) < 0 && errno == EINVAL;
}

/// Of descriptors that nobody has.
bool has_close_range() {
  constexpr unsigned last = ~0U;
  return syscall(SYS_close_range, last, last, 0) == 0;
}

bool has_sealed_memory() {
  const int fd = memfd_create("troupe-doctor", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return false;
  const descriptor memory{fd};
  return fcntl(memory.get(), F_ADD_SEALS, F_SEAL_SHRINK) == 0;
}

bool has_subreaper() {
  int is = 0;
  return prctl(PR_GET_CHILD_SUBREAPER, &is) == 0;
}

int landlock_version() {
  const long version = syscall(landlock_call, nullptr, 0, landlock_version_flag);
  return version > 0 ? static_cast<int>(version) : 0;
}

bool has_seccomp_filters() {
  constexpr unsigned long filter_mode = 2;  // SECCOMP_MODE_FILTER; without a filter, a fault
  return prctl(PR_SET_SECCOMP, filter_mode, nullptr) != 0 && errno == EFAULT;
}

resource_limit limit_of_descriptors() {
  return limit_of(RLIMIT_NOFILE);
}
resource_limit limit_of_processes() {
  return limit_of(RLIMIT_NPROC);
}
resource_limit limit_of_core_bytes() {
  return limit_of(RLIMIT_CORE);
}

std::uint64_t limit_of_pipe_pages() {
  std::istringstream file{file_contents("/proc/sys/fs/pipe-user-pages-soft")};
  std::uint64_t pages = 0;
  file >> pages;
  return pages;
}

bool has_proc() {
  char own[16] = {};
  const ssize_t bytes = readlink("/proc/self", own, sizeof own - 1);
  return bytes > 0 && std::string{own} == std::to_string(getpid());
}

bool has_proc_children() {
  return access("/proc/thread-self/children", R_OK) == 0;
}

bool has_proc_io() {
  return !file_contents("/proc/self/io").empty();
}

bool sees_other_processes() {
  return access("/proc/1/stat", R_OK) == 0;
}

}  // namespace troupe::os
