#include "troupe/os/zygote_process.hpp"

#include <fcntl.h>
#include <kj/debug.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "troupe/os/child.hpp"
#include "troupe/os/clone.hpp"
#include "troupe/os/control_group.hpp"
#include "troupe/os/group_leaf.hpp"
#include "troupe/os/huge_code.hpp"
#include "troupe/os/pidfd_store.hpp"
#include "troupe/os/program_start.hpp"

namespace troupe::os {

namespace {

constexpr int own_descriptors_from = worker_fd::page + 4;
/// Of a tree, more than enough.
constexpr int max_depth = 64;
constexpr int max_looks = 100;
constexpr int look_every_ms = 10;
constexpr int max_owner_end_ms = 10'000;
/// A zygote that starts processes after so long will do so again.
constexpr auto long_life = std::chrono::milliseconds{50};

class zygote_loop {
public:
  zygote_loop(int socket, int executable, int owner_pidfd, pid_t owner, bool of_root,
              const zygote_config& config)
      : socket_(socket),
        executable_(executable),
        owner_pidfd_(owner_pidfd),
        owner_(owner),
        of_root_(of_root),
        config_(config) {
    getrlimit(RLIMIT_NOFILE, &descriptors_);
    setrlimit(RLIMIT_NOFILE, &descriptors_);  // binds the symbol, so that no child has to
    raise_descriptor_limit();
  }

  void run() {
    const int watched[] = {socket_, owner_pidfd_};
    try {
      for (;;) {
        const unsigned ready = wait_readable(watched, owner_pidfd_ < 0 ? 0 : -1);
        // Requests first: a dead owner may have left the news of workers to watch.
        if ((ready & 1U) != 0 ? !handle() : (ready & 2U) != 0 || owner_pidfd_ < 0) break;
        if (is_to_move_code() && wait_readable(watched, 0) == 0) move_code();
      }
    } catch (const kj::Exception&) {
      // whatever it was: this process ends, and a living owner starts another
      if (owner_pidfd_ >= 0 && wait_readable(std::span{watched}.last(1), 0) == 0) throw;
    }
    // One that was just cloned may have no group yet. It runs until its owner is dead, which is
    // later than the end of the owner's descriptors.
    pidfd_store without_group;
    workers_.take_all([&](pid_t pid, descriptor& pidfd) {
      if (!signal_group(pidfd, pid, SIGKILL)) without_group.add(pid, kj::mv(pidfd));
    });
    const bool orphan =
        !told_to_end_ &&
        (owner_pidfd_ < 0 || wait_readable(std::span{watched}.last(1), max_owner_end_ms) != 0);
    without_group.take_all([](pid_t pid, descriptor& pidfd) { signal_group(pidfd, pid, SIGKILL); });
    if (place_of_groups_.get() >= 0) end_groups(orphan);
  }

  /// Once.
  void move_code() {
    has_moved_code_ = true;
    move_code_to_huge_pages();
  }

private:
  [[nodiscard]] bool is_to_move_code() const {
    return !has_moved_code_ && config_.huge_code == huge_code::soon &&
           std::chrono::steady_clock::now() - since_ >= long_life;
  }

  /// One request; false when the owner has closed its end.
  bool handle() {
    received& got = got_;
    KJ_DEFER(got.descriptors.clear());
    receive_with_descriptors(socket_, std::as_writable_bytes(std::span{buffer_}), got);
    if (got.what.why == transfer::end::would_block) return true;
    if (got.what.why == transfer::end::closed) return false;
    zygote_request request;
    if (got.what.bytes < sizeof request) return false;
    std::memcpy(&request, buffer_.data(), sizeof request);
    if (request.op == zygote_request::what::end) {
      told_to_end_ = true;
      return false;
    }
    if (request.op == zygote_request::what::forget) {
      workers_.remove(request.pid);
      return true;
    }
    if (request.op == zygote_request::what::adopt) {
      if (got.descriptors.size() > 1) remember_place_of(got.descriptors[1]);
      if (!got.descriptors.empty()) workers_.add(request.pid, kj::mv(got.descriptors.front()));
      return true;
    }
    if (request.op == zygote_request::what::execute) return execute(request, got);
    return start(request, got);
  }

