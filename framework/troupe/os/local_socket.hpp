#pragma once

#include <optional>
#include <string>

#include "troupe/os/descriptor.hpp"
#include "troupe/os/runtime_directory.hpp"

namespace troupe::os {

/// Stream sockets that have a name in a folder. All descriptors are close-on-exec and non-blocking.
/// Source: unix(7).

/// Opens a listening socket, mode 0600. Its name appears when it listens, so one that refuses a
/// connection belongs to nobody. @throws kj::Exception
descriptor listen_in(const private_directory& where, const std::string& name, int backlog);

/// What the path of a program is as NAME in "NAME.PID.sock": its last part, 40 characters of it;
/// what is no letter, digit or '-' is '_'.
std::string socket_name_of(const std::string& program);
/// The pid in "NAME.PID.sock" and "NAME.PID.part"; 0: it is no such name.
int pid_in(const std::string& name);

/// Removes such sockets of programs that have ended without doing so themselves. `thorough`:
/// also where another program has the pid by now, at the price of waking all that run.
void remove_abandoned_sockets(const private_directory& where, bool thorough);

enum class reached : std::uint8_t {
  yes,
  nobody,  ///< none listens: its program has ended
  gone,    ///< there is no such socket
  busy     ///< more wait than it lets
};
struct connection {
  reached is = reached::gone;
  descriptor socket;
};
/// Never waits. @throws kj::Exception
connection connect_in(const private_directory& where, const std::string& name);

struct accepted {
  descriptor socket;       ///< none: nobody waits
  bool exhausted = false;  ///< out of descriptors: somebody waits and can't be served
};
accepted accept_from(int listener);

/// Who is at the other end, as it was when it connected or began to listen.
struct peer_identity {
  unsigned user = 0;
  int pid = 0;
};
std::optional<peer_identity> identity_of_peer(int socket);
unsigned own_user();

}  // namespace troupe::os
