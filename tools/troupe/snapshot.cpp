#include "snapshot.hpp"

#include <algorithm>
#include <set>

#include "troupe/os/process_usage.hpp"

namespace troupe::tool {

namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

/// Less is noise: the kernel counts in ticks of 10 ms.
constexpr auto shortest_interval = 200ms;

std::string name_of(schema::TreeNode::State state) {
  switch (state) {
    case schema::TreeNode::State::RUNNING:
      return "running";
    case schema::TreeNode::State::STARTING:
      return "starting";
    case schema::TreeNode::State::STOPPING:
      return "stopping";
    case schema::TreeNode::State::RESTARTING:
      return "restarting";
    case schema::TreeNode::State::DOWN:
      return "down";
  }
  return "unknown";
}

double percent(std::chrono::nanoseconds part, std::chrono::nanoseconds of) {
  return of <= 0ns ? 0.0
                   : 100.0 * static_cast<double>(part.count()) / static_cast<double>(of.count());
}

/// `seen`: processes whose part is in already; one that tells of itself goes in once.
void join(const snapshot& part, unsigned deeper, const std::map<int, snapshot>& parts,
          std::set<int>& seen, std::vector<node>& into) {
  for (std::size_t i = deeper == 0 ? 0 : 1; i < part.nodes.size(); ++i) {
    node n = part.nodes[i];
    n.depth += deeper;
    into.push_back(n);
    const auto below = parts.find(n.pid);
    if (n.pid > 0 && below != parts.end() && seen.insert(n.pid).second)
      join(below->second, n.depth, parts, seen, into);
  }
}

}  // namespace

snapshot snapshot_of(schema::Tree::Reader tree) {
  snapshot all{tree.getProgram().cStr(), tree.getPid(), {}};
  for (const auto from : tree.getNodes()) {
    node n;
    const bool first = all.nodes.empty();
    n.depth = std::clamp<unsigned>(from.getDepth(), first ? 0 : 1,
                                   first ? 0 : all.nodes.back().depth + 1);
    n.name = from.getName().cStr();
    n.path = from.getPath().cStr();
    n.role = from.getRole().cStr();
    n.state = name_of(from.getState());
    n.pid = from.getPid();
    n.told_by = all.pid;
    n.uptime = std::chrono::nanoseconds{from.getUptimeNs()};
    n.restarts = from.getRestarts();
    n.waiting = from.getWaiting();
    all.nodes.push_back(std::move(n));
  }
  return all;
}

snapshot joined(const snapshot& root, const std::map<int, snapshot>& parts) {
  snapshot all{root.program, root.pid, {}};
  std::set<int> seen{root.pid};
  join(root, 0, parts, seen, all.nodes);
  return all;
}

std::vector<int> processes_below(const snapshot& of) {
  std::vector<int> pids;
  for (const auto& n : of.nodes)
    if (n.depth > 0 && n.pid > 0) pids.push_back(n.pid);
  return pids;
}

std::size_t count_processes(const snapshot& of) {
  return processes_below(of).size() + 1;
}

void meter::measure(snapshot& of) {
  std::map<int, sample> samples;
  for (node& n : of.nodes) {
    const auto usage = n.pid > 0 ? os::usage_of(n.pid) : std::nullopt;
    if (!usage) continue;
    n.resident_bytes = usage->resident_bytes;
    n.cpu_time = usage->cpu_time;
    n.cpu_percent = percent(usage->cpu_time, n.uptime);
    sample next{usage->cpu_time, clock::now()};
    const auto before = last_.find(n.pid);
    if (before != last_.end() && usage->cpu_time >= before->second.cpu_time) {
      const auto interval = next.taken - before->second.taken;
      n.cpu_percent = percent(usage->cpu_time - before->second.cpu_time, interval);
      if (interval < shortest_interval) next = before->second;
    }
    samples[n.pid] = next;
  }
  last_ = std::move(samples);
}

}  // namespace troupe::tool
