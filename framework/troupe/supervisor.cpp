#include "troupe/supervisor.hpp"

#include <stdexcept>

#include "troupe/bridge/supervisor.hpp"
#include "troupe/policy/spec.hpp"
#include "troupe/runtime.hpp"

namespace troupe {

namespace {

using policy::answer;
using policy::outcome;

void require_valid(const std::vector<policy::fault>& faults) {
  if (faults.empty()) return;
  std::string text = "this supervisor can't be started:";
  for (const auto& f : faults) text += "\n  " + f.sentence;
  throw std::invalid_argument{text};
}

bridge::supervisor& existing(const std::shared_ptr<bridge::supervisor>& of) {
  if (of == nullptr) throw std::invalid_argument{"this handle belongs to no supervisor"};
  return *of;
}

std::string_view name_of(outcome what) {
  switch (what) {
    case outcome::ok:
    case outcome::ignored:
      return "ok";
    case outcome::already_started:
      return "already_started: a child of this id runs or is being started";
    case outcome::already_present:
      return "already_present: there is a child of this id; restart_child starts it";
    case outcome::not_found:
      return "not_found: the supervisor has no such child";
    case outcome::running:
      return "running: the child runs; terminate it first";
    case outcome::restarting:
      return "restarting: the supervisor is about to start this child itself";
    case outcome::simple_one_for_one:
      return "simple_one_for_one: a dynamic supervisor does not take this call";
    case outcome::max_children:
      return "max_children: the supervisor has as many children as its spec allows";
    case outcome::start_failed:
      return "start_failed: the child could not be started";
    case outcome::terminated:
      return "terminated: the child was ended before it was ready";
    case outcome::bad_spec:
      return "bad_spec";
    case outcome::not_running:
      return "not_running: the supervisor has ended or is about to";
  }
  return "unknown";
}

/// @throws troupe::failure when the call was refused.
void require_done(const answer& a, const std::string& id, const std::string& why) {
  if (a.result == outcome::ok || a.result == outcome::ignored) return;
  std::string text{name_of(a.result)};
  for (const auto& f : a.faults) text += (text == "bad_spec" ? ": " : "; ") + f.sentence;
  if (!id.empty()) text += " (child " + id + ")";
  if (!why.empty()) text += ": " + why;
  const errc code = a.result == outcome::start_failed  ? errc::start_failed
                    : a.result == outcome::not_running ? errc::stopped
                                                       : errc::refused;
  throw failure{make_error(code, text)};
}

}  // namespace

std::string_view to_string(lifecycle_event::kind what) noexcept {
  using kind = lifecycle_event::kind;
  switch (what) {
    case kind::started:
      return "started";
    case kind::ready:
      return "ready";
    case kind::exited:
      return "exited";
    case kind::stopped:
      return "stopped";
    case kind::start_failed:
      return "start failed";
    case kind::restarting:
      return "restarting";
    case kind::gave_up:
      return "gave up";
    case kind::not_restarted:
      return "not restarted";
  }
  return "unknown";
}

std::string_view to_string(child_status::state now) noexcept {
  using state = child_status::state;
  switch (now) {
    case state::down:
      return "down";
    case state::starting:
      return "starting";
    case state::running:
      return "running";
    case state::stopping:
      return "stopping";
    case state::restarting:
      return "restarting";
  }
  return "unknown";
}

supervisor runtime::supervise(supervisor_spec spec) {
  require_valid(policy::validate(spec));
  const engine::loop_guard mine{core_};
  const auto made = bridge::node::here().supervise(std::move(spec));
  core_.run_until([&] { return made->is_up() || made->finish(); });
  if (made->finish())
    throw failure{
        make_error(errc::start_failed, "the supervisor was not started: " + made->why_finished())};
  return supervisor{made};
}

void runtime::watch(std::function<void(const lifecycle_event&)> handler) {
  const engine::loop_guard mine{core_};
  bridge::node::here().on_lifecycle(std::move(handler));
}

namespace {

/// An answer, and how the start of its child failed, if it did: the child may be forgotten then.
struct explained : answer {
  std::string why;
};

explained explain(const bridge::supervisor& of, const answer& a) {
  const bool failed = a.result == outcome::start_failed || a.result == outcome::terminated;
  return {a, failed ? of.why_not_started(a.child) : std::string{}};
}

const explained not_running{answer{0, outcome::not_running, 0, {}, {}}, {}};

/// Runs the loop until the call that `begin(reply)` makes is answered.
template <class Begin>
explained ask(bridge::supervisor& of, Begin begin) {
  const engine::loop_guard mine{of.in().core()};
  const auto got = std::make_shared<std::optional<explained>>();
  begin([got, &of](const answer& a) { *got = explain(of, a); });
  of.in().core().run_until([&] { return got->has_value() || of.finish(); });
  return got->value_or(not_running);
}

policy::child_key key_of(const bridge::supervisor& s, std::string_view id) {
  const auto key = s.key_of(id);
  if (!key) throw std::invalid_argument{"the supervisor has no child " + std::string{id}};
  return *key;
}

}  // namespace

caf::strong_actor_ptr supervisor::handle_of(std::string_view id) const {
  const auto& s = existing(of_);
  const engine::loop_guard mine{s.in().core()};
  return handle_of(key_of(s, id));
}

caf::strong_actor_ptr supervisor::handle_of(std::uint64_t key) const {
  const auto& s = existing(of_);
  const engine::loop_guard mine{s.in().core()};
  auto handle = s.handle_of(key);
  if (handle == nullptr)
    throw std::invalid_argument{"child " + std::to_string(key) +
                                " of this supervisor is no actor, or is gone"};
  return handle;
}

std::optional<process> supervisor::process_of(std::string_view id) const {
  const auto& s = existing(of_);
  const engine::loop_guard mine{s.in().core()};
  auto link = s.process_of(key_of(s, id));
  return link != nullptr ? std::optional{process{std::move(link)}} : std::nullopt;
}

supervisor supervisor::nested(std::string_view id) const {
  const auto& s = existing(of_);
  const engine::loop_guard mine{s.in().core()};
  auto below = s.nested_of(key_of(s, id));
  if (below == nullptr)
    throw std::invalid_argument{std::string{id} + " is no supervisor inside this process"};
  return supervisor{std::move(below)};
}

child_status supervisor::start_child(child_spec spec) {
  auto& s = existing(of_);
  const std::string id = spec.id;
  const explained a = ask(s, [&](auto reply) { s.start_child(std::move(spec), std::move(reply)); });
  require_done(a, id, a.why);
  return s.which_child(a.child).value_or(child_status{a.child, id});
}

child_status supervisor::start_child(std::shared_ptr<const child_start> start) {
  return start_children({std::move(start)}).front();
}

std::vector<child_status> supervisor::start_children(
    std::vector<std::shared_ptr<const child_start>> starts) {
  auto& s = existing(of_);
  const engine::loop_guard mine{s.in().core()};
  const auto answers = std::make_shared<std::vector<std::optional<explained>>>(starts.size());
  const auto left = std::make_shared<std::size_t>(starts.size());
  for (std::size_t i = 0; i < starts.size(); ++i)
    s.start_child(std::move(starts[i]), [answers, left, i, &s](const answer& a) {
      (*answers)[i] = explain(s, a);
      --*left;
    });
  s.in().core().run_until([&] { return *left == 0 || s.finish(); });
  std::vector<child_status> all;
  for (const auto& a : *answers) {
    const explained got = a.value_or(not_running);
    require_done(got, "", got.why);
    all.push_back(s.which_child(got.child).value_or(child_status{got.child, {}}));
  }
  return all;
}

void supervisor::terminate_child(std::string_view id) {
  auto& s = existing(of_);
  const std::string name{id};
  require_done(ask(s, [&](auto reply) { s.terminate_child(name, std::move(reply)); }), name, "");
}

void supervisor::terminate_child(std::uint64_t key) {
  auto& s = existing(of_);
  require_done(ask(s, [&](auto reply) { s.terminate_child(key, std::move(reply)); }),
               std::to_string(key), "");
}

child_status supervisor::restart_child(std::string_view id) {
  auto& s = existing(of_);
  const std::string name{id};
  const explained a = ask(s, [&](auto reply) { s.restart_child(name, std::move(reply)); });
  require_done(a, name, a.why);
  return s.which_child(a.child).value_or(child_status{a.child, name});
}

void supervisor::delete_child(std::string_view id) {
  auto& s = existing(of_);
  const std::string name{id};
  require_done(ask(s, [&](auto reply) { s.delete_child(name, std::move(reply)); }), name, "");
}

void supervisor::change(supervisor_spec spec) {
  auto& s = existing(of_);
  require_done(ask(s, [&](auto reply) { s.change(std::move(spec), std::move(reply)); }), "", "");
}

std::vector<child_status> supervisor::which_children() const {
  const auto& s = existing(of_);
  const engine::loop_guard mine{s.in().core()};
  return s.which_children();
}

std::optional<child_status> supervisor::which_child(std::string_view id) const {
  const auto& s = existing(of_);
  const engine::loop_guard mine{s.in().core()};
  return s.which_child(id);
}

child_counts supervisor::count_children() const {
  const auto& s = existing(of_);
  const engine::loop_guard mine{s.in().core()};
  return s.count_children();
}

child_spec supervisor::get_childspec(std::string_view id) const {
  const auto& s = existing(of_);
  const engine::loop_guard mine{s.in().core()};
  const auto spec = s.childspec(id);
  if (!spec) throw std::invalid_argument{"the supervisor has no child " + std::string{id}};
  return *spec;
}

bool supervisor::running() const {
  if (of_ == nullptr) return false;
  const engine::loop_guard mine{of_->in().core()};
  return !of_->finish();
}

void supervisor::stop() {
  auto& s = existing(of_);
  const engine::loop_guard mine{s.in().core()};
  s.stop();
  s.in().core().run_until([&] { return s.finish().has_value(); });
}

std::optional<std::string> supervisor::wait(std::chrono::nanoseconds limit) const {
  const auto& s = existing(of_);
  const engine::loop_guard mine{s.in().core()};
  const bool ended =
      s.in().core().run_until([&] { return s.finish().has_value(); }, engine::clock::now() + limit);
  return ended ? std::optional{s.why_finished()} : std::nullopt;
}

}  // namespace troupe