  bool start(const zygote_request& request, received& got) {
    zygote_reply reply{request.token, -1, EMFILE, 0};
    int pidfd = -1;
    constexpr std::size_t ends = worker_ends{}.size();
    const std::size_t count = got.descriptors.size();
    if (!got.truncated && (count == ends || count == ends + 1)) {
      const int group = count > ends ? got.descriptors.back().get() : -1;
      if (group >= 0) remember_place_of(group);
      if (request.method == start_method::fork) {
        fork_worker(ends_of(got), group, reply, pidfd);
      } else {
        execute_worker(request.method, got, group, reply, pidfd);
      }
    }
    answer(reply, pidfd);
    if (request.method == start_method::fork) give_way();
    workers_.remove(request.pid);
    watch(reply, pidfd);
    return true;
  }

  /// To the worker that was just forked, which most likely waits for this processor: what is left
  /// to do here writes pages that both have, a fault and a copy each. The owner has its answer by
  /// then, and does its share while the worker starts.
  void give_way() const {
    const int more[] = {socket_};
    if (wait_readable(more, 0) == 0) sched_yield();
  }

  /// Allocates nothing in this process, as that would write pages that both have.
  void fork_worker(const worker_ends& ends, int group, zygote_reply& reply, int& pidfd) {
    const clone_result made = clone_like_fork(pidfd, group);
    reply.pid = made.pid;
    if (reply.pid != 0) {
      reply.error = reply.pid < 0 ? errno : 0;
      return;
    }
    bind_to_owner(owner_, descriptors_);
    if (!made.is_placed) go_to_group(group, ends.front());
    place_descriptors(ends, false);
    syscall(SYS_close_range, worker_fd::page + 1, ~0U, 0U);
    config_.worker_entry();
    _exit(127);
  }

  void execute_worker(start_method method, const received& got, int group, zygote_reply& reply,
                      int& pidfd) {
    child_plan plan = planned(method, got);
    plan.group = group;
    reply.pid = clone_and_execute(plan, pidfd);
    reply.error = reply.pid < 0 ? errno : plan.failure.error;
    reply.at = plan.failure.at;
  }

  static worker_ends ends_of(const received& got) {
    worker_ends ends{};
    for (std::size_t i = 0; i < ends.size(); ++i) ends[i] = got.descriptors[i].get();
    return ends;
  }

  bool execute(const zygote_request& request, received& got) {
    zygote_reply reply{request.token, -1, EMFILE, 0};
    int pidfd = -1;
    const auto expected = static_cast<std::size_t>(std::popcount(request.ends));
    if (!got.truncated && got.descriptors.size() == expected) {
      program_ends ends;
      std::size_t next = 0;
      int* const places[] = {&ends.errors, &ends.input, &ends.output, &ends.ready, &ends.group};
      for (unsigned i = 0; i < std::size(places); ++i)
        if ((request.ends & (1U << i)) != 0) *places[i] = got.descriptors[next++].get();
      if (ends.group >= 0) remember_place_of(ends.group);
      std::vector<char> plan;
      std::span<char> bytes{reinterpret_cast<char*>(buffer_.data()) + sizeof request,
                            got.what.bytes - sizeof request};
      if ((request.ends & zygote_request::plan_in_memory) != 0) {
        plan = contents_of(got.descriptors[next]);
        bytes = plan;
      }
      any_program program{{bytes, ends}, owner_, descriptors_};
      reply.pid = clone_and_execute(program, pidfd);
      reply.error = reply.pid < 0 ? errno : program.what.failure().error;
      reply.at = program.what.failure().at;
    }
    answer(reply, pidfd);
    watch(reply, pidfd);
    return true;
  }

