#include "troupe/engine/control_tree.hpp"

#include <algorithm>

#include "troupe/engine/link.hpp"
#include "troupe/os/child.hpp"
#include "troupe/wire/control.hpp"

namespace troupe::engine {

namespace {

schema::TreeNode::State wire_state(tree_node::state now) {
  using to = schema::TreeNode::State;
  switch (now) {
    case tree_node::state::running:
      return to::RUNNING;
    case tree_node::state::starting:
      return to::STARTING;
    case tree_node::state::stopping:
      return to::STOPPING;
    case tree_node::state::restarting:
      return to::RESTARTING;
    case tree_node::state::down:
      break;
  }
  return to::DOWN;
}

std::uint64_t nanoseconds(clock::duration of) {
  const auto n = std::chrono::duration_cast<std::chrono::nanoseconds>(of).count();
  return static_cast<std::uint64_t>(std::max<std::int64_t>(n, 0));
}

void encode(schema::TreeNode::Builder to, const tree_node& from, clock::time_point now) {
  to.setDepth(static_cast<std::uint16_t>(std::min(from.depth, 0xffffU)));
  to.setName(from.name.c_str());
  to.setPath(from.path.c_str());
  to.setRole(from.role.c_str());
  to.setState(wire_state(from.now));
  to.setPid(from.pid);
  if (from.since != clock::time_point{}) to.setUptimeNs(nanoseconds(now - from.since));
  to.setRestarts(from.restarts);
  to.setWaiting(from.waiting);
}

std::vector<tree_node> nodes_of(const core& of) {
  std::vector<tree_node> all(1);
  tree_node& self = all.front();
  const std::string& program = of.options().program;
  self.name = program.substr(program.rfind('/') + 1);
  self.role = "program";
  self.pid = os::own_pid();
  self.since = of.created_at();
  std::set<const link*> supervised;
  if (of.actors() != nullptr) of.actors()->supervision().show(1, all, supervised);
  for (const auto& l : of.links())
    if (supervised.count(l.get()) == 0) all.push_back(describe(*l, 1));
  return all;
}

}  // namespace

std::vector<std::byte> encoded_tree(const core& of, clock::time_point now) {
  const auto nodes = nodes_of(of);
  capnp::MallocMessageBuilder builder;
  auto tree = builder.initRoot<schema::ControlAnswer>().initTree();
  tree.setProgram(nodes.front().name.c_str());
  tree.setPid(nodes.front().pid);
  tree.setInTree(!of.options().path.empty());
  tree.setTakenNs(nanoseconds(now.time_since_epoch()));
  auto list = tree.initNodes(static_cast<unsigned>(nodes.size()));
  for (unsigned i = 0; i < nodes.size(); ++i) encode(list[i], nodes[i], now);
  return wire::control_frame(builder);
}

tree_node describe(const link& process, unsigned depth) {
  tree_node node;
  node.depth = depth;
  node.name = process.serves().name;
  node.role = process.kind();
  node.now = process.is_stopping()                    ? tree_node::state::stopping
             : process.now() == link::state::starting ? tree_node::state::starting
                                                      : tree_node::state::running;
  node.pid = std::max(process.pid(), 0);
  node.since = process.started_at();
  node.waiting = process.waiting();
  return node;
}

}  // namespace troupe::engine
