// container PROGRAM ARGUMENTS...: runs it under a filter of system calls like that of Docker and
// containerd, for a container without further rights: clone3 does not exist, as the filter can't
// look into its arguments; what needs a capability is forbidden.
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <vector>

namespace {

constexpr int forbidden[] = {SYS_add_key,
                             SYS_bpf,
                             SYS_clock_settime,
                             SYS_fanotify_init,
                             SYS_io_uring_setup,
                             SYS_kcmp,
                             SYS_keyctl,
                             SYS_lookup_dcookie,
                             SYS_mount,
                             SYS_move_pages,
                             SYS_open_by_handle_at,
                             SYS_perf_event_open,
                             SYS_pidfd_getfd,
                             SYS_pivot_root,
                             SYS_process_madvise,
                             SYS_quotactl,
                             SYS_request_key,
                             SYS_setdomainname,
                             SYS_sethostname,
                             SYS_setns,
                             SYS_set_mempolicy,
                             SYS_syslog,
                             SYS_umount2,
                             SYS_unshare,
                             SYS_userfaultfd,
                             SYS_vhangup};

void add_rule(std::vector<sock_filter>& to, int call, int error) {
  to.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(call), 0, 1));
  to.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(error)));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  std::vector<sock_filter> filter{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
  add_rule(filter, SYS_clone3, ENOSYS);
  for (const int call : forbidden) add_rule(filter, call, EPERM);
  filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    std::perror("container: no filter");
    return 1;
  }
  execv(argv[1], argv + 1);
  std::perror(argv[1]);
  return 1;
}
