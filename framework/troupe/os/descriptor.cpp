#include "troupe/os/descriptor.hpp"

#include <fcntl.h>
#include <kj/debug.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace troupe::os {

namespace {

constexpr std::size_t max_descriptors_per_message = 32;

/// Turns a system call's answer into a transfer; what is no ordinary end throws.
transfer ended(ssize_t n, const char* call) {
  if (n >= 0) return {transfer::end::none, static_cast<std::size_t>(n)};
  switch (errno) {
    case EAGAIN:
    case ENOBUFS:
    case ETOOMANYREFS:
      return {transfer::end::would_block, 0};
    case EPIPE:
    case ECONNRESET:
    case ENOTCONN:
    case EIO:
      return {transfer::end::closed, 0};
    default:
      KJ_FAIL_SYSCALL(call, errno);
  }
}

template <class Call>
ssize_t retried(Call call) {
  ssize_t n = 0;
  do {
    n = call();
  } while (n < 0 && errno == EINTR);
  return n;
}

/// poll(2) that begins again after a signal; the callers wait for ever or check a deadline.
int polled(pollfd* fds, nfds_t count, int timeout_ms) {
  return static_cast<int>(retried([&] { return ssize_t{::poll(fds, count, timeout_ms)}; }));
}

}  // namespace

void open_standard_descriptors() noexcept {
  for (int fd = 0; fd <= 2; ++fd)
    if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd) return;
}

pipe_ends open_pipe(bool non_blocking) {
  int ends[2];
  KJ_SYSCALL(pipe2(ends, O_CLOEXEC | (non_blocking ? O_NONBLOCK : 0)));
  return {descriptor{ends[0]}, descriptor{ends[1]}};
}

socket_pair open_socket_pair(bool packets) {
  int ends[2];
  const int type = packets ? SOCK_SEQPACKET : SOCK_STREAM;
  KJ_SYSCALL(socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends));
  return {descriptor{ends[0]}, descriptor{ends[1]}};
}

descriptor open_event() {
  int fd = -1;
  KJ_SYSCALL(fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  return descriptor{fd};
}

void signal_event(int event) noexcept {
  const std::uint64_t one = 1;
  static_cast<void>(!write(event, &one, sizeof one));
}

void clear_event(int event) noexcept {
  std::uint64_t count = 0;
  static_cast<void>(!read(event, &count, sizeof count));
}

descriptor duplicate(int fd, int lowest) {
  int copy = -1;
  KJ_SYSCALL(copy = fcntl(fd, F_DUPFD_CLOEXEC, lowest));
  return descriptor{copy};
}

void set_non_blocking(int fd) {
  int flags = 0;
  KJ_SYSCALL(flags = fcntl(fd, F_GETFL));
  KJ_SYSCALL(fcntl(fd, F_SETFL, flags | O_NONBLOCK));
}

void set_close_on_exec(int fd, bool on) {
  KJ_SYSCALL(fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0));
}

void replace_by_null(int fd) noexcept {
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  dup3(null, fd, O_CLOEXEC);
  ::close(null);
}

descriptor open_for_appending(const char* path) {
  int fd = -1;
  KJ_SYSCALL(fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600), path);
  return descriptor{fd};
}

transfer read_some(int fd, std::span<std::byte> into) {
  const ssize_t n = retried([&] { return ::read(fd, into.data(), into.size()); });
  if (n == 0) return {transfer::end::closed, 0};
  return ended(n, "read");
}

transfer write_some(int fd, std::span<const std::byte> from) {
  return ended(retried([&] { return ::write(fd, from.data(), from.size()); }), "write");
}

