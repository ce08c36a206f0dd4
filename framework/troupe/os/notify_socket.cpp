#include "troupe/os/notify_socket.hpp"

#include <kj/debug.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <optional>
#include <string_view>

#include "troupe/os/random.hpp"

namespace troupe::os {

namespace {

constexpr std::size_t max_message_bytes = 4096;
constexpr int max_at_once = 64;  ///< the loop has others to look after

/// Descriptors that come along are closed unused: that is what BARRIER=1 waits for.
std::optional<ucred> sender_of(msghdr& message) {
  std::optional<ucred> sender;
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
       part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET) continue;
    if (part->cmsg_type == SCM_CREDENTIALS) {
      std::memcpy(&sender.emplace(), CMSG_DATA(part), sizeof(ucred));
    } else if (part->cmsg_type == SCM_RIGHTS) {
      const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      for (std::size_t i = 0; i < count; ++i) {
        int fd = -1;
        std::memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
        close(fd);
      }
    }
  }
  return sender;
}

bool may_speak(const ucred& sender, pid_t group) {
  if (sender.uid != geteuid() && sender.uid != 0) return false;
  const pid_t its = getpgid(sender.pid);
  return its == group || (its < 0 && errno == ESRCH);
}

bool has_line(std::string_view text, std::string_view line) {
  for (;;) {
    const auto end = text.find('\n');
    if (text.substr(0, end) == line) return true;
    if (end == std::string_view::npos) return false;
    text.remove_prefix(end + 1);
  }
}

}  // namespace

notify_socket::notify_socket() {
  int fd = -1;
  KJ_SYSCALL(fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  socket_ = descriptor{fd};
  const int on = 1;
  KJ_SYSCALL(setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
  const random_bits number = random_number();
  name_ = "@troupe-" + std::to_string(number.high) + '-' + std::to_string(number.low);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path + 1, name_.data() + 1, name_.size() - 1);
  const auto bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name_.size());
  KJ_SYSCALL(bind(fd, reinterpret_cast<const sockaddr*>(&address), bytes));
}

bool notify_socket::says_ready(pid_t group) {
  bool ready = false;
  for (int messages = 0; messages < max_at_once; ++messages) {
    char text[max_message_bytes];
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(ucred)) + CMSG_SPACE(16 * sizeof(int))];
    iovec data{text, sizeof text};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t bytes = recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes < 0) return ready;
    const auto sender = sender_of(message);
    if (sender && may_speak(*sender, group) &&
        has_line({text, static_cast<std::size_t>(bytes)}, "READY=1"))
      ready = true;
  }
  return ready;
}

}  // namespace troupe::os
