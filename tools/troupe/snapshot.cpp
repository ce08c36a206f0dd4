#include "snapshot.hpp"

#include <algorithm>

#include "troupe/os/process_usage.hpp"

namespace troupe::tool {

namespace {

using namespace std::chrono_literals;

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

}  // namespace

snapshot observer::look(schema::Tree::Reader tree) {
  snapshot all{tree.getProgram().cStr(), tree.getPid(), {}};
  const std::chrono::nanoseconds now{tree.getTakenNs()};
  std::map<int, sample> samples;
  for (const auto from : tree.getNodes()) {
    node n;
    const unsigned deepest = all.nodes.empty() ? 0 : all.nodes.back().depth + 1;
    n.depth = std::clamp<unsigned>(from.getDepth(), all.nodes.empty() ? 0 : 1, deepest);
    n.name = from.getName().cStr();
    n.path = from.getPath().cStr();
    n.role = from.getRole().cStr();
    n.state = name_of(from.getState());
    n.pid = from.getPid();
    n.uptime = std::chrono::nanoseconds{from.getUptimeNs()};
    n.restarts = from.getRestarts();
    n.waiting = from.getWaiting();
    const auto usage = n.pid > 0 ? os::usage_of(n.pid) : std::nullopt;
    if (usage) {
      n.resident_bytes = usage->resident_bytes;
      n.cpu_time = usage->cpu_time;
      n.cpu_percent = percent(usage->cpu_time, n.uptime);
      const auto before = last_.find(n.pid);
      sample next{usage->cpu_time, now};
      if (before != last_.end() && usage->cpu_time >= before->second.cpu_time) {
        const auto interval = now - before->second.taken;
        n.cpu_percent = percent(usage->cpu_time - before->second.cpu_time, interval);
        if (interval < shortest_interval) next = before->second;
      }
      samples[n.pid] = next;
    }
    all.nodes.push_back(std::move(n));
  }
  last_ = std::move(samples);
  return all;
}

}  // namespace troupe::tool
