#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "troupe/os/descriptor.hpp"
#include "troupe/os/huge_code.hpp"
#include "troupe/os/program_start.hpp"

namespace troupe::os {

/// Where a worker finds its descriptors; beside them it has 0 (/dev/null), 1 (the program's stdout)
/// and 2 (a pipe to its parent).
namespace worker_fd {
constexpr int errors = 2;
constexpr int in = 3;       ///< messages to the worker
constexpr int out = 4;      ///< messages from the worker
constexpr int control = 5;  ///< Unix stream socket, both ways
constexpr int page = 6;     ///< shared memory, wire/shared_page.hpp
}  // namespace worker_fd

/// The worker's ends of a link, in the order of `worker_fd`, from `errors` to `page`.
using worker_ends = std::array<int, 5>;

enum class start_method : std::uint8_t {
  fork,    ///< by the zygote's fork: 0.2 ms, everything loaded
  exec,    ///< exec of this program's own binary: 2 ms, a fresh address space
  program  ///< exec of another program that speaks the protocol
};

/// Arguments that tell a process of this program that it is no root.
constexpr const char* zygote_argument = "--troupe-zygote";
constexpr const char* worker_argument = "--troupe-worker";

/// Environment variable that marks every program started below a worker of this tree.
constexpr const char* tree_variable = "TROUPE_TREE";

/// Names by which `identify` knows processes of ours.
constexpr const char* zygote_name = "troupe-zygote";
constexpr const char* worker_name = "troupe-worker";

struct zygote_request;

struct zygote_config {
  std::string program;               ///< argv[0] of exec'd workers
  std::string mark;                  ///< value of `tree_variable`
  void (*worker_entry)() = nullptr;  ///< runs a forked worker; never returns
  void (*warm_up)() = nullptr;       ///< called once in the zygote, before it serves
  os::huge_code huge_code = os::huge_code::soon;
};

/// The small process that starts workers, as the process that owns them sees it.
///
/// A worker is the owner's own child (CLONE_PARENT): only the owner waits for it. When the owner
/// ends, however it ends, the zygote kills the process groups of its workers: PR_SET_PDEATHSIG
/// alone would leave the programs that a worker started. Likewise it ends and removes the control
/// groups that a dead owner has left.
/// Owns: the zygote's pidfd and socket. Move-only.
/// Runs in: the owner's main thread, since PR_SET_PDEATHSIG hangs on the thread that made the
/// zygote. Blocks: never, but in `adopt` and `close`. Errors: kj::Exception.
class zygote {
public:
  struct reply {
    std::uint64_t token = 0;
    pid_t pid = -1;
    int error = 0;        ///< errno of the clone or exec that failed
    std::int32_t at = 0;  ///< exec_failure::step
    descriptor pidfd;
  };

  /// Forks it: only while this is the only thread.
  static zygote forked(const zygote_config& config);
  /// Executes this program's binary as zygote. Source: posix_spawn(3).
  static zygote executed(const zygote_config& config);

  /// Keeps a descriptor's number for the pidfd of whoever is asked for next. A process whose pidfd
  /// finds no room has to be ended, and may have begun something. @throws kj::Exception
  void keep_room();
  /// Asks for a worker; `path_and_arguments` only with `program`; `group`: folder of the control
  /// group that it is to live in from its first moment, -1: the zygote's. False: try again when
  /// `fd()` had a reply.
  bool start(std::uint64_t token, start_method method, const worker_ends& ends,
             const std::vector<std::string>& path_and_arguments, int group = -1);
  /// Asks for any program; its ends lie where it expects them, and it has no others.
  bool execute(std::uint64_t token, const program_plan& what, const program_ends& ends);
  /// Puts a worker of an earlier zygote under its watch; `group` as in `start`.
  void adopt(pid_t pid, int pidfd, int group = -1);
  /// `pid` is no longer to be watched: its group is killed, it is about to be reaped. The zygote
  /// hears of it with one of the next starts, or by `tell_forgotten`.
  void forget(pid_t pid) { forgotten_.push_back(pid); }
  void tell_forgotten();
  /// The next answer, if one is there. `gone` becomes true when the zygote has died.
  std::optional<reply> next(bool& gone);

  [[nodiscard]] int fd() const noexcept { return socket_.get(); }
  [[nodiscard]] pid_t pid() const noexcept { return pid_; }

  /// SIGKILL; its end shows in `next`.
  void kill();
  /// Ends it and waits until it is reaped.
  void close();

private:
  zygote(descriptor socket, pid_t pid);
  void tell(const zygote_request& what, std::span<const int> descriptors = {});

  descriptor socket_;
  descriptor pidfd_;
  pid_t pid_ = -1;
  std::vector<pid_t> forgotten_;
  descriptor room_;  ///< means nothing
};

/// Runs this process as a zygote if its arguments say so; then it never returns.
/// `like`: what it takes over from this process's own settings.
void become_zygote_if_asked(int argc, char** argv, const zygote_config& like);

/// Takes the descriptors of an exec'd worker (close-on-exec again) if the arguments say it is one.
[[nodiscard]] bool is_executed_worker(int argc, char** argv);

/// Ends the process without atexit handlers and static destructors, its streams flushed.
[[noreturn]] void end_process(int code);

/// Writes what C and C++ streams hold, so that a fork doesn't write it twice.
void flush_streams();

}  // namespace troupe::os
