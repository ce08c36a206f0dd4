#include <support/supervisor_simulation.hpp>

#include <support/fake_supervisor.hpp>

#include <algorithm>
#include <utility>

namespace test {

using namespace std::chrono_literals;
namespace policy = troupe::policy;
using policy::child_state;
using phase = policy::supervision::phase;

supervisor_simulation::supervisor_simulation(std::uint64_t seed)
    : random_(static_cast<std::minstd_rand::result_type>(seed * 2654435761 % 0x7fffffff)) {
  random_.discard(8);
}

std::string supervisor_simulation::run(int events) {
  begin();
  for (int i = 0; i < events && broken_.empty(); ++i) {
    if (finished_) begin();
    step();
    if (i % 16 == 0) check_children();
  }
  come_to_rest();
  return broken_;
}

// --- a world ---

troupe::child_spec supervisor_simulation::child(unsigned name) {
  auto c = test::child(std::string(1, static_cast<char>('a' + name)),
                       static_cast<troupe::restart_type>(random_() % 3));
  if (one_in(3)) c.shutdown = troupe::brutal_kill;
  if (one_in(4)) c.shutdown = troupe::infinity;
  c.start_timeout = 50ms + up_to(2000);
  if (one_in(8)) c.start_timeout = troupe::no_limit;
  if (c.restart == troupe::restart_type::temporary) return c;
  if (one_in(3)) c.back_off = troupe::backoff{.initial = 50ms, .max = 50ms + up_to(5000)};
  if (one_in(3))
    c.rules.push_back(
        {troupe::ending_rule::cause::exit_code, {3}, troupe::ending_rule::action::stop});
  if (one_in(9))
    c.rules.push_back(
        {troupe::ending_rule::cause::signal, {11}, troupe::ending_rule::action::escalate});
  if (c.back_off)
    c.rules.push_back({troupe::ending_rule::cause::out_of_memory,
                       {},
                       troupe::ending_rule::action::restart_slower});
  if (one_in(9))
    c.rules.push_back(
        {troupe::ending_rule::cause::start_failed, {}, troupe::ending_rule::action::stop});
  return c;
}

troupe::supervisor_spec supervisor_simulation::spec() {
  troupe::supervisor_spec s;
  s.strategy = static_cast<troupe::restart_strategy>(random_() % 4);
  if (sup_ != nullptr && (dynamic_ || !one_in(4))) s.strategy = sup_->flags().strategy;
  s.intensity = static_cast<int>(random_() % 30);
  s.period = 1s + up_to(9000);
  if (one_in(4))
    s.pace = troupe::restart_pace{.burst = 1 + static_cast<int>(random_() % 3), .every = 100ms};
  if (s.strategy == troupe::restart_strategy::dynamic) {
    if (one_in(2)) s.max_children = 1 + random_() % 12;
    s.children.push_back(child(0));
    return s;
  }
  s.auto_shutdown = static_cast<troupe::auto_shutdown_mode>(random_() % 3);
  for (unsigned i = 0; i < 8; ++i)
    if (!one_in(4)) {
      s.children.push_back(child(i));
      auto& c = s.children.back();
      c.significant = s.auto_shutdown != troupe::auto_shutdown_mode::never &&
                      c.restart != troupe::restart_type::permanent && one_in(3);
    }
  std::shuffle(s.children.begin(), s.children.end(), random_);
  return s;
}

void supervisor_simulation::begin() {
  sup_.reset();
  auto s = spec();
  fail_unless(policy::validate(s).empty(), "a spec is faulty");
  dynamic_ = s.strategy == troupe::restart_strategy::dynamic;
  groups_ = s.strategy == troupe::restart_strategy::one_for_all ||
            s.strategy == troupe::restart_strategy::rest_for_one;
  reordered_ = switched_ = finished_ = false;
  processes_.clear();
  restarts_.clear();
  ahead_ = {};
  sup_ = std::make_unique<policy::supervision>(std::move(s), random_());
  note("strategy " + std::to_string(static_cast<int>(sup_->flags().strategy)));
  sup_->start(now_, out_);
  carry_out();
}

policy::ending supervisor_simulation::some_ending() {
  using kind = policy::ending::kind;
  switch (random_() % 8) {
    case 0:
      return {kind::exited, 0, false};
    case 1:
      return {kind::exited, 3, false};
    case 2:
      return {kind::signaled, 11, false};
    case 3:
      return {kind::signaled, 9, true};
    case 4:
      return {kind::shutdown, 0, false};
    case 5:
      return {kind::watchdog, 6, false};
    default:
      return {kind::exited, 1, false};
  }
}

std::string supervisor_simulation::some_name() {
  return std::string(1, static_cast<char>('a' + random_() % 9));
}

supervisor_simulation::key supervisor_simulation::some_child() {
  return processes_.empty() ? 1 : 1 + random_() % (processes_.size() + 1);
}

supervisor_simulation::process& supervisor_simulation::of(key child) {
  if (processes_.size() <= child) processes_.resize(child + 1);
  return processes_[child];
}

// --- what happens ---

void supervisor_simulation::step() {
  const auto what = random_() % 10;
  if (what < 6)
    next_event();
  else if (what < 8)
    fault();
  else
    call();
  carry_out();
}

void supervisor_simulation::next_event() {
  const auto due = sup_->next_time();
  if (due && (ahead_.empty() || *due <= ahead_.top().at)) {
    now_ = std::max(now_, *due);
    sup_->timer(now_, out_);
  } else if (!ahead_.empty()) {
    const auto e = ahead_.top();
    ahead_.pop();
    now_ = std::max(now_, e.at);
    tell(e);
  } else {
    now_ += up_to(3000);
  }
}

void supervisor_simulation::tell(const event& e) {
  note("told " + std::to_string(static_cast<int>(e.what)), e.who.child);
  auto& p = of(e.who.child);
  const bool present = p.number == e.who.number && p.alive;
  if (e.what == event::kind::begun) return sup_->begun(e.who, now_);
  if (e.what == event::kind::ready) return sup_->ready(e.who, now_, out_);
  if (present) {
    p.alive = false;
    --alive_;
  }
  if (e.what == event::kind::ignored) return sup_->ignored(e.who, now_, out_);
  sup_->ended(e.who, e.how, now_, out_);
  if (!calm_ && one_in(8)) sup_->ended(e.who, some_ending(), now_, out_);  // said twice
}

void supervisor_simulation::later(std::chrono::nanoseconds in, policy::incarnation who,
                                  event::kind what, policy::ending how) {
  ahead_.push({now_ + in, ++order_, who, what, how});
}

void supervisor_simulation::fault() {
  const bool all = one_in(16);
  for (key k = all ? 1 : some_child(); k < processes_.size(); ++k) {
    const auto& p = processes_[k];
    if (p.alive) tell({now_, 0, {k, p.number}, event::kind::ended, some_ending()});
    if (!all) break;
  }
  // What is said of strangers, or of the dead.
  if (one_in(8)) sup_->ready({some_child(), static_cast<std::uint32_t>(random_() % 3)}, now_, out_);
  if (one_in(8)) sup_->ended({some_child() + 100, 1}, {}, now_, out_);
  if (one_in(8)) sup_->timer(now_, out_);
}

void supervisor_simulation::call() {
  const policy::call_id id = asked_.size();
  asked_.push_back(true);
  ++unanswered_;
  const auto what = random_() % 16;
  note("call " + std::to_string(id) + " of kind " + std::to_string(what));
  if (what < 5) {
    if (dynamic_ && one_in(2))
      sup_->start_child(id, std::shared_ptr<const troupe::child_start>{}, now_, out_);
    else
      sup_->start_child(id, child(static_cast<unsigned>(random_() % 9)), now_, out_);
  } else if (what < 8) {
    if (dynamic_)
      sup_->terminate_child(id, some_child(), now_, out_);
    else
      sup_->terminate_child(id, some_name(), now_, out_);
  } else if (what < 12) {
    sup_->restart_child(id, some_name(), now_, out_);
  } else if (what < 14) {
    sup_->delete_child(id, some_name(), now_, out_);
  } else if (one_in(4)) {
    const auto before = sup_->flags().strategy;
    sup_->change(id, spec(), out_);
    const auto strategy = sup_->flags().strategy;
    groups_ = strategy == troupe::restart_strategy::one_for_all ||
              strategy == troupe::restart_strategy::rest_for_one;
    if (strategy != before) switched_ = true;
    reordered_ = true;
    restarts_.clear();
  } else {
    asked_.back() = false;
    --unanswered_;
    if (one_in(8)) sup_->stop(now_, out_);
  }
}

// --- what comes of it ---

void supervisor_simulation::carry_out() {
  while (!out_.empty())
    for (const auto& action : std::exchange(out_, {}))
      std::visit([this](const auto& a) { carry_out(a); }, action);
}

void supervisor_simulation::carry_out(const policy::start_process& a) {
  note("start", a.who.child);
  auto& p = of(a.who.child);
  fail_unless(!finished_, "a start after the end");
  fail_unless(!p.alive, "a second process for a child");
  fail_unless(!p.forgotten, "a start of a child that was forgotten");
  fail_unless(a.who.number == p.number + 1, "a number that isn't the next");
  fail_unless(a.spec != nullptr && a.start != nullptr, "nothing to start");
  p = {a.who.number, true, false, false};
  ++alive_;
  if (groups_ && !reordered_ && a.why.because_of != 0) check_order(a.who.child, false);
  if (!groups_ && !switched_ && a.why.because_of != 0) check_bounds();

  later(one_in(4) ? up_to(1000) : 0ms, a.who, event::kind::begun);
  const auto luck = calm_ ? 0 : random_() % 16;
  const auto takes = calm_ ? 1ms : up_to(300);
  if (luck < 11)
    later(takes, a.who, event::kind::ready);
  else if (luck < 13)
    later(takes, a.who, event::kind::ended, {policy::ending::kind::start_failed, 0, false});
  else if (luck < 14)
    later(takes, a.who, event::kind::ignored);
  else if (luck < 15)
    later(0ms, a.who, event::kind::ready), later(takes, a.who, event::kind::ended, some_ending());
}

void supervisor_simulation::carry_out(const policy::stop_process& a) {
  note("stop", a.who.child);
  auto& p = of(a.who.child);
  fail_unless(p.number == a.who.number, "a stop of a process that has been replaced");
  fail_unless(!p.told_to_end, "told to end twice");
  p.told_to_end = true;
  if (sup_->now_in() == phase::ending && !dynamic_) check_order(a.who.child, true);
  const auto takes = up_to(calm_ ? 10 : 3000);
  const auto limit = a.how.how == troupe::shutdown_limit::mode::brutal_kill ? 5ms
                     : a.how.how == troupe::shutdown_limit::mode::timed
                         ? std::chrono::duration_cast<std::chrono::milliseconds>(a.how.time)
                         : takes;
  if (takes < limit)
    later(takes, a.who, event::kind::ended, asked_to);
  else
    later(limit, a.who, event::kind::ended, killed);
}

void supervisor_simulation::carry_out(const policy::answer& a) {
  note("answer " + std::to_string(a.call) + " with " + std::to_string(static_cast<int>(a.result)),
       a.child);
  fail_unless(a.call < asked_.size() && asked_[a.call], "an answer that nobody waits for");
  if (!broken_.empty()) return;
  asked_[a.call] = false;
  --unanswered_;
}

void supervisor_simulation::carry_out(const policy::report& a) {
  note("report " + std::to_string(static_cast<int>(a.what)), a.who.child);
  if (groups_ && !switched_ && a.what == policy::report::event::restarting && a.delay == 0s)
    check_bounds();
}

void supervisor_simulation::carry_out(const policy::forget& a) {
  note("forget", a.child);
  auto& p = of(a.child);
  fail_unless(!p.alive, "a child is forgotten that has a process");
  p.forgotten = true;
}

void supervisor_simulation::carry_out(const policy::finish&) {
  note("finish");
  fail_unless(!finished_, "a second end");
  fail_unless(alive_ == 0, "an end that leaves processes behind");
  fail_unless(unanswered_ == 0, "an end that leaves calls unanswered");
  fail_unless(!sup_->next_time(), "an end that waits for something");
  finished_ = true;
}

void supervisor_simulation::note(const std::string& what, key child) {
  if (story_ == nullptr) return;
  std::string all;
  for (const auto& c : sup_->which_children()) {
    static constexpr const char* states[] = {"down",    "pending",  "starting",
                                             "running", "stopping", "restarting"};
    all += " " + std::to_string(c.key) + c.spec->id + ":" + states[static_cast<int>(c.state)];
  }
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now_.time_since_epoch());
  story_->push_back(std::to_string(ms.count()) + " " + what +
                    (child == 0 ? "" : " " + std::to_string(child)) + " |" + all);
}

