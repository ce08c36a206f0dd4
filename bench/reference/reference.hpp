#pragma once

// What the programs of this folder share. Each measures one thing that the operating system or
// Cap'n Proto alone can do, so that Troupe has something of the same machine to be compared with.

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace reference {

using clock = std::chrono::steady_clock;

inline double us(clock::duration d) {
  return std::chrono::duration<double, std::micro>(d).count();
}

inline void require(bool holds, const char* what) {
  if (holds) return;
  std::perror(what);
  std::_Exit(3);
}

inline void value(const char* benchmark, const char* system, const std::string& metric, double v,
                  const char* unit) {
  std::printf(
      "{\"bench\":\"%s\",\"system\":\"%s\",\"metric\":\"%s\",\"value\":%.9g,\"unit\":\"%s\"}\n",
      benchmark, system, metric.c_str(), v, unit);
}

/// Prints p50, p99 and mean of times in microseconds.
inline void percentiles(const char* benchmark, const char* system, const std::string& prefix,
                        std::vector<double> times) {
  require(!times.empty(), "no samples");
  std::sort(times.begin(), times.end());
  double sum = 0;
  for (const double t : times) sum += t;
  const auto at = [&](double share) {
    return times[std::min(times.size() - 1,
                          static_cast<std::size_t>(share * static_cast<double>(times.size())))];
  };
  value(benchmark, system, prefix + "p50", at(0.50), "us");
  value(benchmark, system, prefix + "p99", at(0.99), "us");
  value(benchmark, system, prefix + "mean", sum / static_cast<double>(times.size()), "us");
}

/// CPU time of this process and of its children that have ended, in microseconds.
inline double cpu_us() {
  double sum = 0;
  for (const int who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage use{};
    getrusage(who, &use);
    for (const timeval& t : {use.ru_utime, use.ru_stime})
      sum += static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_usec);
  }
  return sum;
}

/// All processes that follow share the last core.
inline void share_one_core() {
  cpu_set_t cores;
  require(sched_getaffinity(0, sizeof cores, &cores) == 0, "sched_getaffinity");
  int last = CPU_SETSIZE - 1;
  while (last > 0 && !CPU_ISSET(last, &cores)) --last;
  CPU_ZERO(&cores);
  CPU_SET(last, &cores);
  require(sched_setaffinity(0, sizeof cores, &cores) == 0, "sched_setaffinity");
}

inline void non_blocking(int fd) {
  require(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0, "fcntl");
}

/// A forked process with a pipe each way.
struct child {
  pid_t pid = -1;
  int to = -1;
  int from = -1;

  /// `body(in, out)` runs in the new process. It has no other descriptors of its parent's: copies
  /// of its siblings' pipes would hide their ends.
  template <class Body>
  static child forked(Body body, int pipe_bytes = 0) {
    int down[2];
    int up[2];
    require(pipe2(down, O_CLOEXEC) == 0 && pipe2(up, O_CLOEXEC) == 0, "pipe2");
    if (pipe_bytes != 0)
      for (const int end : {down[1], up[1]}) fcntl(end, F_SETPIPE_SZ, pipe_bytes);
    child c{fork(), down[1], up[0]};
    require(c.pid >= 0, "fork");
    if (c.pid == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      dup2(down[0], 0);
      dup2(up[1], 1);
      close_range(3, ~0U, 0);
      body(0, 1);
      _exit(0);
    }
    close(down[0]);
    close(up[1]);
    return c;
  }

  void reap() const {
    close(to);
    close(from);
    require(waitpid(pid, nullptr, 0) == pid, "waitpid");
  }
};

inline void write_all(int fd, const void* from, std::size_t bytes) {
  const char* at = static_cast<const char*>(from);
  while (bytes != 0) {
    const ssize_t done = write(fd, at, bytes);
    require(done > 0, "write");
    at += done;
    bytes -= static_cast<std::size_t>(done);
  }
}

/// Blocks for exactly `bytes`; false at the end of the stream.
inline bool read_all(int fd, void* to, std::size_t bytes) {
  char* at = static_cast<char*>(to);
  while (bytes != 0) {
    const ssize_t done = read(fd, at, bytes);
    if (done <= 0) return false;
    at += done;
    bytes -= static_cast<std::size_t>(done);
  }
  return true;
}

/// The same where `fd` never blocks: tries again, gives way after every fourth time, sleeps after
/// 20 us. `bytes` are few, so that they were written, and are read, in one piece.
inline bool read_spinning(int fd, void* to, std::size_t bytes) {
  constexpr std::chrono::microseconds spin_limit{20};
  clock::time_point start{};
  for (unsigned turn = 1;; ++turn) {
    const ssize_t got = read(fd, to, bytes);
    if (got >= 0) return static_cast<std::size_t>(got) == bytes;
    require(errno == EAGAIN, "read");
    if (turn % 4 == 0) {
      sched_yield();
    } else {
      __builtin_ia32_pause();
    }
    if (turn % 8 != 0) continue;
    const auto now = clock::now();
    if (start == clock::time_point{}) {
      start = now;
    } else if (now - start > spin_limit) {
      pollfd readable{fd, POLLIN, 0};
      poll(&readable, 1, -1);
      start = {};
    }
  }
}

}  // namespace reference
