#include <troupe/policy/supervision.hpp>

#include <utility>

namespace troupe::policy {

/// `cause` has ended, or did not start: takes it and whom the strategy names down, and up again.
void supervision::begin_sweep(child_entry& cause, time_point due, step& s) {
  const bool counted = due <= s.now;
  if (counted && !intensity_.spend(s.now)) return give_up(cause, *cause.last, s);
  s.out.emplace_back(report{report::event::restarting, cause.who(), *cause.last, due - s.now});

  if (child_entry* before = sweep_.cause;
      before != nullptr && before->state == child_state::restarting) {
    children_.disarm(*before);
    children_.set(*before, child_state::pending);
  }
  const bool all = flags_.strategy == restart_strategy::one_for_all;
  for (child_entry* c = all ? children_.head() : &cause; c != nullptr; c = c->after) {
    // What has been part of a sweep goes on to the end, unless it is scattered.
    if (c != &cause && c->marked && sweep_.active && !sweep_.scattered) break;
    mark(*c);
    c->because_of = cause.key;
  }
  // If it is being widened, what comes after the cursor is down already.
  if (!sweep_.active || sweep_.at != sweep::stage::stopping || sweep_.scattered)
    sweep_.cursor = children_.tail();
  sweep_.active = true;
  sweep_.at = sweep::stage::stopping;
  sweep_.cause = &cause;
  sweep_.current = nullptr;
  sweep_.due = due;
  sweep_.counted = counted;
  advance(s);
}

void supervision::mark(child_entry& c) {
  c.marked = true;
  if (c.state == child_state::pending || (c.alive() && !c.been_up)) return;
  c.launch_for = child_entry::launch::restart;
  if (c.alive()) return;
  children_.disarm(c);
  children_.set(c, child_state::pending);
}

/// The back-off of its cause is over. Takes down what was started meanwhile, before all else.
void supervision::end_wait(step& s) {
  sweep_.at = sweep::stage::stopping;
  sweep_.cursor = children_.tail();
  advance(s);
}

/// Goes on with the sweep as far as it gets without waiting.
void supervision::advance(step& s) {
  while (sweep_.active) {
    switch (sweep_.at) {
      case sweep::stage::stopping:
        if (!take_down(s)) return;
        if (phase_ == phase::ending) {
          phase_ = phase::ended;
          sweep_.active = false;
          s.out.emplace_back(std::move(result_));
          return;
        }
        sweep_.at = sweep::stage::waiting;
        break;
      case sweep::stage::waiting:
        if (sweep_.due > s.now) {
          children_.set(*sweep_.cause, child_state::restarting);
          children_.arm(*sweep_.cause, sweep_.due);
          return;
        }
        if (!sweep_.counted && !intensity_.spend(s.now))
          return give_up(*sweep_.cause, *sweep_.cause->last, s);
        sweep_.counted = true;
        sweep_.at = sweep::stage::starting;
        sweep_.cursor = children_.head();
        break;
      case sweep::stage::starting:
        if (!bring_up(s)) return;
        sweep_ = {};
        if (phase_ == phase::starting) {
          phase_ = phase::running;
          s.out.emplace_back(report{report::event::started, {}, {}, {}});
        }
        return;
    }
  }
}

/// In reverse order, each after the end of the one before; a dynamic supervisor's at the same time.
/// True: all are down.
bool supervision::take_down(step& s) {
  if (sweep_.current != nullptr) return false;
  for (; sweep_.cursor != nullptr; sweep_.cursor = sweep_.cursor->before) {
    child_entry& c = *sweep_.cursor;
    if (!c.marked || !c.alive()) continue;
    if (c.state != child_state::stopping)
      stop_now(c, child_entry::stop::sweep, c.spec->shutdown_or_default(), s);
    if (is_dynamic()) continue;
    sweep_.current = &c;
    return false;
  }
  return !is_dynamic() || children_.alive() == 0;
}

/// In order, each after the one before is ready. True: all are up.
bool supervision::bring_up(step& s) {
  if (sweep_.current != nullptr) return false;
  if (sweep_.scattered) sweep_.cursor = children_.head();
  for (; sweep_.cursor != nullptr; sweep_.cursor = sweep_.cursor->after) {
    child_entry& c = *sweep_.cursor;
    if (!c.marked || c.alive()) continue;
    sweep_.current = &c;
    start_now(c, s);
    return false;
  }
  return true;
}

/// Part of what a sweep takes down has ended, one way or the other.
void supervision::absorb(child_entry& c, const ending& how, step& s) {
  const bool was_current = sweep_.current == &c;
  if (was_current) sweep_.current = nullptr;
  tell(c, waiting_call::until::down, outcome::ok, how, s);
  const bool asked_for = c.waits_for(waiting_call::until::ready);
  const bool queued = c.calls.size() > (asked_for ? 1U : 0U);
  if (phase_ == phase::ending)
    children_.set(c, child_state::down);
  else if (queued)  // for when it is down, which comes before the sweep
    settle(c, outcome::terminated, how, s);
  else if (c.temporary() && !asked_for)
    drop(c, s);
  else {
    children_.set(c, child_state::pending);
    if (c.launch_for == child_entry::launch::call && !asked_for)
      c.launch_for = child_entry::launch::restart;
  }
  if (was_current || is_dynamic()) advance(s);
}

/// The child for whose sake the sweep runs is no longer wanted: nobody else is taken down, and
/// of those who are down only they start who would have without it.
void supervision::abandon(step& s) {
  children_.disarm(*sweep_.cause);
  for (child_entry* c = children_.head(); c != nullptr; c = c->after) {
    if (!c->marked || (c->launch_for != child_entry::launch::restart && !c->alive())) continue;
    c->marked = false;
    if (c->state == child_state::restarting || c->state == child_state::pending)
      children_.set(*c, child_state::down);
    if (c != sweep_.cause && (c->state == child_state::down || c->state == child_state::stopping))
      s.out.emplace_back(report{report::event::not_restarted, c->who(), {}, {}});
  }
  sweep_.cause = nullptr;
  sweep_.due = s.now;
  sweep_.counted = true;
  sweep_.scattered = true;
}

}  // namespace troupe::policy
