#include "troupe/os/memory_holder.hpp"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace troupe::os {

namespace {

struct plan {
  int until;
  pid_t of;
  pid_t owner;
};

/// In the holder. It shares the other one's thread-local memory, too: it makes no call that fails
/// and would set `errno` while that lives, and none that allocates or can be cancelled.
int hold(void* argument) {
  const plan what = *static_cast<const plan*>(argument);
  prctl(PR_SET_NAME, holder_name);
  syscall(SYS_close_range, 0U, static_cast<unsigned>(what.until) - 1, 0U);
  syscall(SYS_close_range, static_cast<unsigned>(what.until) + 1, ~0U, 0U);
  const int owner = static_cast<int>(syscall(SYS_pidfd_open, what.owner, 0));
  // As long as that one lives, so did its parent, and the id was not yet another's.
  if (owner < 0 || getppid() != what.of) _exit(0);
  pollfd ends[] = {{what.until, 0, 0}, {owner, POLLIN, 0}};
  while (syscall(SYS_ppoll, ends, 2, nullptr, nullptr, 0) <= 0) {
  }
  _exit(0);
}

}  // namespace

void start_memory_holder(int until) noexcept {
  alignas(16) static char stack[4096];
  static plan what;
  what = {until, getpid(), getppid()};
  sigset_t all, before;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  const pid_t holder = clone(hold, stack + sizeof stack, CLONE_VM, &what);
  if (holder > 0) setpgid(holder, holder);
  sigprocmask(SIG_SETMASK, &before, nullptr);
}

}  // namespace troupe::os
