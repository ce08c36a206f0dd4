#include "troupe/os/poller.hpp"

#include <kj/debug.h>
#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>

namespace troupe::os {

namespace {

void control(int epoll, int operation, int fd, std::uint64_t tag, bool writable) {
  epoll_event what{};
  what.events = writable ? EPOLLIN | EPOLLOUT : EPOLLIN;
  what.data.u64 = tag;
  KJ_SYSCALL(epoll_ctl(epoll, operation, fd, &what));
}

descriptor create() {
  int fd = -1;
  KJ_SYSCALL(fd = epoll_create1(EPOLL_CLOEXEC));
  return descriptor{fd};
}

}  // namespace

poller::poller() : epoll_(create()) {}

void poller::add(int fd, std::uint64_t tag, bool writable) {
  control(epoll_.get(), EPOLL_CTL_ADD, fd, tag, writable);
}

void poller::remove(int fd) {
  control(epoll_.get(), EPOLL_CTL_DEL, fd, 0, false);
}

std::size_t poller::wait(std::span<event> into, int timeout_ms) {
  epoll_event events[64];
  const int room = static_cast<int>(std::min<std::size_t>(into.size(), 64));
  const int count = epoll_wait(epoll_.get(), events, room, timeout_ms);
  if (count < 0) {
    if (errno != EINTR) KJ_FAIL_SYSCALL("epoll_wait", errno);
    return 0;
  }
  for (int i = 0; i < count; ++i) {
    const auto& e = events[i];
    into[static_cast<std::size_t>(i)] = {e.data.u64,
                                         (e.events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0,
                                         (e.events & (EPOLLOUT | EPOLLERR)) != 0};
  }
  return static_cast<std::size_t>(count);
}

}  // namespace troupe::os
