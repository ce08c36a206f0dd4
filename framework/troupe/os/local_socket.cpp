#include "troupe/os/local_socket.hpp"

#include <fcntl.h>
#include <kj/debug.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace troupe::os {

namespace {

descriptor open_socket() {
  int fd = -1;
  KJ_SYSCALL(fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  return descriptor{fd};
}

/// A path too long for an address is reached by the folder's descriptor.
sockaddr_un address_of(const private_directory& where, const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::string path = where.path + '/' + name;
  if (path.size() >= sizeof address.sun_path)
    path = "/proc/self/fd/" + std::to_string(where.fd.get()) + '/' + name;
  KJ_REQUIRE(path.size() < sizeof address.sun_path, "the name of a socket is too long", path);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

const sockaddr* generic(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

}  // namespace

descriptor listen_in(const private_directory& where, const std::string& name, int backlog) {
  const std::string hidden = '.' + std::to_string(getpid()) + ".new";
  const sockaddr_un address = address_of(where, hidden);
  descriptor listening = open_socket();
  unlinkat(where.fd.get(), hidden.c_str(), 0);  // of one that was killed right here
  KJ_SYSCALL(bind(listening.get(), generic(address), sizeof address), address.sun_path);
  try {
    KJ_SYSCALL(fchmodat(where.fd.get(), hidden.c_str(), 0600, 0));
    KJ_SYSCALL(listen(listening.get(), backlog));
    KJ_SYSCALL(renameat(where.fd.get(), hidden.c_str(), where.fd.get(), name.c_str()));
  } catch (...) {
    unlinkat(where.fd.get(), hidden.c_str(), 0);
    throw;
  }
  return listening;
}

connection connect_in(const private_directory& where, const std::string& name) {
  const sockaddr_un address = address_of(where, name);
  connection to;
  to.socket = open_socket();
  if (connect(to.socket.get(), generic(address), sizeof address) == 0) {
    to.is = reached::yes;
    return to;
  }
  const int error = errno;
  to.socket = nullptr;
  switch (error) {
    case ECONNREFUSED:
      to.is = reached::nobody;
      break;
    case ENOENT:
      to.is = reached::gone;
      break;
    case EAGAIN:
      to.is = reached::busy;
      break;
    default:
      KJ_FAIL_SYSCALL("connect", error, address.sun_path);
  }
  return to;
}

std::string socket_name_of(const std::string& program) {
  std::string name = program.substr(program.rfind('/') + 1).substr(0, 40);
  for (char& c : name)
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '_' && c != '-') c = '_';
  return name;
}

int pid_in(const std::string& name) {
  if (!name.ends_with(".sock") && !name.ends_with(".part")) return 0;
  const std::string stem = name.substr(0, name.rfind('.'));
  const std::string digits = stem.substr(stem.rfind('.') + 1);
  if (digits.empty() || digits.size() > 9) return 0;
  if (digits.find_first_not_of("0123456789") != std::string::npos) return 0;
  return std::stoi(digits);
}

void remove_abandoned_sockets(const private_directory& where, bool thorough) {
  constexpr std::size_t at_most = 256;
  std::size_t looked_at = 0;
  for (const std::string& name : names_in(where)) {
    const int pid = pid_in(name);
    if (pid <= 0 || (!thorough && ++looked_at > at_most)) continue;
    if (!thorough && (kill(pid, 0) == 0 || errno != ESRCH)) continue;
    try {
      if (connect_in(where, name).is == reached::nobody) remove_from(where, name);
    } catch (const kj::Exception&) {
      // no socket: not ours to remove
    }
  }
}

accepted accept_from(int listener) {
  const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd >= 0) return {descriptor{fd}, false};
  return {{}, errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM};
}

std::optional<peer_identity> identity_of_peer(int socket) {
  ucred who{};
  socklen_t size = sizeof who;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0) return std::nullopt;
  return peer_identity{who.uid, who.pid};
}

unsigned own_user() {
  return geteuid();
}

}  // namespace troupe::os
