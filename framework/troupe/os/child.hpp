#pragma once

#include <signal.h>
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "troupe/os/descriptor.hpp"

namespace troupe::os {

/// How a child process ended, as waitid(2) tells.
struct wait_status {
  enum class kind : std::uint8_t {
    running,
    exited,
    signaled,
    unknown,  ///< somebody else reaped it (SIGCHLD ignored, a foreign wait): no status is left
  } how = kind::running;
  int value = 0;  ///< exit code or signal
  bool core_dumped = false;
  std::chrono::microseconds user_time{};
  std::chrono::microseconds system_time{};
  std::int64_t max_rss_kib = 0;
};

/// Looks whether the process behind `pidfd` has ended, without waiting. `keep`: leave it a zombie,
/// so that its pid and group id can't be used again yet.
wait_status wait_child(int pidfd, bool keep);

/// Blocks until the child has ended, then reaps it.
void reap_blocking(int pidfd);

/// Sends a signal to exactly this process (never to a reused pid). False when it has ended.
/// Source: pidfd_send_signal(2).
bool send_signal(int pidfd, int signal);

/// Sends a signal to a process group; only while its leader is not reaped, else the id may be new.
/// False: nobody is in it.
bool signal_group(pid_t group, int signal);
/// Signals the group of the process that `pidfd` refers to, by identity where the kernel can
/// (PIDFD_SIGNAL_PROCESS_GROUP, Linux 6.9), else by the number `group`. False: nobody is in it.
bool signal_group(int pidfd, pid_t group, int signal);
/// Whether any process, zombies included, is in the group.
bool group_exists(pid_t group);

/// @throws kj::Exception, ESRCH when there is no such process. Source: pidfd_open(2).
descriptor open_pidfd(pid_t pid);
/// The same; empty when there is no such process.
std::optional<descriptor> find_pidfd(pid_t pid);

/// Name of a signal ("SIGKILL"), or "signal N".
std::string signal_name(int signal);

/// Text of an errno. Source: strerror(3).
std::string error_text(int error);

pid_t own_pid();

/// All children of this process, whoever started them. Empty without /proc.
std::vector<pid_t> children_of_this_process();

struct process_identity {
  std::string name;  ///< comm; what a worker set, unless it exec'd since
  pid_t group = 0;
  pid_t session = 0;
  bool zombie = false;
  bool marked = false;  ///< its environment carries the mark, or it is in its exec
};
/// What /proc tells of a process; empty when it is gone. `mark`: "NAME=value" to look for.
std::optional<process_identity> identify(pid_t pid, const std::string& mark);

/// Blocks, from its exec to its first instruction of ours, what nobody else blocks: one that dies
/// then has neither the name nor, as a zombie, the environment that would tell whose it is.
/// In the child of a clone. `end_of_exec` blocks nothing.
void begin_exec() noexcept;
void end_of_exec() noexcept;
/// The same for posix_spawn.
sigset_t signals_of_exec() noexcept;

/// Adopts orphaned descendants of this process, so that none escapes. Source: prctl(2).
void become_subreaper();

/// Sets the name that ps shows and `identify` finds.
void set_process_name(const char* name);

/// Times the kernel killed a process for want of memory, on this machine. Source: /proc/vmstat.
std::uint64_t out_of_memory_kills();

/// Threads of this process; 0 when /proc can't tell.
unsigned thread_count();
/// Has `what` called in each process that code of this one's makes by fork(3), not by clone(2) as
/// zygotes do; also in those of its forks. Source: pthread_atfork(3).
void on_fork(void (*what)());
/// Leaves all signals to the other threads. Source: pthread_sigmask(3).
void block_signals();

/// Memory of this process that is in use now. Source: /proc/self/statm.
std::size_t resident_bytes();

}  // namespace troupe::os
