#include <support/control.hpp>

#include <kj/io.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <stdexcept>

namespace test {

namespace {

constexpr const char* variable = "XDG_RUNTIME_DIR";
constexpr const char* control = "TROUPE_CONTROL";  // off in tests of anything else

std::string name_of(troupe::schema::TreeNode::State state) {
  using State = troupe::schema::TreeNode::State;
  return state == State::RUNNING      ? "running"
         : state == State::STARTING   ? "starting"
         : state == State::STOPPING   ? "stopping"
         : state == State::RESTARTING ? "restarting"
                                      : "down";
}

}  // namespace

runtime_folder::runtime_folder() {
  if (const char* const is = std::getenv(variable)) before_ = is;
  setenv(variable, path().c_str(), 1);
  if (const char* const is = std::getenv(control)) control_before_ = is;
  unsetenv(control);
}

runtime_folder::~runtime_folder() {
  if (before_) {
    setenv(variable, before_->c_str(), 1);
  } else {
    unsetenv(variable);
  }
  if (control_before_) setenv(control, control_before_->c_str(), 1);
}

std::vector<std::string> runtime_folder::files() const {
  std::vector<std::string> all;
  if (!std::filesystem::exists(sockets())) return all;
  for (const auto& entry : std::filesystem::directory_iterator{sockets()})
    all.push_back(entry.path().filename());
  std::sort(all.begin(), all.end());
  return all;
}

std::string runtime_folder::socket_of(int pid) const {
  for (const auto& file : files())
    if (file.ends_with('.' + std::to_string(pid) + ".sock")) return sockets() + '/' + file;
  throw std::runtime_error{"process " + std::to_string(pid) + " has no socket in " + sockets()};
}

control_client::control_client(const std::string& path)
    : fd_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw std::runtime_error{path + " is too long"};
  std::memcpy(address.sun_path, path.c_str(), path.size());
  if (connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return;
  const std::string why = std::strerror(errno);
  close(fd_);
  throw std::runtime_error{path + ": " + why};
}

control_client::~control_client() {
  close(fd_);
}

bool control_client::send(const std::string& bytes) {
  return ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
         static_cast<ssize_t>(bytes.size());
}

void control_client::ask(const std::function<void(troupe::schema::ControlRequest::Builder)>& fill) {
  if (!send(bytes_of_request(fill))) throw std::runtime_error{"the program has closed the socket"};
}

std::unique_ptr<capnp::StreamFdMessageReader> control_client::answer() {
  char next = 0;
  if (recv(fd_, &next, 1, MSG_PEEK) <= 0) return nullptr;
  return std::make_unique<capnp::StreamFdMessageReader>(fd_);
}

bool control_client::is_cut_off() {
  char next = 0;
  const ssize_t n = recv(fd_, &next, 1, 0);
  return n == 0 || (n < 0 && errno == ECONNRESET);
}

std::string bytes_of_request(
    const std::function<void(troupe::schema::ControlRequest::Builder)>& fill) {
  capnp::MallocMessageBuilder builder;
  fill(builder.initRoot<troupe::schema::ControlRequest>());
  const auto words = capnp::messageToFlatArray(builder);
  const auto bytes = words.asChars();
  return {bytes.begin(), bytes.size()};
}

std::vector<told_node> nodes_of(troupe::schema::Tree::Reader tree) {
  std::vector<told_node> all;
  for (const auto n : tree.getNodes())
    all.push_back({n.getDepth(), n.getName().cStr(), n.getPath().cStr(), n.getRole().cStr(),
                   name_of(n.getState()), n.getPid(), n.getRestarts(), n.getWaiting()});
  return all;
}

std::vector<told_node> tree_at(const std::string& socket) {
  control_client client{socket};
  client.ask([](auto request) { request.setTree(); });
  const auto answer = client.answer();
  if (answer == nullptr) throw std::runtime_error{"no answer"};
  return nodes_of(answer->getRoot<troupe::schema::ControlAnswer>().getTree());
}

std::vector<told_node> settled_tree_at(const std::string& socket) {
  control_client client{socket};
  client.ask([](auto request) { request.setWatch(); });
  while (const auto answer = client.answer()) {
    auto nodes = nodes_of(answer->getRoot<troupe::schema::ControlAnswer>().getTree());
    if (std::none_of(nodes.begin(), nodes.end(),
                     [](const told_node& n) { return n.state == "starting"; }))
      return nodes;
  }
  throw std::runtime_error{"no answer"};
}

const told_node& named(const std::vector<told_node>& nodes, const std::string& name) {
  const auto is_it = [&](const told_node& n) { return n.name == name; };
  if (std::count_if(nodes.begin(), nodes.end(), is_it) != 1)
    throw std::runtime_error{"there is not exactly one " + name};
  return *std::find_if(nodes.begin(), nodes.end(), is_it);
}

}  // namespace test
