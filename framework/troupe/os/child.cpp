#include "troupe/os/child.hpp"

#include <dirent.h>
#include <kj/debug.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <sstream>

#include "troupe/os/file.hpp"

namespace troupe::os {

namespace {

#ifndef PIDFD_SIGNAL_PROCESS_GROUP
constexpr unsigned PIDFD_SIGNAL_PROCESS_GROUP = 1U << 2;
#endif
constexpr auto by_pidfd = static_cast<idtype_t>(3);  // P_PIDFD

std::chrono::microseconds duration(const timeval& t) {
  return std::chrono::seconds{t.tv_sec} + std::chrono::microseconds{t.tv_usec};
}

/// waitid(2) as the system call: glibc's wrapper hides the rusage.
int wait_for(int pidfd, siginfo_t& info, int options, rusage& usage) {
  int rc = 0;
  do {
    info.si_pid = 0;
    rc = static_cast<int>(syscall(SYS_waitid, by_pidfd, pidfd, &info, options, &usage));
  } while (rc < 0 && errno == EINTR);
  return rc;
}

}  // namespace

wait_status wait_child(int pidfd, bool keep) {
  siginfo_t info{};
  rusage usage{};
  wait_status status;
  const int rc = wait_for(pidfd, info, WEXITED | WNOHANG | (keep ? WNOWAIT : 0), usage);
  if (rc < 0) {
    if (errno != ECHILD) KJ_FAIL_SYSCALL("waitid", errno);
    status.how = wait_status::kind::unknown;
    return status;
  }
  if (info.si_pid == 0) return status;
  status.how = info.si_code == CLD_EXITED ? wait_status::kind::exited : wait_status::kind::signaled;
  status.value = info.si_status;
  status.core_dumped = info.si_code == CLD_DUMPED;
  status.user_time = duration(usage.ru_utime);
  status.system_time = duration(usage.ru_stime);
  status.max_rss_kib = usage.ru_maxrss;
  return status;
}

void reap_blocking(int pidfd) {
  siginfo_t info{};
  rusage usage{};
  static_cast<void>(wait_for(pidfd, info, WEXITED, usage));
}

bool send_signal(int pidfd, int signal) {
  if (syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0) == 0) return true;
  if (errno != ESRCH) KJ_FAIL_SYSCALL("pidfd_send_signal", errno, signal);
  return false;
}

bool signal_group(pid_t group, int signal) {
  return group > 1 && kill(-group, signal) == 0;
}

bool signal_group(int pidfd, pid_t group, int signal) {
  const long rc =
      syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, PIDFD_SIGNAL_PROCESS_GROUP);
  if (rc != 0 && errno == EINVAL) return signal_group(group, signal);  // a kernel before 6.9
  return rc == 0;
}

bool group_exists(pid_t group) {
  return signal_group(group, 0);
}

descriptor open_pidfd(pid_t pid) {
  auto found = find_pidfd(pid);
  KJ_REQUIRE(found.has_value(), "there is no such process", pid);
  return kj::mv(*found);
}

std::optional<descriptor> find_pidfd(pid_t pid) {
  const int fd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  if (fd < 0 && errno == ESRCH) return std::nullopt;
  if (fd < 0) KJ_FAIL_SYSCALL("pidfd_open", errno, pid);
  return descriptor{fd};
}

std::string signal_name(int signal) {
  const char* name = sigabbrev_np(signal);
  return name != nullptr ? std::string{"SIG"} + name : "signal " + std::to_string(signal);
}

std::string error_text(int error) {
  return std::strerror(error);
}

pid_t own_pid() {
  return getpid();
}

namespace {

/// Whether /proc speaks of the process ids that this process has: in a pid namespace of its own it
/// may still be the one outside.
bool proc_is_ours() {
  std::array<char, 16> own{};
  const ssize_t bytes = readlink("/proc/self", own.data(), own.size() - 1);
  return bytes > 0 && std::string{own.data()} == std::to_string(getpid());
}

}  // namespace

std::vector<pid_t> children_of_this_process() {
  std::vector<pid_t> children;
  if (!proc_is_ours()) return children;
  DIR* tasks = opendir("/proc/self/task");
  if (tasks == nullptr) return children;
  while (const dirent* task = readdir(tasks)) {
    if (task->d_name[0] == '.') continue;
    std::istringstream list{
        file_contents(std::string{"/proc/self/task/"} + task->d_name + "/children")};
    for (pid_t pid = 0; list >> pid;) children.push_back(pid);
  }
  closedir(tasks);
  return children;
}

namespace {

/// Of the kernel's real-time signals two that no program has a reason to block alone.
constexpr std::array exec_signals{57, 59};

bool is_in_exec(const std::string& place) {
  std::istringstream status{file_contents(place + "/status")};
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("SigBlk:", 0) != 0) continue;
    std::uint64_t expected = 0;
    for (const int signal : exec_signals) expected |= std::uint64_t{1} << (signal - 1);
    return std::strtoull(line.c_str() + 7, nullptr, 16) == expected;
  }
  return false;
}

}  // namespace

std::optional<process_identity> identify(pid_t pid, const std::string& mark) {
  const std::string place = "/proc/" + std::to_string(pid);
  const std::string stat = file_contents(place + "/stat");
  const auto open = stat.find('(');
  const auto close = stat.rfind(')');
  if (open == std::string::npos || close == std::string::npos) return std::nullopt;
  process_identity who;
  who.name = stat.substr(open + 1, close - open - 1);
  std::istringstream rest{stat.substr(close + 1)};
  char state = 0;
  pid_t parent = 0;
  rest >> state >> parent >> who.group >> who.session;
  who.zombie = state == 'Z' || state == 'X';
  const std::string environment = '\0' + file_contents(place + "/environ");
  who.marked = environment.find('\0' + mark + '\0') != std::string::npos || is_in_exec(place);
  return who;
}

sigset_t signals_of_exec() noexcept {
  sigset_t two;
  sigemptyset(&two);
  for (const int signal : exec_signals) sigaddset(&two, signal);
  return two;
}

void begin_exec() noexcept {
  const sigset_t two = signals_of_exec();
  sigprocmask(SIG_SETMASK, &two, nullptr);
}

void end_of_exec() noexcept {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

void become_subreaper() {
  KJ_SYSCALL(prctl(PR_SET_CHILD_SUBREAPER, 1));
}

void set_process_name(const char* name) {
  prctl(PR_SET_NAME, name);
}

std::uint64_t out_of_memory_kills() {
  std::istringstream file{file_contents("/proc/vmstat")};
  std::string key;
  for (std::uint64_t value = 0; file >> key >> value;)
    if (key == "oom_kill") return value;
  return 0;
}

void block_signals() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

unsigned thread_count() {
  std::istringstream file{file_contents("/proc/self/status")};
  std::string line;
  while (std::getline(file, line))
    if (line.rfind("Threads:", 0) == 0) return static_cast<unsigned>(std::stoul(line.substr(8)));
  return 0;
}

std::size_t resident_bytes() {
  std::istringstream file{file_contents("/proc/self/statm")};
  std::size_t total = 0, resident = 0;
  file >> total >> resident;
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

void on_fork(void (*what)()) {
  pthread_atfork(nullptr, nullptr, what);
}

}  // namespace troupe::os
