#include "troupe/os/output.hpp"

#include <fcntl.h>
#include <kj/exception.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <span>

namespace troupe::os {

output::output(int fd, std::size_t keeps) : fd_(fd), keeps_(keeps) {
  struct stat what {};
  if (fstat(fd, &what) != 0) return;
  is_socket_ = S_ISSOCK(what.st_mode);
  if (!S_ISFIFO(what.st_mode) && !S_ISCHR(what.st_mode)) return;
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  own_ = descriptor{open(path.c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)};
}

/// Bytes that need no longer be kept.
std::size_t output::write_some(std::string_view text) noexcept try {
  const auto gone = [&] {
    failed_ = true;
    return text.size();
  };
  const auto bytes = std::as_bytes(std::span{text});
  if (is_socket_) {
    const ssize_t sent = ::send(fd_, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0) return static_cast<std::size_t>(sent);
    return errno == EAGAIN || errno == EINTR ? 0 : gone();
  }
  const transfer done = write_without_signal(own_.get() >= 0 ? own_.get() : fd_, bytes);
  return done.why == transfer::end::none          ? done.bytes
         : done.why == transfer::end::would_block ? 0
                                                  : gone();
} catch (const kj::Exception&) {
  failed_ = true;
  return text.size();
}

bool output::flush() noexcept {
  while (!kept_.empty()) {
    const std::size_t written = write_some(kept_);
    if (written == 0) return false;
    kept_.erase(0, written);
  }
  if (dropped_ != 0) {
    kept_ = "troupe: " + std::to_string(dropped_) +
            " lines for stderr are lost: nobody read it for too long\n";
    dropped_ = 0;
    return flush();
  }
  return true;
}

void output::write(std::string_view text) noexcept {
  if (keeps_any() && !flush()) {
    if (kept_.size() + text.size() > keeps_ || dropped_ != 0) {
      dropped_ += static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
    } else {
      kept_ += text;
    }
    return;
  }
  while (!text.empty()) {
    const std::size_t written = write_some(text);
    if (written == 0) {
      kept_ = text;
      return;
    }
    text.remove_prefix(written);
  }
}

void output::finish(int limit_ms) noexcept {
  constexpr int step_ms = 10;
  const int fd = own_.get() >= 0 ? own_.get() : fd_;
  for (int waited = 0; !flush() && (limit_ms < 0 || waited < limit_ms); waited += step_ms)
    wait_writable_for(fd, step_ms);
}

}  // namespace troupe::os