// --- what must hold ---

void supervisor_simulation::fail_unless(bool holds, const char* what) {
  if (!holds && broken_.empty()) broken_ = what;
}

void supervisor_simulation::check_bounds() {
  while (!restarts_.empty() && now_ - restarts_.front() > sup_->flags().period)
    restarts_.pop_front();
  restarts_.push_back(now_);
  fail_unless(restarts_.size() <= static_cast<std::size_t>(sup_->flags().intensity),
              "more restarts than the intensity allows");
}

/// Nothing that comes after it in the list has a process; at a start, none that nobody asked to
/// end.
void supervisor_simulation::check_order(key child, bool at_the_end) {
  bool after = false;
  for (const auto& c : sup_->which_children()) {
    if (after && c.state != child_state::stopping)
      fail_unless(!of(c.key).alive, at_the_end ? "a stop before that of a later child"
                                               : "a start before the end of a later child");
    if (after && at_the_end) fail_unless(!of(c.key).alive, "two stops at the same time");
    after |= c.key == child;
  }
}

void supervisor_simulation::check_children() {
  std::size_t alive = 0;
  for (const auto& c : sup_->which_children()) {
    const bool has = c.state == child_state::starting || c.state == child_state::running ||
                     c.state == child_state::stopping;
    alive += has ? 1 : 0;
    fail_unless(has == of(c.key).alive, "a child that is mistaken about its process");
    if (calm_)
      fail_unless(c.state == child_state::running || c.state == child_state::down,
                  "a child that has not come to rest");
  }
  fail_unless(alive == alive_, "a process without a child");
}

void supervisor_simulation::come_to_rest() {
  const auto drain = [this] {
    for (int i = 0; broken_.empty() && (!ahead_.empty() || sup_->next_time()); ++i) {
      fail_unless(i < 100'000, "no rest");
      next_event();
      carry_out();
    }
  };
  if (finished_ && broken_.empty()) begin();
  calm_ = true;
  // Who hangs in its start comes to, unless a limit is set for it.
  for (const auto& c : sup_->which_children())
    if (c.state == child_state::starting && !c.due)
      later(0ms, {c.key, c.number}, event::kind::ready);
  drain();
  if (!finished_) {
    fail_unless(sup_->is_running(), "a supervisor that never came up");
    check_children();
    fail_unless(unanswered_ == 0, "a call that is never answered");
    sup_->stop(now_, out_);
    carry_out();
    drain();
  }
  fail_unless(finished_, "a stop without an end");
}

}  // namespace test
