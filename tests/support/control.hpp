#pragma once

#include <capnp/serialize.h>
#include <troupe/control.capnp.h>
#include <support/folder.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

/// The control sockets of other programs, for tests.
namespace test {

/// A fresh folder that programs started meanwhile take for $XDG_RUNTIME_DIR.
class runtime_folder {
public:
  runtime_folder();
  runtime_folder(const runtime_folder&) = delete;
  runtime_folder& operator=(const runtime_folder&) = delete;
  ~runtime_folder();

  [[nodiscard]] const std::string& path() const noexcept { return folder_.path(); }
  /// Where they leave their sockets.
  [[nodiscard]] std::string sockets() const { return path() + "/troupe"; }
  /// What is there.
  [[nodiscard]] std::vector<std::string> files() const;
  /// The one socket of this process. @throws when there is none
  [[nodiscard]] std::string socket_of(int pid) const;

private:
  folder folder_;
  std::optional<std::string> before_;
  std::optional<std::string> control_before_;
};

/// One connection to a control socket. Waits without a limit.
class control_client {
public:
  explicit control_client(const std::string& socket);
  control_client(const control_client&) = delete;
  control_client& operator=(const control_client&) = delete;
  ~control_client();

  /// False: the other end has closed.
  bool send(const std::string& bytes);
  void ask(const std::function<void(troupe::schema::ControlRequest::Builder)>& fill);
  /// The next answer; null: none will come.
  std::unique_ptr<capnp::StreamFdMessageReader> answer();
  /// Whether the other end closes without another byte.
  bool is_cut_off();

private:
  int fd_;
};

std::string bytes_of_request(
    const std::function<void(troupe::schema::ControlRequest::Builder)>& fill);

/// What a program tells of one node, to be compared and printed.
struct told_node {
  unsigned depth = 0;
  std::string name, path, role, state;
  int pid = 0;
  std::uint32_t restarts = 0;
  std::uint64_t waiting = 0;
};
std::vector<told_node> nodes_of(troupe::schema::Tree::Reader tree);
/// The tree of the program that listens there.
std::vector<told_node> tree_at(const std::string& socket);
/// The same when nothing is being started any longer.
std::vector<told_node> settled_tree_at(const std::string& socket);
/// The node of that name. @throws when there is not exactly one
const told_node& named(const std::vector<told_node>& nodes, const std::string& name);

}  // namespace test
