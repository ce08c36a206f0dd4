#include <troupe/policy/supervision.hpp>

#include <utility>

namespace troupe::policy {

namespace {

/// Takes a spec apart: what a child keeps, and what it keeps only as long as it may start again.
std::shared_ptr<const child_spec> take_start(child_spec spec,
                                             std::shared_ptr<const child_start>& start) {
  start = std::move(spec.start);
  spec.start = nullptr;
  if (start != nullptr && start->below() != nullptr) spec.type = child_type::supervisor;
  return std::make_shared<const child_spec>(std::move(spec));
}

}  // namespace

// --- start_child ---

void supervision::start_child(call_id call, child_spec spec, time_point now, actions& out) {
  step s{now, out};
  start_child(call, std::make_shared<const child_spec>(std::move(spec)), s);
}

void supervision::start_child(call_id call, std::shared_ptr<const child_spec> spec, step& s) {
  const auto refuse = [&](outcome why, const child_entry* c) {
    s.out.emplace_back(answer{call, why, c == nullptr ? 0 : c->key, {}, {}});
  };
  if (!takes_calls()) return refuse(outcome::not_running, nullptr);
  if (auto faults = validate(*spec, flags_, groups_); !faults.empty()) {
    s.out.emplace_back(answer{call, outcome::bad_spec, 0, {}, std::move(faults)});
    return;
  }
  if (is_dynamic()) {
    if (children_.size() >= flags_.max_children.value_or(SIZE_MAX))
      return refuse(outcome::max_children, nullptr);
  } else if (child_entry* c = children_.find(spec->id)) {
    if (!c->goes_down())
      return refuse(c->state == child_state::down || c->comes_back() ? outcome::already_present
                                                                     : outcome::already_started,
                    c);
    c->calls.push_back({call, waiting_call::until::add, std::move(spec)});
    return;
  }
  std::shared_ptr<const child_start> start;
  auto kept = take_start(*spec, start);
  child_entry& c = children_.append(std::move(kept), !is_dynamic());
  c.start = std::move(start);
  c.added = true;
  request_start(c, call, s);
}

void supervision::start_child(call_id call, std::shared_ptr<const child_start> start,
                              time_point now, actions& out) {
  step s{now, out};
  const auto refuse = [&](outcome why) { out.emplace_back(answer{call, why, 0, {}, {}}); };
  if (!takes_calls()) return refuse(outcome::not_running);
  if (!is_dynamic()) return refuse(outcome::bad_spec);
  if (children_.size() >= flags_.max_children.value_or(SIZE_MAX))
    return refuse(outcome::max_children);
  child_entry& c = children_.append(pattern_, false);
  c.own_spec = false;
  c.start = start == nullptr ? pattern_start_ : std::move(start);
  c.added = true;
  request_start(c, call, s);
}

/// Starts it now, or in its turn if a sweep has yet to come by.
void supervision::request_start(child_entry& c, call_id call, step& s) {
  c.calls.push_back({call, waiting_call::until::ready});
  c.launch_for = child_entry::launch::call;
  using stage = sweep::stage;
  const bool part = sweep_.cause == nullptr || flags_.strategy == restart_strategy::one_for_all ||
                    c.place > sweep_.cause->place;
  const bool ahead = sweep_.at == stage::starting
                         ? sweep_.cursor != nullptr && c.place > sweep_.cursor->place
                         : sweep_.at == stage::stopping && part;
  if (sweep_.active && ahead) {
    c.marked = true;
    children_.set(c, child_state::pending);
    return;
  }
  start_now(c, s);
  // What is started while a sweep waits is restarted with the others.
  if (sweep_.active && sweep_.at == stage::waiting && part) c.marked = true;
}

// --- terminate_child, restart_child, delete_child ---

void supervision::terminate_child(call_id call, std::string_view id, time_point now, actions& out) {
  step s{now, out};
  child_entry* c = children_.find(id);
  if (!takes_calls())
    out.emplace_back(answer{call, outcome::not_running, 0, {}, {}});
  else if (is_dynamic())
    out.emplace_back(answer{call, outcome::simple_one_for_one, 0, {}, {}});
  else if (c == nullptr)
    out.emplace_back(answer{call, outcome::not_found, 0, {}, {}});
  else
    terminate_child(call, *c, s);
}

void supervision::terminate_child(call_id call, child_key key, time_point now, actions& out) {
  step s{now, out};
  child_entry* c = children_.find(key);
  if (!takes_calls())
    out.emplace_back(answer{call, outcome::not_running, 0, {}, {}});
  else if (!is_dynamic() || !children_.known(key))
    out.emplace_back(answer{call, outcome::not_found, 0, {}, {}});
  else if (c == nullptr)  // as OTP: it is gone, so all is well
    out.emplace_back(answer{call, outcome::ok, key, {}, {}});
  else
    terminate_child(call, *c, s);
}

void supervision::terminate_child(call_id call, child_entry& c, step& s) {
  const child_key key = c.key;
  const bool was_cause = sweep_.active && sweep_.cause == &c;
  if (was_cause) abandon(s);
  if (std::exchange(c.marked, false)) sweep_.scattered = true;
  if (!c.alive()) {
    children_.disarm(c);
    settle(c, outcome::terminated, {ending::kind::shutdown, 0, false}, s);
    s.out.emplace_back(answer{call, outcome::ok, key, {}, {}});
    if (was_cause) advance(s);
    return;
  }
  c.calls.push_back({call, waiting_call::until::down});
  if (c.state == child_state::stopping)
    c.stopped_by = child_entry::stop::call;
  else
    stop_now(c, child_entry::stop::call, c.spec->shutdown_or_default(), s);
}

void supervision::restart_child(call_id call, std::string_view id, time_point now, actions& out) {
  step s{now, out};
  child_entry* c = children_.find(id);
  if (!takes_calls())
    out.emplace_back(answer{call, outcome::not_running, 0, {}, {}});
  else if (is_dynamic())
    out.emplace_back(answer{call, outcome::simple_one_for_one, 0, {}, {}});
  else if (c == nullptr)
    out.emplace_back(answer{call, outcome::not_found, 0, {}, {}});
  else if (c->state == child_state::down)
    request_start(*c, call, s);
  else
    refuse(call, *c, waiting_call::until::restart, s);
}

void supervision::delete_child(call_id call, std::string_view id, time_point now, actions& out) {
  step s{now, out};
  child_entry* c = children_.find(id);
  if (!takes_calls())
    out.emplace_back(answer{call, outcome::not_running, 0, {}, {}});
  else if (is_dynamic())
    out.emplace_back(answer{call, outcome::simple_one_for_one, 0, {}, {}});
  else if (c == nullptr)
    out.emplace_back(answer{call, outcome::not_found, 0, {}, {}});
  else if (c->state != child_state::down)
    return refuse(call, *c, waiting_call::until::remove, s);
  else {
    out.emplace_back(answer{call, outcome::ok, c->key, {}, {}});
    drop(*c, s);
  }
}

/// A call that wants a child that is down finds it is not.
void supervision::refuse(call_id call, child_entry& c, waiting_call::until later, step& s) {
  if (c.goes_down())
    c.calls.push_back({call, later});
  else
    s.out.emplace_back(
        answer{call, c.comes_back() ? outcome::restarting : outcome::running, c.key, {}, {}});
}

/// A call that waited until a child was down.
void supervision::repeat(const waiting_call& call, const std::string& id, step& s) {
  if (call.what == waiting_call::until::restart)
    restart_child(call.call, id, s.now, s.out);
  else if (call.what == waiting_call::until::remove)
    delete_child(call.call, id, s.now, s.out);
  else
    start_child(call.call, call.spec, s);
}

// --- change ---

void supervision::change(call_id call, supervisor_spec spec, actions& out) {
  if (!takes_calls()) {
    out.emplace_back(answer{call, outcome::not_running, 0, {}, {}});
    return;
  }
  auto faults = validate(spec, groups_);
  if ((spec.strategy == restart_strategy::dynamic) != is_dynamic())
    faults.push_back({"", "strategy",
                      "A supervisor can't become dynamic, or cease to be, while it runs; start "
                      "another one."});
  if (!faults.empty()) {
    out.emplace_back(answer{call, outcome::bad_spec, 0, {}, std::move(faults)});
    return;
  }
  auto specs = std::move(spec.children);
  spec.children.clear();
  if (spec.pace != flags_.pace) pace_ = {};
  flags_ = std::move(spec);
  intensity_.limit(flags_.intensity, flags_.period);
  if (is_dynamic())
    change_pattern(std::move(specs.front()));
  else
    change_children(std::move(specs));
  out.emplace_back(answer{call, outcome::ok, 0, {}, {}});
}

void supervision::change_children(std::vector<child_spec> specs) {
  std::vector<child_entry*> order;
  order.reserve(specs.size());
  for (auto& spec : specs) {
    std::shared_ptr<const child_start> start;
    auto kept = take_start(std::move(spec), start);
    child_entry* c = children_.find(kept->id);
    if (c != nullptr)
      children_.respec(*c, std::move(kept));
    else
      c = &children_.append(std::move(kept), true);
    if (!c->temporary() || c->state != child_state::running) c->start = std::move(start);
    order.push_back(c);
  }
  children_.reorder(order);
  if (!sweep_.active) return;
  sweep_.scattered = true;
  if (sweep_.at == sweep::stage::stopping) sweep_.cursor = children_.tail();
}

void supervision::change_pattern(child_spec spec) {
  pattern_ = take_start(std::move(spec), pattern_start_);
  for (child_entry* c = children_.head(); c != nullptr; c = c->after)
    if (!c->own_spec) children_.respec(*c, pattern_);
}

}  // namespace troupe::policy
