#include "troupe/os/pidfd_store.hpp"

#include <kj/exception.h>

#include <algorithm>
#include <array>

namespace troupe::os {

namespace {

constexpr std::size_t per_message = 32;
/// As long as there are fewer, nobody takes them out from among the others.
constexpr std::size_t many_unwanted = 1024;

}  // namespace

pidfd_store::pidfd_store() {
  here_.reserve(per_message);
}

std::vector<pidfd_store::held>::iterator pidfd_store::find_here(pid_t pid) {
  return std::find_if(here_.begin(), here_.end(), [pid](const held& h) { return h.pid == pid; });
}

void pidfd_store::add(pid_t pid, descriptor pidfd) {
  sent_.erase(pid);  // of another process
  if (const auto old = find_here(pid); old != here_.end()) {
    old->pidfd = kj::mv(pidfd);
    return;
  }
  here_.push_back({pid, kj::mv(pidfd)});
  if (here_.size() % per_message == 0) send_some_away();
}

void pidfd_store::remove(pid_t pid) {
  if (const auto found = find_here(pid); found != here_.end()) {
    here_.erase(found);
    return;
  }
  if (sent_.erase(pid) == 0) return;
  if (++unwanted_ > many_unwanted && unwanted_ > sent_.size()) sort_out();
}

/// What finds no room in the socket stays here, which costs only time.
void pidfd_store::send_some_away() {
  std::array<pid_t, per_message> pids{};
  std::array<int, per_message> pidfds{};
  for (std::size_t i = 0; i < per_message; ++i) {
    pids[i] = here_[i].pid;
    pidfds[i] = here_[i].pidfd.get();
  }
  try {
    if (socket_.here.get() < 0) socket_ = open_socket_pair(true);
    const auto record = std::as_bytes(std::span{pids});
    if (send_with_descriptors(socket_.here, record, pidfds).why != transfer::end::none) return;
  } catch (const kj::Exception&) {
    return;
  }
  for (const pid_t pid : pids) sent_.insert_or_assign(pid, next_);
  ++next_;
  here_.erase(here_.begin(), here_.begin() + per_message);
}

void pidfd_store::sort_out() {
  unwanted_ = 0;
  for (const auto end = next_; oldest_ != end;)
    for (auto& [pid, pidfd] : wanted_of_oldest()) add(pid, kj::mv(pidfd));
}

std::map<pid_t, descriptor> pidfd_store::wanted_of_oldest() {
  std::array<pid_t, per_message> pids{};
  auto got = receive_with_descriptors(socket_.there, std::as_writable_bytes(std::span{pids}));
  std::map<pid_t, descriptor> wanted;
  for (std::size_t i = 0; i < got.descriptors.size(); ++i) {
    const auto found = sent_.find(pids[i]);
    if (found == sent_.end() || found->second != oldest_) continue;
    sent_.erase(found);
    wanted.emplace(pids[i], kj::mv(got.descriptors[i]));
  }
  ++oldest_;
  return wanted;
}

}  // namespace troupe::os
