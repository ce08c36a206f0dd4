// Starts and ends of single children, and of the supervisor.
#include <troupe/policy/supervision.hpp>

#include <algorithm>
#include <utility>

namespace troupe::policy {

void supervision::start_now(child_entry& c, step& s) {
  ++c.number;
  restart_context why{c.restarts, c.last, c.because_of};
  if (c.launch_for == child_entry::launch::restart)
    why.count = ++c.restarts;
  else
    why.because_of = 0;
  c.stopped_by = child_entry::stop::none;
  c.been_up = false;
  children_.set(c, child_state::starting);
  children_.disarm(c);
  s.out.emplace_back(start_process{c.who(), c.spec, c.start, why});
}

void supervision::stop_now(child_entry& c, child_entry::stop by, const shutdown_limit& how,
                           step& s) {
  children_.disarm(c);
  children_.set(c, child_state::stopping);
  c.stopped_by = by;
  s.out.emplace_back(stop_process{c.who(), how});
}

void supervision::did_not_start(child_entry& c, const ending& how, step& s) {
  s.out.emplace_back(report{report::event::start_failed, c.who(), how, {}});
  // What was asked for is answered, and not tried again.
  if (c.launch_for == child_entry::launch::call && phase_ != phase::ending)
    return settle(c, outcome::start_failed, how, s);
  if (taking_down(c)) return absorb(c, how, s);
  if (c.launch_for == child_entry::launch::initial) {
    children_.set(c, child_state::down);
    return end(end_reason::start_failed, c.key, how, s);
  }
  switch (decide(*c.spec, how, true)) {
    case ending_rule::action::restart:
      return restart_after(c, how, false, s);
    case ending_rule::action::restart_slower:
      return restart_after(c, how, true, s);
    case ending_rule::action::stop:
      return stays_down(c, how, s);
    case ending_rule::action::escalate:
      return give_up(c, how, s, end_reason::escalated);
  }
}

void supervision::ended_alone(child_entry& c, const ending& how, step& s) {
  s.out.emplace_back(report{report::event::exited, c.who(), how, {}});
  if (taking_down(c)) return absorb(c, how, s);
  if (c.spec->back_off) c.waits.was_up(*c.spec->back_off, s.now - c.ready_at);
  if (c.start == nullptr) return stays_down(c, how, s);
  switch (decide(*c.spec, how, false)) {
    case ending_rule::action::restart:
      return restart_after(c, how, false, s);
    case ending_rule::action::restart_slower:
      return restart_after(c, how, true, s);
    case ending_rule::action::stop:
      return stays_down(c, how, s);
    case ending_rule::action::escalate:
      return give_up(c, how, s, end_reason::escalated);
  }
}

void supervision::was_stopped(child_entry& c, const ending& how, step& s) {
  if (c.stopped_by == child_entry::stop::overdue) {
    const ending overdue{ending::kind::start_failed, 0, how.out_of_memory};
    c.last = overdue;
    return did_not_start(c, overdue, s);
  }
  s.out.emplace_back(report{report::event::stopped, c.who(), how, {}});
  if (taking_down(c)) return absorb(c, how, s);
  settle(c, outcome::terminated, how, s);
}

void supervision::restart_after(child_entry& c, const ending& how, bool slower, step& s) {
  time_point due = s.now;
  if (c.spec->back_off) due = later(s.now, c.waits.next(*c.spec->back_off, slower, random_));
  if (flags_.pace) due = std::max(due, pace_.take(*flags_.pace, s.now));
  last_causes_.push_back({c.key, how, s.now});
  if (last_causes_.size() > 5) last_causes_.pop_front();
  c.because_of = c.key;
  c.launch_for = child_entry::launch::restart;
  children_.set(c, child_state::restarting);
  if (in_groups()) return begin_sweep(c, due, s);
  // A sweep that had begun before change() chose another strategy goes on without it.
  const bool was_current = sweep_.current == &c;
  if (was_current) sweep_.current = nullptr;
  if (sweep_.cause == &c) sweep_.cause = nullptr;
  c.marked = false;
  const bool at_once = due <= s.now;
  if (at_once && !intensity_.spend(s.now)) return give_up(c, how, s);
  s.out.emplace_back(report{report::event::restarting, c.who(), how, due - s.now});
  if (at_once)
    start_now(c, s);
  else
    children_.arm(c, due);
  if (was_current) advance(s);
}

/// It has ended and is not started again: not by whoever asked for it, but by itself.
void supervision::stays_down(child_entry& c, const ending& how, step& s) {
  children_.set(c, child_state::down);
  const bool last =
      c.spec->significant && (flags_.auto_shutdown == auto_shutdown_mode::any_significant ||
                              (flags_.auto_shutdown == auto_shutdown_mode::all_significant &&
                               children_.significant() == 0));
  if (last) return end(end_reason::auto_shutdown, c.key, how, s);
  settle(c, outcome::terminated, how, s);
}

/// Answers whoever waits for this.
void supervision::tell(child_entry& c, waiting_call::until what, outcome result, const ending& how,
                       step& s) {
  std::erase_if(c.calls, [&](const waiting_call& call) {
    if (call.what != what) return false;
    s.out.emplace_back(answer{call.call, result, c.key, how, {}});
    return true;
  });
}

/// It is down, and not part of a sweep: answers whoever waits for it, forgets it if nothing of it
/// is to be kept, and goes on with what was waiting.
void supervision::settle(child_entry& c, outcome of_starts, const ending& how, step& s) {
  children_.set(c, child_state::down);
  c.marked = false;
  c.launch_for = child_entry::launch::call;
  const auto calls = std::move(c.calls);
  c.calls.clear();
  const child_key key = c.key;
  const std::string id = calls.empty() ? std::string{} : c.spec->id;
  const bool was_current = sweep_.current == &c;
  // A temporary child that has never been up is one that change() brought: restart_child may try
  // again.
  const bool never_up = of_starts == outcome::start_failed;
  if (is_dynamic() || c.added || (c.temporary() && !never_up)) drop(c, s);
  for (const auto& call : calls) {
    if (call.what == waiting_call::until::ready)
      s.out.emplace_back(answer{call.call, of_starts, key, how, {}});
    else if (call.what == waiting_call::until::down)
      s.out.emplace_back(answer{call.call, outcome::ok, key, how, {}});
    else
      repeat(call, id, s);
  }
  if (!was_current) return;
  sweep_.current = nullptr;
  advance(s);
}

void supervision::drop(child_entry& c, step& s) {
  if (sweep_.cursor == &c) sweep_.cursor = sweep_.at == sweep::stage::starting ? c.after : c.before;
  if (sweep_.cause == &c) sweep_.cause = nullptr;
  if (sweep_.current == &c) sweep_.current = nullptr;
  s.out.emplace_back(forget{c.key});
  children_.erase(c);
}

void supervision::give_up(child_entry& c, const ending& how, step& s, end_reason why) {
  children_.set(c, child_state::down);
  s.out.emplace_back(report{report::event::gave_up, c.who(), how, {}});
  end(why, c.key, how, s);
}

/// Takes everything down for good.
void supervision::end(end_reason reason, child_key key, const ending& how, step& s) {
  if (phase_ == phase::ending || phase_ == phase::ended) return;
  phase_ = phase::ending;
  result_ = {reason, key, how, {last_causes_.begin(), last_causes_.end()}};
  children_.disarm_all();
  for (child_entry* c = children_.head(); c != nullptr; c = c->after) {
    c->marked = true;
    if (!c->alive()) children_.set(*c, child_state::down);
    std::erase_if(c->calls, [&](const waiting_call& call) {
      if (call.what == waiting_call::until::down) return false;
      s.out.emplace_back(answer{call.call, outcome::not_running, c->key, {}, {}});
      return true;
    });
  }
  sweep_ = {};
  sweep_.active = true;
  sweep_.cursor = children_.tail();
  advance(s);
}

}  // namespace troupe::policy
