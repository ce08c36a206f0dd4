#include <support/naive_supervisor.hpp>

#include <algorithm>
#include <cmath>
#include <utility>

namespace test {

using troupe::restart_type;
using troupe::policy::decide;
using action = troupe::ending_rule::action;

std::size_t naive_supervisor::find(const std::string& id) const {
  std::size_t i = 0;
  while (i < kids.size() && kids[i].id != id) ++i;
  return i;
}

bool naive_supervisor::try_start(kid& k) {
  did.push_back("start " + k.id);
  k.pid = ++last_pid;
  if (fails[k.spec.id]-- > 0) return false;
  fails[k.spec.id] = 0;
  k.state = kid::up;
  k.ready_at = now;
  k.lost_start = k.spec.restart == restart_type::temporary;
  return true;
}

void naive_supervisor::start() {
  if (dynamic()) return;
  for (const auto& spec : flags.children) kids.push_back({spec.id, spec});
  for (auto& k : kids)
    if (!try_start(k)) return end("start_failed");
}

void naive_supervisor::end(const char* why) {
  for (std::size_t i = kids.size(); i-- > 0;)
    if (kids[i].state == kid::up) did.push_back("stop " + kids[i].id);
  kids.clear();
  ended = why;
}

bool naive_supervisor::spend() {
  std::erase_if(restarts, [&](time t) { return now - t > flags.period; });
  restarts.push_back(now);
  if (static_cast<int>(restarts.size()) <= flags.intensity) return true;
  end("gave_up");
  return false;
}

/// Who waits for its back-off with others in tow.
std::optional<std::size_t> naive_supervisor::sweeper() const {
  for (std::size_t i = 0; groups() && i < kids.size(); ++i)
    if (kids[i].state == kid::waiting) return i;
  return std::nullopt;
}

std::size_t naive_supervisor::first_of(std::size_t i) const {
  return flags.strategy == troupe::restart_strategy::one_for_all ? 0 : i;
}

/// `all`: also those who were down anyhow will come up.
void naive_supervisor::take_down(std::size_t from, bool all) {
  for (std::size_t i = kids.size(); i-- > from;) {
    auto& k = kids[i];
    if (k.state == kid::up) {
      did.push_back("stop " + k.id);
      if (k.spec.restart == restart_type::temporary) {
        remove(i);
        continue;
      }
    }
    if (all || k.state != kid::down) k.state = kid::pending;
  }
}

void naive_supervisor::bring_up(std::size_t from) {
  for (std::size_t i = from; i < kids.size() && ended.empty(); ++i)
    if (kids[i].state == kid::pending && !try_start(kids[i])) return restart(i);
}

/// Child `i` has ended, or did not start, and comes back.
void naive_supervisor::restart(std::size_t i) {
  time delay{};
  if (const auto& b = kids[i].spec.back_off; b && kids[i].failures++ > 0)
    delay = time{static_cast<time::rep>(std::min(
        static_cast<double>(b->initial.count()) * std::pow(b->factor, kids[i].failures - 2),
        static_cast<double>(b->max.count())))};
  if (delay == time{} && !spend()) return;
  if (groups()) {
    const auto id = kids[i].id;
    kids[i].state = kid::pending;
    take_down(first_of(i), true);
    i = find(id);  // temporaries have gone
  }
  kids[i].state = kid::waiting;
  kids[i].due = now + delay;
  if (delay > time{}) return;
  kids[i].state = kid::pending;
  if (groups()) return bring_up(first_of(i));
  if (!try_start(kids[i])) restart(i);
}

void naive_supervisor::die(const std::string& id, const ending& how) {
  const auto i = find(id);
  auto& k = kids[i];
  const auto sweep = sweeper();
  if (sweep && i >= first_of(*sweep)) {  // it would be taken down anyhow
    k.state = kid::pending;
    if (k.spec.restart == restart_type::temporary) remove(i);
    return;
  }
  k.state = kid::down;
  if (const auto& b = k.spec.back_off; b && now - k.ready_at >= b->reset_after) k.failures = 0;
  if (!k.lost_start && decide(k.spec, how, false) == action::restart) return restart(i);
  const bool significant = k.spec.significant;
  if (dynamic() || k.spec.restart == restart_type::temporary) remove(i);
  const bool others = std::ranges::any_of(
      kids, [](const kid& o) { return o.spec.significant && o.state != kid::down; });
  if (significant &&
      (flags.auto_shutdown == troupe::auto_shutdown_mode::any_significant ||
       (flags.auto_shutdown == troupe::auto_shutdown_mode::all_significant && !others)))
    end("auto_shutdown");
}

void naive_supervisor::pass(time by) {
  const auto until = now + by;
  while (ended.empty()) {
    const auto next = std::ranges::min_element(
        kids, {}, [](const kid& k) { return k.state == kid::waiting ? k.due : time::max(); });
    if (next == kids.end() || next->state != kid::waiting || next->due > until) break;
    now = next->due;
    next->state = kid::pending;
    const auto id = next->id;
    const auto from = first_of(static_cast<std::size_t>(next - kids.begin()));
    if (groups()) take_down(from, false);
    if (!spend()) return;
    if (groups())
      bring_up(from);
    else if (const auto i = find(id); !try_start(kids[i]))
      restart(i);
  }
  now = until;
}

naive_supervisor::outcome naive_supervisor::start_child(const troupe::child_spec& spec) {
  if (const auto i = find(spec.id); !dynamic() && i < kids.size())
    return kids[i].state == kid::up ? outcome::already_started : outcome::already_present;
  if (dynamic() && kids.size() >= flags.max_children.value_or(SIZE_MAX))
    return outcome::max_children;
  kids.push_back({dynamic() ? "#" + std::to_string(++last_key) : spec.id, spec});
  if (try_start(kids.back())) return outcome::ok;
  kids.pop_back();
  return outcome::start_failed;
}

naive_supervisor::outcome naive_supervisor::terminate_child(const std::string& id) {
  const auto i = find(id);
  if (i == kids.size()) return dynamic() ? outcome::ok : outcome::not_found;
  const bool sweeps = sweeper() == i;
  if (kids[i].state == kid::up) did.push_back("stop " + id);
  kids[i].state = kid::down;
  for (auto& k : kids)
    if (sweeps && k.state == kid::pending) k.state = kid::down;
  if (dynamic() || kids[i].spec.restart == restart_type::temporary) remove(i);
  return outcome::ok;
}

naive_supervisor::outcome naive_supervisor::restart_child(const std::string& id) {
  if (dynamic()) return outcome::simple_one_for_one;
  const auto i = find(id);
  if (i == kids.size()) return outcome::not_found;
  if (kids[i].state != kid::down)
    return kids[i].state == kid::up ? outcome::running : outcome::restarting;
  return try_start(kids[i]) ? outcome::ok : outcome::start_failed;
}

naive_supervisor::outcome naive_supervisor::delete_child(const std::string& id) {
  if (dynamic()) return outcome::simple_one_for_one;
  const auto i = find(id);
  if (i == kids.size()) return outcome::not_found;
  if (kids[i].state != kid::down)
    return kids[i].state == kid::up ? outcome::running : outcome::restarting;
  remove(i);
  return outcome::ok;
}

naive_supervisor::outcome naive_supervisor::change(const troupe::supervisor_spec& spec) {
  flags = spec;
  if (dynamic()) {
    for (auto& k : kids) k.spec = spec.children.front();
    return outcome::ok;
  }
  std::vector<kid> changed;
  for (const auto& s : spec.children) {
    const auto i = find(s.id);
    changed.push_back(i < kids.size() ? kids[i] : kid{s.id, s});
    changed.back().spec = s;
    changed.back().lost_start = s.restart == restart_type::temporary;
    if (i < kids.size()) remove(i);
  }
  changed.insert(changed.end(), kids.begin(), kids.end());
  kids = std::move(changed);
  return outcome::ok;
}

}  // namespace test