/// SIGPIPE comes to the thread that writes, which takes it back unless it had one before.
transfer write_without_signal(int fd, std::span<const std::byte> from) {
  sigset_t pipe_signal, before, pending;
  sigemptyset(&pipe_signal);
  sigaddset(&pipe_signal, SIGPIPE);
  sigpending(&pending);
  pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
  const ssize_t n = retried([&] { return write(fd, from.data(), from.size()); });
  const int error = errno;
  if (n < 0 && error == EPIPE && sigismember(&pending, SIGPIPE) == 0) {
    const timespec now{};
    static_cast<void>(retried([&] { return ssize_t{sigtimedwait(&pipe_signal, nullptr, &now)}; }));
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return ended(n, "write");
}

transfer send_some(int socket, std::span<const std::byte> from) {
  return ended(retried([&] { return ::send(socket, from.data(), from.size(), MSG_NOSIGNAL); }),
               "send");
}

std::size_t peek(int socket, std::span<std::byte> into) noexcept {
  const auto got =
      retried([&] { return recv(socket, into.data(), into.size(), MSG_PEEK | MSG_DONTWAIT); });
  return got < 0 ? 0 : static_cast<std::size_t>(got);
}

void end_reading(int socket) noexcept {
  shutdown(socket, SHUT_RD);
}

void hang_up(int socket) noexcept {
  shutdown(socket, SHUT_RDWR);
}

transfer send_with_descriptors(int socket, std::span<const std::byte> from,
                               std::span<const int> descriptors) {
  KJ_REQUIRE(descriptors.size() <= max_descriptors_per_message);
  alignas(cmsghdr) char control[CMSG_SPACE(max_descriptors_per_message * sizeof(int))] = {};
  iovec bytes{const_cast<std::byte*>(from.data()), from.size()};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  if (!descriptors.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size_bytes());
  }
  return ended(retried([&] { return ::sendmsg(socket, &message, MSG_NOSIGNAL); }), "sendmsg");
}

void receive_with_descriptors(int socket, std::span<std::byte> into, received& result) {
  alignas(cmsghdr) char control[CMSG_SPACE(max_descriptors_per_message * sizeof(int))];
  iovec bytes{into.data(), into.size()};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  result.descriptors.clear();
  result.truncated = false;
  const ssize_t n = retried([&] { return ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC); });
  result.what = n == 0 ? transfer{transfer::end::closed, 0} : ended(n, "recvmsg");
  if (n < 0) return;
  for (cmsghdr* h = CMSG_FIRSTHDR(&message); h != nullptr; h = CMSG_NXTHDR(&message, h)) {
    if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(h) + i * sizeof fd, sizeof fd);
      result.descriptors.emplace_back(fd);
    }
  }
  result.truncated = (message.msg_flags & MSG_CTRUNC) != 0;
}

received receive_with_descriptors(int socket, std::span<std::byte> into) {
  received result;
  receive_with_descriptors(socket, into, result);
  return result;
}

bool write_all(int fd, std::span<const std::byte> from) {
  while (!from.empty()) {
    const transfer done = write_some(fd, from);
    if (done.why == transfer::end::closed) return false;
    if (done.why == transfer::end::would_block) wait_writable(fd, -1);
    from = from.subspan(done.bytes);
  }
  return true;
}

bool write_what_fits(int fd, std::span<const std::byte> from) noexcept try {
  while (!from.empty()) {
    const transfer done = write_without_signal(fd, from);
    if (done.why == transfer::end::closed) return false;
    if (done.why == transfer::end::would_block) wait_writable(fd, -1);
    from = from.subspan(done.bytes);
  }
  return true;
} catch (const kj::Exception&) {
  return false;
}

void try_pipe_size(int fd, int bytes) {
  static_cast<void>(fcntl(fd, F_SETPIPE_SZ, bytes));
}

unsigned wait_readable(std::span<const int> fds, int timeout_ms) {
  pollfd polls[8];
  KJ_REQUIRE(fds.size() <= 8);
  for (std::size_t i = 0; i < fds.size(); ++i) polls[i] = {fds[i], POLLIN, 0};
  polled(polls, fds.size(), timeout_ms);
  unsigned ready = 0;
  for (std::size_t i = 0; i < fds.size(); ++i)
    if (polls[i].revents != 0) ready |= 1U << i;
  return ready;
}

void wait_writable(int fd, int other) {
  pollfd polls[2] = {{fd, POLLOUT, 0}, {other, POLLIN, 0}};
  polled(polls, other < 0 ? 1 : 2, -1);
}

void wait_writable_for(int fd, int timeout_ms) {
  pollfd poll_for{fd, POLLOUT, 0};
  polled(&poll_for, 1, timeout_ms);
}

void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    static_cast<void>(setrlimit(RLIMIT_NOFILE, &limit));
  }
}

void reserve_descriptors(int count) noexcept {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const auto most = std::min(static_cast<rlim_t>(count), limit.rlim_cur);
  const int last = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, static_cast<int>(most) - 1);
  if (last >= 0) close(last);
}

}  // namespace troupe::os
