#include <troupe/policy/supervision.hpp>

#include <utility>

namespace troupe::policy {

supervision::supervision(supervisor_spec spec, std::uint64_t seed, child_key last_key)
    : flags_(std::move(spec)),
      children_(last_key),
      intensity_(flags_.intensity, flags_.period),
      random_(static_cast<std::minstd_rand::result_type>(seed % 0x7fffffff)) {
  auto specs = std::move(flags_.children);
  flags_.children.clear();
  if (is_dynamic())
    change_pattern(std::move(specs.front()));
  else
    change_children(std::move(specs));
}

// --- what happened ---

void supervision::start(time_point now, actions& out) {
  if (phase_ != phase::idle) return;
  step s{now, out};
  phase_ = phase::starting;
  sweep_ = {};
  sweep_.active = true;
  sweep_.at = sweep::stage::starting;
  sweep_.cursor = children_.head();
  for (child_entry* c = children_.head(); c != nullptr; c = c->after) {
    c->marked = true;
    children_.set(*c, child_state::pending);
  }
  advance(s);
}

/// A process that waits for hundreds of others to be made is not late.
void supervision::begun(incarnation who, time_point now) {
  if (!takes_calls()) return;  // its end comes in its turn
  child_entry* c = children_.find(who.child);
  if (c == nullptr || c->number != who.number || c->state != child_state::starting || c->due)
    return;
  if (const auto limit = c->spec->start_timeout_or_default(); limit != no_limit)
    children_.arm(*c, later(now, limit));
}

void supervision::ready(incarnation who, time_point now, actions& out) {
  child_entry* c = children_.find(who.child);
  if (c == nullptr || c->number != who.number || c->state != child_state::starting) return;
  step s{now, out};
  children_.disarm(*c);
  children_.set(*c, child_state::running);
  c->ready_at = now;
  c->been_up = true;
  c->added = false;
  // It is never started again, so nobody needs to know how.
  if (c->temporary()) c->start.reset();
  if (sweep_.at == sweep::stage::starting) c->marked = false;
  if (sweep_.cause == c) sweep_.cause = nullptr;
  out.emplace_back(report{report::event::ready, who, {}, {}});
  tell(*c, waiting_call::until::ready, outcome::ok, {}, s);
  if (sweep_.current != c) return;
  sweep_.current = nullptr;
  advance(s);
}

void supervision::ignored(incarnation who, time_point now, actions& out) {
  child_entry* c = children_.find(who.child);
  if (c == nullptr || c->number != who.number || !c->alive()) return;
  if (c->state != child_state::starting) return ended(who, {}, now, out);
  step s{now, out};
  children_.disarm(*c);
  out.emplace_back(report{report::event::ignored, who, {}, {}});
  c->added = false;  // as OTP, keep it unless it is temporary
  if (sweep_.cause == c) sweep_.cause = nullptr;
  if (taking_down(*c)) return absorb(*c, {}, s);
  settle(*c, outcome::ignored, {}, s);
}

void supervision::ended(incarnation who, const ending& how, time_point now, actions& out) {
  child_entry* c = children_.find(who.child);
  if (c == nullptr || c->number != who.number || !c->alive()) return;
  step s{now, out};
  children_.disarm(*c);
  c->last = how;
  switch (c->state) {
    case child_state::starting:
      return did_not_start(*c, how, s);
    case child_state::running:
      return ended_alone(*c, how, s);
    default:
      return was_stopped(*c, how, s);
  }
}

void supervision::timer(time_point now, actions& out) {
  step s{now, out};
  while (child_entry* c = children_.take_due(now)) {
    if (c->state == child_state::starting)
      stop_now(*c, child_entry::stop::overdue, brutal_kill, s);
    else if (sweep_.active && sweep_.cause == c)
      end_wait(s);
    else if (in_groups())  // it was about to restart alone before the strategy was changed
      begin_sweep(*c, now, s);
    else if (intensity_.spend(now))
      start_now(*c, s);
    else
      give_up(*c, *c->last, s);
  }
}

void supervision::stop(time_point now, actions& out) {
  step s{now, out};
  if (phase_ == phase::idle) {
    phase_ = phase::ended;
    out.emplace_back(finish{});
    return;
  }
  end(end_reason::stopped, 0, {}, s);
}

// --- what is so ---

std::optional<time_point> supervision::next_time() const {
  return children_.next_time();
}

namespace {

child_info info(const child_entry& c) {
  return {c.key, c.number, c.spec, c.state, c.comes_back(), c.restarts, c.due};
}

}  // namespace

std::vector<child_info> supervision::which_children() const {
  std::vector<child_info> all;
  all.reserve(children_.size());
  for (const child_entry* c = children_.head(); c != nullptr; c = c->after) all.push_back(info(*c));
  return all;
}

std::optional<child_info> supervision::which_child(std::string_view id) const {
  const child_entry* c = children_.find(id);
  return c == nullptr ? std::nullopt : std::optional{info(*c)};
}

std::optional<child_info> supervision::which_child(child_key key) const {
  const child_entry* c = children_.find(key);
  return c == nullptr ? std::nullopt : std::optional{info(*c)};
}

std::optional<child_spec> supervision::get_childspec(std::string_view id) const {
  const child_entry* c = children_.find(id);
  if (c == nullptr) return std::nullopt;
  child_spec whole = *c->spec;
  whole.start = c->start;
  return whole;
}

child_counts supervision::count_children() const {
  child_counts counts;
  for (const child_entry* c = children_.head(); c != nullptr; c = c->after) {
    ++counts.specs;
    if (c->state == child_state::running || c->state == child_state::stopping) ++counts.active;
    ++(c->spec->type == child_type::supervisor ? counts.supervisors : counts.workers);
  }
  if (is_dynamic()) counts.specs = 1;
  return counts;
}

}  // namespace troupe::policy