  void remember_place_of(int group) {
    if (place_of_groups_.get() < 0)
      place_of_groups_ = descriptor{openat(group, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  }

  /// A group that ends may free the next: its worker's children have groups of their own.
  void end_groups(bool orphan) {
    for (int pass = 0; pass < max_depth && !group_leaf::take_left(place_of_groups_).empty();
         ++pass) {
    }
    if (!orphan || !of_root_) return;  // a living owner does the rest
    // Zygotes of other processes of the tree end about now.
    for (int look = 0; look < max_looks && !close_group_place(place_of_groups_, getpid()); ++look)
      wait_readable({}, look_every_ms);
  }

  static std::vector<char> contents_of(int memory) {
    std::vector<char> bytes(static_cast<std::size_t>(lseek(memory, 0, SEEK_END)));
    const auto got = pread(memory, bytes.data(), bytes.size(), 0);
    KJ_REQUIRE(got == static_cast<ssize_t>(bytes.size()), "a plan that can't be read", errno);
    return bytes;
  }

  void answer(const zygote_reply& reply, int pidfd) {
    const std::span<const int> passed{&pidfd, reply.pid < 0 ? 0U : 1U};
    const auto record = std::as_bytes(std::span{&reply, 1});
    while (send_with_descriptors(socket_, record, passed).why == transfer::end::would_block)
      wait_writable(socket_, owner_pidfd_);
  }

  void watch(const zygote_reply& made, int pidfd) {
    if (made.pid > 0) workers_.add(made.pid, descriptor{pidfd});
  }

  child_plan planned(start_method method, const received& got) {
    child_plan plan;
    plan.owner = owner_;
    plan.executable = executable_;
    plan.descriptors = descriptors_;
    plan.ends = ends_of(got);
    if (method == start_method::program) {
      char* at = reinterpret_cast<char*>(buffer_.data()) + sizeof(zygote_request);
      char* const end = reinterpret_cast<char*>(buffer_.data()) + got.what.bytes;
      for (; at < end; at += std::strlen(at) + 1) plan.arguments.push_back(at);
      plan.path = plan.arguments.empty() ? "" : plan.arguments.front();
    } else {
      plan.arguments = {const_cast<char*>(config_.program.c_str()),
                        const_cast<char*>(worker_argument)};
    }
    plan.arguments.push_back(nullptr);
    return plan;
  }

  int socket_;
  int executable_;
  int owner_pidfd_;  ///< -1: the owner ended before this process knew it
  pid_t owner_;
  bool of_root_;
  bool told_to_end_ = false;  ///< by a living owner
  bool has_moved_code_ = false;
  std::chrono::steady_clock::time_point since_ = std::chrono::steady_clock::now();
  const zygote_config& config_;
  rlimit descriptors_{};
  received got_;  ///< kept: its memory serves the next one
  std::vector<std::byte> buffer_ = std::vector<std::byte>(zygote_request::max_bytes);
  pidfd_store workers_;
  descriptor place_of_groups_;  ///< of its owner's children, if one ever had one
};

/// Closes all but stdout, stderr and `kept` (ascending), and fills the workers' places with
/// /dev/null, so that no descriptor that is passed here can lie on one of them.
void keep_only(std::vector<int> kept) {
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  dup2(null, 0);
  std::sort(kept.begin(), kept.end());
  unsigned from = 3;
  for (const int fd : kept) {
    if (fd < 0) continue;
    if (static_cast<unsigned>(fd) > from)
      syscall(SYS_close_range, from, static_cast<unsigned>(fd) - 1, 0U);
    from = static_cast<unsigned>(fd) + 1;
  }
  syscall(SYS_close_range, from, ~0U, 0U);
  for (int fd = 3; fd < own_descriptors_from; ++fd) dup3(0, fd, O_CLOEXEC);
}

/// A pidfd above the workers' places; -1 when this process has another parent by now.
int pidfd_of_living(pid_t owner) {
  try {
    const descriptor pidfd = open_pidfd(owner);
    // If it ended before the line above, the id may be another's.
    return getppid() == owner ? fcntl(pidfd, F_DUPFD_CLOEXEC, own_descriptors_from) : -1;
  } catch (const kj::Exception&) {
    return -1;
  }
}

void default_signals() {
  for (int signal = 1; signal < NSIG; ++signal) {
    struct sigaction action {};
    action.sa_handler = SIG_DFL;
    sigaction(signal, &action, nullptr);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace

void run_zygote(int socket, pid_t owner, const zygote_config& config) {
  try {
    // Below a worker a session of its own: by that who adopts what the worker leaves can tell even
    // zombies of any program.
    const bool of_root = std::getenv(tree_variable) == nullptr;
    if (of_root || setsid() < 0) setpgid(0, 0);
    default_signals();
    set_process_name(zygote_name);
    const int own_socket = fcntl(socket, F_DUPFD_CLOEXEC, own_descriptors_from);
    const int image = open(own_binary(), O_PATH | O_CLOEXEC);
    const int executable = fcntl(image, F_DUPFD_CLOEXEC, own_descriptors_from);
    // The owner's pidfd, not the end of a pipe: a stranger may hold a copy of that.
    const int owner_pidfd = pidfd_of_living(owner);
    keep_only({own_socket, executable, owner_pidfd});
    setenv(tree_variable, config.mark.c_str(), 1);
    zygote_loop loop{own_socket, executable, owner_pidfd, owner, of_root, config};
    if (config.huge_code == huge_code::at_start) loop.move_code();
    if (config.warm_up != nullptr) config.warm_up();
    loop.run();
    _exit(0);
  } catch (const kj::Exception&) {
    _exit(1);  // its owner sees the socket close and starts another
  }
}

}  // namespace troupe::os
