#pragma once

#include <kj/io.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace troupe::os {

/// The only owner of a descriptor; a plain `int` is borrowed.
using descriptor = kj::AutoCloseFd;

struct pipe_ends {
  descriptor read;
  descriptor write;
};

struct socket_pair {
  descriptor here;
  descriptor there;
};

/// Opens /dev/null as each of 0, 1 and 2 that is closed. Else the next descriptor that is opened
/// for something else takes its number, and is what the program prints to.
void open_standard_descriptors() noexcept;

/// Opens a pipe, both ends close-on-exec. @throws kj::Exception. Source: pipe2(2).
pipe_ends open_pipe(bool non_blocking);

/// Opens a connected pair of Unix sockets, close-on-exec and non-blocking.
/// `packets`: SOCK_SEQPACKET (whole records) instead of a stream. Source: unix(7).
socket_pair open_socket_pair(bool packets);

/// A descriptor that turns readable when signalled, from any thread. Source: eventfd(2).
descriptor open_event();
void signal_event(int event) noexcept;
void clear_event(int event) noexcept;

/// Duplicates `fd`, close-on-exec, at `lowest` or above.
descriptor duplicate(int fd, int lowest = 3);

void set_non_blocking(int fd);
void set_close_on_exec(int fd, bool on);
/// Has `fd` mean /dev/null in this process, until its exec.
void replace_by_null(int fd) noexcept;

/// Opens `path` for appending, created 0600, close-on-exec.
descriptor open_for_appending(const char* path);

/// What one non-blocking read or write came to.
struct transfer {
  enum class end : std::uint8_t { none, would_block, closed } why = end::none;
  std::size_t bytes = 0;
};

/// One read(2), EINTR retried. `closed` is end of file (also ECONNRESET, EIO).
transfer read_some(int fd, std::span<std::byte> into);
/// One write(2) to a pipe or file, EINTR retried. `closed` is EPIPE: the caller keeps SIGPIPE away
/// by holding a read end of the pipe itself.
transfer write_some(int fd, std::span<const std::byte> from);
/// One write(2) to a pipe that may have no reader: no SIGPIPE then, `closed`.
transfer write_without_signal(int fd, std::span<const std::byte> from);
/// One send(2) without SIGPIPE. `closed`: the peer is gone, or has ended its reading.
transfer send_some(int socket, std::span<const std::byte> from);
/// How many bytes of what waits to be read it has copied; all of it stays. Source: recv(2),
/// MSG_PEEK.
std::size_t peek(int socket, std::span<std::byte> into) noexcept;
/// What the peer sent is still there, but it can send no more. Source: shutdown(2), SHUT_RD.
void end_reading(int socket) noexcept;
/// For the peer it is closed, whoever has copies of this end. Source: shutdown(2), SHUT_RDWR.
void hang_up(int socket) noexcept;

/// One record or run of bytes with descriptors (SCM_RIGHTS).
transfer send_with_descriptors(int socket, std::span<const std::byte> from,
                               std::span<const int> descriptors);
struct received {
  transfer what;
  std::vector<descriptor> descriptors;
  bool truncated = false;  ///< this process was out of descriptors: some were lost
};
received receive_with_descriptors(int socket, std::span<std::byte> into);
/// Closes the descriptors that `result` still has; its memory is used again.
void receive_with_descriptors(int socket, std::span<std::byte> into, received& result);

/// Writes all of it, waiting with poll(2) while the pipe is full. False when the peer is gone.
bool write_all(int fd, std::span<const std::byte> from);
/// The same where nobody could be told of a failure: what can't be written (a full disk) is
/// dropped. False: not all was written.
bool write_what_fits(int fd, std::span<const std::byte> from) noexcept;

/// Asks for a larger pipe; not granted (EPERM beyond the user's share) is normal.
void try_pipe_size(int fd, int bytes);

/// Waits until one of `fds` is readable or hung up, or `timeout_ms` (-1: for ever) passed.
/// Bit i of the answer: fds[i] has something.
unsigned wait_readable(std::span<const int> fds, int timeout_ms);
/// Waits until `fd` can be written or `other` (-1: none) is readable or hung up.
void wait_writable(int fd, int other);
void wait_writable_for(int fd, int timeout_ms);

/// Raises the soft limit of open descriptors to the hard one. Source: getrlimit(2).
void raise_descriptor_limit();
/// Makes the descriptor table large enough for so many. It grows by doubling otherwise, and each
/// time a process that has threads sleeps for 10 ms or more (the kernel's expand_fdtable).
void reserve_descriptors(int count) noexcept;

}  // namespace troupe::os
