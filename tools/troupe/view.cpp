#include "view.hpp"

#include <array>

#include "errors.hpp"

namespace troupe::tool {

namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

constexpr auto answer_limit = 5s;
constexpr std::uint64_t of_root = 0, of_interrupt = ~std::uint64_t{0};

snapshot tree_in(schema::ControlAnswer::Reader answer, const std::string& of) {
  if (!answer.isTree() || answer.getTree().getNodes().size() == 0)
    throw trouble{exit_status::no_answer, of + " answers something else than was asked"};
  return snapshot_of(answer.getTree());
}

void ask_for_tree(conversation& of) {
  of.ask([](schema::ControlRequest::Builder r) { r.setTree(); });
}

snapshot await_tree(conversation& from, clock::time_point until) {
  std::optional<snapshot> got;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - clock::now());
  from.await(std::max(0ms, left),
             [&](schema::ControlAnswer::Reader a) { got = tree_in(a, from.with()); });
  return *got;
}

/// Those that are not known yet.
std::vector<int> without(std::vector<int> pids, const std::map<int, conversation>& known) {
  std::erase_if(pids, [&](int pid) { return known.count(pid) != 0; });
  return pids;
}

}  // namespace

snapshot view::look() {
  const auto until = clock::now() + answer_limit;
  ask_for_tree(root_);
  const snapshot root = await_tree(root_, until);
  snapshot all = root;
  parts_.clear();
  silent_.clear();
  std::map<int, snapshot> told;
  for (;;) {
    auto fresh = parts_with(without(processes_below(all), parts_));
    if (fresh.empty()) break;
    attempt_each(fresh, [](int, conversation& talk) { ask_for_tree(talk); });
    attempt_each(fresh, [&](int pid, conversation& talk) { told[pid] = await_tree(talk, until); });
    parts_.merge(fresh);
    all = joined(root, told);
  }
  meter_.measure(all);
  return all;
}

template <class What>
void view::attempt_each(std::map<int, conversation>& parts, What what) {
  for (auto& [pid, talk] : parts) try {
      if (silent_.count(pid) == 0) what(pid, talk);
    } catch (const trouble& e) {
      silent_[pid] = e.what();
    }
}

conversation& view::teller_of(const node& which) {
  const auto part = parts_.find(which.told_by);
  return part != parts_.end() ? part->second : root_;
}

void view::watch(int interrupt) {
  poller_.emplace();
  poller_->add(interrupt, of_interrupt);
  poller_->add(root_.fd(), of_root);
  root_.ask([](schema::ControlRequest::Builder r) { r.setWatch(); });
}

view::event view::wait() {
  for (;;) {
    std::array<os::poller::event, 16> events;
    const std::size_t count = poller_->wait(events, -1);
    bool changed = false;
    for (std::size_t i = 0; i < count; ++i) {
      if (events[i].tag == of_interrupt) return event::interrupted;
      if (events[i].tag != of_root) {
        hear_part(static_cast<int>(events[i].tag));
      } else if (!hear_root()) {
        return event::ended;
      }
      changed = true;
    }
    if (!changed || !latest_) continue;
    meet_parts();
    return event::changed;
  }
}

bool view::hear_root() {
  for (;;) {
    const auto heard = root_.listen_now(
        [this](schema::ControlAnswer::Reader a) { latest_ = tree_in(a, root_.with()); });
    if (heard != conversation::heard::answer) return heard == conversation::heard::nothing;
  }
}

void view::hear_part(int pid) {
  const auto found = parts_.find(pid);
  if (found == parts_.end()) return;
  auto heard = conversation::heard::ended;
  try {
    do {
      heard = found->second.listen_now([&](schema::ControlAnswer::Reader a) {
        latest_parts_[pid] = tree_in(a, found->second.with());
      });
    } while (heard == conversation::heard::answer);
  } catch (const trouble&) {
    heard = conversation::heard::ended;
  }
  if (heard != conversation::heard::ended) return;
  poller_->remove(found->second.fd());
  parts_.erase(found);
  latest_parts_.erase(pid);
}

void view::meet_parts() {
  const auto pids = without(processes_below(joined(*latest_, latest_parts_)), parts_);
  for (auto& [pid, talk] : parts_with(pids)) try {
      talk.ask([](schema::ControlRequest::Builder r) { r.setWatch(); });
      poller_->add(talk.fd(), static_cast<std::uint64_t>(pid));
      parts_.insert_or_assign(pid, std::move(talk));
    } catch (const trouble&) {
      // it has just ended
    }
}

std::optional<snapshot> view::current() {
  if (!latest_) return std::nullopt;
  snapshot all = joined(*latest_, latest_parts_);
  meter_.measure(all);
  return all;
}

}  // namespace troupe::tool
