#include <support/processes.hpp>
#include <support/victim.hpp>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <map>
#include <stdexcept>

namespace test {

namespace {

constexpr const char* role_variable = "TROUPE_TEST_VICTIM";
constexpr const char* argument_variable = "TROUPE_TEST_ARGUMENT";
constexpr const char* mark_variable = "TROUPE_TEST_MARK";

std::map<std::string, victim_role::function>& roles() {
  static std::map<std::string, victim_role::function> all;
  return all;
}

std::string own_path() {
  char path[4096];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof path);
  return {path, static_cast<std::size_t>(length)};
}

/// Signals as an unfriendly parent may leave them.
void set_odd_signals(posix_spawnattr_t& attributes) {
  for (const int signal : {SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE, SIGTTOU}) ::signal(signal, SIG_IGN);
  sigset_t all;
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &all);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
}

void set_usual_signals() {
  for (const int signal : {SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE, SIGTTOU}) ::signal(signal, SIG_DFL);
}

}  // namespace

victim::victim(const std::string& name, victim_options how) {
  static int count = 0;
  mark_ = std::to_string(getpid()) + '-' + std::to_string(++count);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error{"pipe2"};
  output_ = ends[0];
  std::vector<std::string> arguments = std::move(how.through);
  arguments.push_back(own_path());
  std::vector<char*> pointers;
  for (auto& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  if (how.odd_signals) set_odd_signals(attributes);
  setenv(role_variable, name.c_str(), 1);
  setenv(argument_variable, how.argument.c_str(), 1);
  setenv(mark_variable, mark_.c_str(), 1);
  const int rc =
      posix_spawnp(&pid_, pointers.front(), &actions, &attributes, pointers.data(), environ);
  for (const char* variable : {role_variable, argument_variable, mark_variable}) unsetenv(variable);
  if (how.odd_signals) set_usual_signals();
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  close(ends[1]);
  if (rc != 0) throw std::runtime_error{"can't start " + arguments.front()};
  pidfd_ = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
}

victim::~victim() {
  kill();  // first, or it would start another zygote for the one that is killed below
  status();
  for (int tries = 0; tries < 10; ++tries) {
    const auto left = processes();
    if (left.empty()) break;
    for (const int pid : left) kill_process(pid);
    static_cast<void>(ended(left, std::chrono::seconds{5}));
  }
  // What it left was adopted by this process, also what /proc could not tell in the middle of an
  // exec; of the test's own processes none has ended.
  auto adopted = children();
  std::erase_if(adopted, [this](int pid) {
    return std::find(before_.begin(), before_.end(), pid) != before_.end();
  });
  static_cast<void>(ended(adopted, std::chrono::seconds{5}));
  while (waitpid(-1, nullptr, WNOHANG) > 0) {
  }
  close(pidfd_);
  close(output_);
}

std::string victim::line() {
  for (;;) {
    const auto newline = read_.find('\n');
    if (newline != std::string::npos) {
      const std::string first = read_.substr(0, newline);
      read_.erase(0, newline + 1);
      return first;
    }
    char bytes[4096];
    const ssize_t n = read(output_, bytes, sizeof bytes);
    if (n == 0) return std::exchange(read_, {});
    if (n > 0) read_.append(bytes, static_cast<std::size_t>(n));
    if (n < 0 && errno != EINTR) throw std::runtime_error{"read"};
  }
}

std::string victim::rest() {
  char bytes[4096];
  for (ssize_t n = 0; (n = read(output_, bytes, sizeof bytes)) > 0;)
    read_.append(bytes, static_cast<std::size_t>(n));
  return std::exchange(read_, {});
}

void victim::kill(int signal) const {
  if (!reaped_) kill_process(pid_, signal);
}

bool victim::ended_within(std::chrono::nanoseconds limit) const {
  pollfd poll_for{pidfd_, POLLIN, 0};
  const timespec wait{static_cast<std::time_t>(limit.count() / 1'000'000'000),
                      static_cast<long>(limit.count() % 1'000'000'000)};
  return ppoll(&poll_for, 1, &wait, nullptr) > 0;
}

int victim::status() {
  if (reaped_) return status_;
  while (waitpid(pid_, &status_, 0) < 0 && errno == EINTR) {
  }
  reaped_ = true;
  return status_;
}

std::vector<int> victim::processes() const {
  auto all = processes_with(std::string{mark_variable} + '=' + mark_);
  std::erase(all, pid_);
  return all;
}

bool victim::nothing_left(std::chrono::milliseconds limit) const {
  const auto until = std::chrono::steady_clock::now() + limit;
  for (;;) {
    const auto left = processes();
    if (left.empty()) return true;
    const auto time =
        std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    if (time.count() <= 0 || !ended(left, time)) return false;
  }
}

victim_role::victim_role(const std::string& name, function what) {
  roles().emplace(name, std::move(what));
}

bool is_victim() {
  return std::getenv(role_variable) != nullptr;
}

int run_victim(troupe::runtime& rt) {
  return roles().at(std::getenv(role_variable))(rt, std::getenv(argument_variable));
}

namespace {
troupe::program* the_program = nullptr;
}

void set_program(troupe::program& of) {
  the_program = &of;
}

int run_again() {
  return the_program->run([](troupe::runtime&) {});
}

}  // namespace test
