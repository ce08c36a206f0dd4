#include <support/fake_supervisor.hpp>

#include <support/catch.hpp>

#include <algorithm>

namespace test {

namespace policy = troupe::policy;

troupe::child_spec child(std::string id, troupe::restart_type restart) {
  static const auto any_start = std::make_shared<const troupe::child_start>();
  return {.id = std::move(id), .start = any_start, .restart = restart};
}

troupe::supervisor_spec flags(troupe::restart_strategy strategy, int intensity,
                              std::vector<troupe::child_spec> children) {
  return {.strategy = strategy,
          .intensity = intensity,
          .period = std::chrono::hours{1},
          .children = std::move(children)};
}

troupe::supervisor_spec three_children(troupe::restart_strategy strategy) {
  return flags(strategy, 100, {child("a"), child("b"), child("c")});
}

namespace {

const troupe::supervisor_spec& checked(const troupe::supervisor_spec& spec) {
  for (const auto& fault : policy::validate(spec)) FAIL(fault.sentence);
  return spec;
}

}  // namespace

fake_supervisor::fake_supervisor(const troupe::supervisor_spec& spec, std::uint64_t seed)
    : decisions_(checked(spec), seed),
      dynamic_(spec.strategy == troupe::restart_strategy::dynamic) {}

fake_supervisor& fake_supervisor::start() {
  decisions_.start(now_, out_);
  settle();
  return *this;
}

fake_supervisor& fake_supervisor::stop() {
  decisions_.stop(now_, out_);
  settle();
  return *this;
}

fake_supervisor& fake_supervisor::die(const std::string& id, const policy::ending& how) {
  return die(key_of(id), how);
}

fake_supervisor& fake_supervisor::die(key child, const policy::ending& how) {
  const auto info = decisions_.which_child(child);
  REQUIRE(info);
  REQUIRE(processes_.contains({child, info->number}));
  happen({{child, info->number}, event::kind::ended, how});
  settle();
  return *this;
}

void fake_supervisor::repeat_end(policy::incarnation who, const policy::ending& how) {
  decisions_.ended(who, how, now_, out_);
  settle();
}

fake_supervisor& fake_supervisor::pass(duration time) {
  const auto until = now_ + time;
  for (;;) {
    auto next = until;
    if (!ahead_.empty()) next = std::min(next, ahead_.begin()->first);
    if (const auto due = decisions_.next_time()) next = std::min(next, *due);
    now_ = std::max(now_, next);
    settle();
    if (now_ >= until) return *this;
  }
}

fake_supervisor& fake_supervisor::pass() {
  while (!ahead_.empty() || decisions_.next_time()) {
    auto next = policy::time_point::max();
    if (!ahead_.empty()) next = ahead_.begin()->first;
    if (const auto due = decisions_.next_time()) next = std::min(next, *due);
    pass(next - now_);
  }
  return *this;
}

fake_supervisor::call fake_supervisor::start_child(troupe::child_spec spec) {
  decisions_.start_child(++last_call_, std::move(spec), now_, out_);
  settle();
  return last_call_;
}

fake_supervisor::call fake_supervisor::start_child() {
  return start_child(std::shared_ptr<const troupe::child_start>{});
}

fake_supervisor::call fake_supervisor::start_child(
    std::shared_ptr<const troupe::child_start> start) {
  decisions_.start_child(++last_call_, std::move(start), now_, out_);
  settle();
  return last_call_;
}

fake_supervisor::call fake_supervisor::terminate_child(const std::string& id) {
  decisions_.terminate_child(++last_call_, id, now_, out_);
  settle();
  return last_call_;
}

fake_supervisor::call fake_supervisor::terminate_child(key child) {
  decisions_.terminate_child(++last_call_, child, now_, out_);
  settle();
  return last_call_;
}

fake_supervisor::call fake_supervisor::restart_child(const std::string& id) {
  decisions_.restart_child(++last_call_, id, now_, out_);
  settle();
  return last_call_;
}

fake_supervisor::call fake_supervisor::delete_child(const std::string& id) {
  decisions_.delete_child(++last_call_, id, now_, out_);
  settle();
  return last_call_;
}

fake_supervisor::call fake_supervisor::change(troupe::supervisor_spec spec) {
  decisions_.change(++last_call_, std::move(spec), out_);
  settle();
  return last_call_;
}

const policy::answer* fake_supervisor::answered(call id) const {
  const auto found = answers_.find(id);
  return found == answers_.end() ? nullptr : &found->second;
}

policy::outcome fake_supervisor::result(call id) const {
  const auto* answer = answered(id);
  REQUIRE(answer != nullptr);
  return answer->result;
}

fake_supervisor::key fake_supervisor::started(call id) const {
  REQUIRE(result(id) == policy::outcome::ok);
  return answered(id)->child;
}

std::vector<std::string> fake_supervisor::did() {
  return std::exchange(did_, {});
}

std::vector<std::string> fake_supervisor::did(std::initializer_list<std::string> kinds) {
  auto all = did();
  std::erase_if(all, [&](const std::string& line) {
    return std::ranges::none_of(kinds, [&](const auto& kind) { return line.starts_with(kind); });
  });
  return all;
}

int fake_supervisor::pid(const std::string& id) const {
  return pid(key_of(id));
}

int fake_supervisor::pid(key child) const {
  const auto info = decisions_.which_child(child);
  if (!info || info->state != policy::child_state::running) return 0;
  return processes_.at({child, info->number}).pid;
}

std::vector<std::size_t> fake_supervisor::counts() const {
  const auto c = decisions_.count_children();
  return {c.specs, c.active, c.supervisors, c.workers};
}

std::vector<std::string> fake_supervisor::children() const {
  std::vector<std::string> all;
  for (const auto& c : decisions_.which_children()) {
    const auto number = pid(c.key);
    const bool again = c.restart && c.state != policy::child_state::pending;
    all.push_back(name(c.key) + " " +
                  (number != 0 ? std::to_string(number)
                   : again     ? "restarting"
                               : "undefined"));
  }
  return all;
}

policy::restart_context fake_supervisor::told(const std::string& id) const {
  return told_.at(key_of(id));
}

void fake_supervisor::carry_out() {
  while (!out_.empty())
    for (const auto& action : std::exchange(out_, {}))
      std::visit([this](const auto& a) { carry_out(a); }, action);
}

void fake_supervisor::carry_out(const policy::start_process& a) {
  names_.emplace(a.who.child, dynamic_ ? "#" + std::to_string(a.who.child) : a.spec->id);
  told_[a.who.child] = a.why;
  say("start", a.who.child);
  const auto found = scripts_.find(a.spec->id);
  auto& script = found != scripts_.end() ? found->second : scripts_[""];
  const bool first =
      processes_.emplace(std::pair{a.who.child, a.who.number}, process{++last_pid_, script, false})
          .second;
  REQUIRE(first);
  ahead_.emplace(now_ + script.waits, event{a.who, event::kind::begun, {}});
  const auto at = now_ + script.waits + script.start_takes;
  const bool fails = script.fails > 0 && script.fails-- > 0;
  switch (fails ? fake_script::start::fail : script.when_started) {
    case fake_script::start::ready:
      ahead_.emplace(at, event{a.who, event::kind::ready, {}});
      return;
    case fake_script::start::ignore:
      ahead_.emplace(at, event{a.who, event::kind::ignored, {}});
      return;
    case fake_script::start::fail:
      ahead_.emplace(at, event{a.who, event::kind::ended, script.failed});
      return;
    case fake_script::start::hang:
      return;
  }
}

void fake_supervisor::carry_out(const policy::stop_process& a) {
  const bool kill = a.how.how == troupe::shutdown_limit::mode::brutal_kill;
  say(kill ? "kill" : "stop", a.who.child);
  const auto found = processes_.find({a.who.child, a.who.number});
  if (found == processes_.end()) return;  // it has just ended by itself, which is yet to be told
  const auto& script = found->second.script;
  const bool timed = a.how.how == troupe::shutdown_limit::mode::timed;
  if (kill)
    ahead_.emplace(now_, event{a.who, event::kind::ended, killed});
  else if (script.obeys && !(timed && script.stop_takes > a.how.time))
    ahead_.emplace(now_ + script.stop_takes, event{a.who, event::kind::ended, script.stopped});
  else if (timed)
    ahead_.emplace(now_ + a.how.time, event{a.who, event::kind::ended, killed});
}

void fake_supervisor::carry_out(const policy::answer& a) {
  const bool first = answers_.emplace(a.call, a).second;
  REQUIRE(first);
}

namespace {

std::string in(std::chrono::nanoseconds delay) {
  using namespace std::chrono;
  return delay.count() == 0
             ? ""
             : " in " + std::to_string(duration_cast<milliseconds>(delay).count()) + "ms";
}

}  // namespace

void fake_supervisor::carry_out(const policy::report& a) {
  using what = policy::report::event;
  switch (a.what) {
    case what::started:
      return did_.push_back("started");
    case what::ready:
      return say("ready", a.who.child);
    case what::ignored:
      return say("ignored", a.who.child);
    case what::exited:
      return say("exited", a.who.child);
    case what::stopped:
      return say(a.how == killed ? "killed" : "stopped", a.who.child);
    case what::start_failed:
      return say("failed", a.who.child);
    case what::restarting:
      return say("restart", a.who.child, in(a.delay));
    case what::gave_up:
      return say("gave up", a.who.child);
    case what::not_restarted:
      return say("left down", a.who.child);
  }
}

void fake_supervisor::carry_out(const policy::forget& a) {
  say("forget", a.child);
}

void fake_supervisor::carry_out(const policy::finish& a) {
  REQUIRE_FALSE(finished_);
  finished_ = a;
  did_.push_back("finish");
}

void fake_supervisor::happen(const event& e) {
  const auto found = processes_.find({e.who.child, e.who.number});
  if (found == processes_.end()) return;  // it has ended in another way before
  if (e.what == event::kind::begun) return decisions_.begun(e.who, now_);
  if (e.what == event::kind::ready) {
    found->second.ready = true;
    return decisions_.ready(e.who, now_, out_);
  }
  processes_.erase(found);
  if (e.what == event::kind::ignored)
    decisions_.ignored(e.who, now_, out_);
  else
    decisions_.ended(e.who, e.how, now_, out_);
}

void fake_supervisor::settle() {
  for (;;) {
    carry_out();
    if (const auto due = decisions_.next_time(); due && *due <= now_) {
      decisions_.timer(now_, out_);
    } else if (!ahead_.empty() && ahead_.begin()->first <= now_) {
      const auto e = ahead_.extract(ahead_.begin()).mapped();
      happen(e);
    } else {
      return;
    }
  }
}

std::string fake_supervisor::name(key child) const {
  const auto found = names_.find(child);
  if (found != names_.end()) return found->second;
  const auto info = decisions_.which_child(child);
  return info ? info->spec->id : "?";
}

fake_supervisor::key fake_supervisor::key_of(const std::string& id) const {
  const auto info = decisions_.which_child(id);
  REQUIRE(info);
  return info->key;
}

void fake_supervisor::say(const std::string& what, key child, const std::string& more) {
  did_.push_back(what + " " + name(child) + more);
}

}  // namespace test
