#include "troupe/os/clone.hpp"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

#include <cerrno>
#include <cstdint>

#include "troupe/os/child.hpp"
#include "troupe/os/control_group.hpp"

namespace troupe::os {

void bind_to_owner(pid_t owner, const rlimit& descriptors) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != owner) _exit(127);  // the owner ended before the line above
  setpgid(0, 0);
  setrlimit(RLIMIT_NOFILE, &descriptors);
}

void place_descriptors(const worker_ends& ends, bool keep_over_exec) {
  for (std::size_t i = 0; i < ends.size(); ++i) {
    const int target = worker_fd::errors + static_cast<int>(i);
    dup3(ends[i], target, keep_over_exec || target == worker_fd::errors ? 0 : O_CLOEXEC);
  }
}

namespace {

int exec_child(void* argument) {
  auto& plan = *static_cast<child_plan*>(argument);
  bind_to_owner(plan.owner, plan.descriptors);
  if (plan.group >= 0) {  // before anything else: what it starts is in there, too
    plan.failure = {enter_group(plan.group), exec_failure::group};
    if (plan.failure.error != 0) _exit(127);
  }
  place_descriptors(plan.ends, true);
  syscall(SYS_close_range, worker_fd::page + 1, ~0U, 1U << 2);  // CLOSE_RANGE_CLOEXEC
  if (plan.path != nullptr) {
    execv(plan.path, plan.arguments.data());
  } else {
    begin_exec();
    syscall(SYS_execveat, plan.executable, "", plan.arguments.data(), environ, AT_EMPTY_PATH);
  }
  plan.failure = {errno, exec_failure::execution};
  _exit(127);
}

int exec_any_program(void* argument) {
  auto& program = *static_cast<any_program*>(argument);
  bind_to_owner(program.owner, program.descriptors);
  program.what.run();
  _exit(127);
}

/// clone(2) for an exec: shares memory until then, so it costs the same for a large process.
pid_t clone_for_exec(int (*child)(void*), void* plan, int& pidfd) {
  constexpr std::size_t bytes = 64 * 1024;
  // Not static: what lies around it there, all workers write, and it would be a page for each.
  static char* const stack = new char[bytes];
#if defined(__SANITIZE_ADDRESS__)
  ASAN_UNPOISON_MEMORY_REGION(stack, bytes);  // the last one never returned
#endif
  return clone(child, stack + bytes, CLONE_VM | CLONE_VFORK | CLONE_PARENT | CLONE_PIDFD, plan,
               &pidfd);
}

}  // namespace

pid_t clone_and_execute(child_plan& plan, int& pidfd) {
  return clone_for_exec(exec_child, &plan, pidfd);
}

pid_t clone_and_execute(any_program& program, int& pidfd) {
  return clone_for_exec(exec_any_program, &program, pidfd);
}

/// Only clone3(2) can begin a life in a group, and containers often refuse that with ENOSYS or
/// EPERM, as their seccomp filters can't look into its arguments (Docker's do): then the worker has
/// to go there.
clone_result clone_like_fork(int& pidfd, int group) {
  clone_args arguments{};
  arguments.flags = CLONE_PARENT | CLONE_PIDFD;
  arguments.pidfd = reinterpret_cast<std::uint64_t>(&pidfd);
  int* thread_id = nullptr;  // glibc caches the thread id; let the kernel renew it, as fork does
  if (prctl(PR_GET_TID_ADDRESS, &thread_id) == 0 && thread_id != nullptr) {
    arguments.flags |= CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
    arguments.child_tid = reinterpret_cast<std::uint64_t>(thread_id);
  }
  const auto flags = arguments.flags | SIGCHLD;
  if (group >= 0) {
    arguments.flags |= CLONE_INTO_CGROUP;
    arguments.cgroup = static_cast<std::uint64_t>(group);
    const auto pid = static_cast<pid_t>(syscall(SYS_clone3, &arguments, sizeof arguments));
    if (pid >= 0 || (errno != ENOSYS && errno != EPERM)) return {pid};
  }
#if defined(__x86_64__)
  const long pid = syscall(SYS_clone, flags, nullptr, &pidfd, thread_id, nullptr);
#else
  const long pid = syscall(SYS_clone, flags, nullptr, &pidfd, nullptr, thread_id);
#endif
  return {static_cast<pid_t>(pid), group < 0};
}

void go_to_group(int group, int errors) {
  const int error = enter_group(group);
  if (error == 0) return;
  const std::string why = "can't enter its control group: " + error_text(error) + '\n';
  write_what_fits(errors, std::as_bytes(std::span{why}));
  _exit(127);
}

}  // namespace troupe::os
