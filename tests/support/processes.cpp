#include <support/processes.hpp>

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace test {

namespace {

std::string contents(const std::string& path) {
  std::ifstream file{path, std::ios::binary};
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<int> numbers_in(const std::string& folder) {
  std::vector<int> numbers;
  DIR* entries = opendir(folder.c_str());
  if (entries == nullptr) return numbers;
  const int own = dirfd(entries);
  while (const dirent* entry = readdir(entries)) {
    if (entry->d_name[0] < '0' || entry->d_name[0] > '9') continue;
    const int number = std::stoi(entry->d_name);
    if (folder != "/proc/self/fd" || number != own) numbers.push_back(number);
  }
  closedir(entries);
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

}  // namespace

std::vector<int> children() {
  std::vector<int> all;
  for (const int thread : numbers_in("/proc/self/task")) {
    std::ifstream list{"/proc/self/task/" + std::to_string(thread) + "/children"};
    for (int pid = 0; list >> pid;) all.push_back(pid);
  }
  return all;
}

std::vector<int> processes_with(const std::string& entry) {
  std::vector<int> found;
  for (const int pid : numbers_in("/proc")) {
    const std::string environment = '\0' + contents("/proc/" + std::to_string(pid) + "/environ");
    if (environment.find('\0' + entry + '\0') != std::string::npos) found.push_back(pid);
  }
  return found;
}

std::vector<int> children_named(const std::string& name) {
  std::vector<int> found;
  for (const int pid : children())
    if (contents("/proc/" + std::to_string(pid) + "/comm") == name + '\n') found.push_back(pid);
  return found;
}

std::string status_of(int pid, const std::string& field) {
  std::ifstream file{"/proc/" + std::to_string(pid) + "/status"};
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(field + ":", 0) != 0) continue;
    const auto value = line.find_first_not_of(" \t", field.size() + 1);
    return value == std::string::npos ? std::string{} : line.substr(value);
  }
  return {};
}

std::vector<int> open_descriptors() {
  return numbers_in("/proc/self/fd");
}

std::size_t resident_bytes() {
  std::ifstream file{"/proc/self/statm"};
  std::size_t total = 0, resident = 0;
  file >> total >> resident;
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

bool ended(const std::vector<int>& pids, std::chrono::milliseconds limit) {
  const auto until = std::chrono::steady_clock::now() + limit;
  for (const int pid : pids) {
    const int pidfd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
    if (pidfd < 0) continue;  // gone already
    pollfd poll_for{pidfd, POLLIN, 0};
    int rc = 0;
    do {
      const auto left =
          std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
      rc = poll(&poll_for, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
    } while (rc < 0 && errno == EINTR);
    close(pidfd);
    if (rc == 0) return false;
  }
  return true;
}

int unreaped_child() {
  siginfo_t info{};
  const int rc = waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT);
  return rc < 0 ? -1 : info.si_pid;
}

int start_program(std::vector<std::string> arguments) {
  std::vector<char*> pointers;
  for (auto& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  pid_t pid = -1;
  if (posix_spawnp(&pid, pointers.front(), nullptr, nullptr, pointers.data(), environ) != 0)
    throw std::runtime_error{"can't start " + arguments.front()};
  return pid;
}

bool kill_process(int pid, int signal) {
  if (pid <= 1) throw std::logic_error{"kill of pid " + std::to_string(pid)};
  return kill(pid, signal) == 0;
}

void end_program(int pid) {
  kill_process(pid);
  while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace test
