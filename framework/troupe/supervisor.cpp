#include "troupe/supervisor.hpp"

#include <caf/typed_actor.hpp>

#include <stdexcept>

#include "troupe/bridge/supervision_messages.hpp"
#include "troupe/bridge/supervisor.hpp"
#include "troupe/engine/control_groups.hpp"
#include "troupe/engine/process_settings.hpp"
#include "troupe/engine/worker.hpp"
#include "troupe/os/random.hpp"
#include "troupe/policy/spec.hpp"
#include "troupe/runtime.hpp"

namespace troupe {

namespace {

using bridge::supervision_answer;
using bridge::supervision_request;
using op = supervision_request::op;

void require_valid(const std::vector<policy::fault>& faults) {
  if (faults.empty()) return;
  std::string text = "this supervisor can't be started:";
  for (const auto& f : faults) text += "\n  " + f.sentence;
  throw std::invalid_argument{text};
}

constexpr auto for_ever = std::chrono::hours{24 * 365};  // longer times overflow CAF's clock

constexpr const char* no_supervisor = "this handle belongs to no supervisor";

/// Of a supervisor nothing but its memory is left when `run` has returned, and that if it is held.
bool has_run_ended(const std::shared_ptr<bridge::supervisor>& local) {
  const auto* const node = bridge::node::if_made();
  return node == nullptr || (local != nullptr && &local->in() != node);
}

void require_run(const std::shared_ptr<bridge::supervisor>& local) {
  if (has_run_ended(local))
    throw failure{make_error(
        errc::stopped, "not_running: the supervisor has ended, as program::run has returned")};
}

supervision_request request(op what, std::string_view id = {}, std::uint64_t key = 0) {
  supervision_request r;
  r.what = what;
  r.id = id;
  r.key = key;
  return r;
}

void tell(const std::shared_ptr<bridge::supervisor>& local, const caf::strong_actor_ptr& remote,
          supervision_request what) {
  if (local != nullptr) {
    const engine::loop_guard mine{local->in().core()};
    local->perform(std::move(what), [](const supervision_answer&) {});
  } else {
    caf::anon_send(caf::actor_cast<bridge::supervisor_actor>(remote), std::move(what));
  }
}

/// Runs the loop until it is answered. @throws troupe::failure when it is refused.
supervision_answer ask(const std::shared_ptr<bridge::supervisor>& local,
                       const caf::strong_actor_ptr& remote, supervision_request what,
                       std::optional<std::chrono::nanoseconds> limit = std::nullopt) {
  supervision_answer answer;
  if (local != nullptr || remote != nullptr) require_run(local);
  if (local != nullptr) {
    auto& loop = local->in().core();
    const engine::loop_guard mine{loop};
    const auto got = std::make_shared<std::optional<supervision_answer>>();
    bool ends_when_told = what.what == op::wait;
    local->perform(std::move(what), [got](supervision_answer a) { *got = std::move(a); });
    const auto done = [&] {
      // A function that waits for its supervisor sees no other end of that.
      if (ends_when_told && engine::told_to_end()) {
        ends_when_told = false;
        local->stop();
      }
      return got->has_value();
    };
    if (limit) {
      loop.run_until(done, engine::deadline(*limit));
    } else {
      loop.run_until(done);
    }
    if (!*got) throw failure{make_error(caf::sec::request_timeout)};
    answer = std::move(**got);
  } else if (remote != nullptr) {
    bridge::node::here().with_waiting_actor([&](caf::blocking_actor& self) {
      self.request(
              caf::actor_cast<bridge::supervisor_actor>(remote),
              limit && *limit < for_ever
                  ? caf::duration{std::chrono::duration_cast<std::chrono::milliseconds>(*limit)}
                  : caf::infinite,
              std::move(what))
          .receive([&](supervision_answer& a) { answer = std::move(a); },
                   [](caf::error& e) { throw failure{std::move(e)}; });
    });
  } else {
    throw std::invalid_argument{no_supervisor};
  }
  if (answer.code != errc{}) throw failure{make_error(answer.code, answer.text)};
  return answer;
}

std::string named(const supervision_request& what) {
  return what.key != 0 ? std::to_string(what.key) : what.id;
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
  const engine::loop_guard mine{core_};
  require_valid(policy::validate(spec, policy::needs_control_groups(spec)
                                           ? core_.control_groups().facts()
                                           : policy::group_facts{}));
  const auto made = bridge::node::here().supervise(std::move(spec), "", {});
  made->start();
  try {
    core_.run_until([&] { return made->is_up() || made->finish(); });
  } catch (...) {  // of a handler of the program; nobody will hold it
    made->stop();
    throw;
  }
  if (made->finish())
    throw failure{
        make_error(errc::start_failed, "the supervisor was not started: " + made->why_finished())};
  return supervisor{made};
}

restart_info runtime::restart() const {
  const auto& bytes = engine::process_settings().predecessor;
  restart_info info;
  if (bytes.empty()) return info;
  codec::reader from{bytes};
  codec::apply(from, info);
  return info;
}

void runtime::not_ready_yet() {
  if (!engine::start_goes_on())
    throw std::logic_error{
        "not_ready_yet() comes too late: it is for the code that makes the actor of a process; a "
        "function is ready when its process is up"};
}

void runtime::ready() {
  const engine::loop_guard mine{core_};
  engine::start_is_over(std::nullopt);
}

void runtime::watch(std::function<void(const lifecycle_event&)> handler) {
  const engine::loop_guard mine{core_};
  bridge::node::here().on_lifecycle(std::move(handler));
}

caf::actor supervisor::handle() const {
  if (of_ == nullptr) return caf::actor_cast<caf::actor>(actor_);
  require_run(of_);
  const engine::loop_guard mine{of_->in().core()};
  return caf::actor_cast<caf::actor>(of_->actor());
}

caf::strong_actor_ptr supervisor::handle_of(std::string_view id, std::uint64_t key) const {
  const auto what = request(op::handle, id, key);
  const auto answer = ask(of_, actor_, what);
  if (answer.handle == nullptr)
    throw std::invalid_argument{"the child " + named(what) + " takes no messages"};
  return answer.handle;
}

std::optional<process> supervisor::process_of(std::string_view id) const {
  if (of_ == nullptr && actor_ != nullptr)
    throw std::invalid_argument{
        "this supervisor has a process of its own, which alone knows the "
        "processes of its children: which_child tells their pids"};
  if (of_ == nullptr) throw std::invalid_argument{no_supervisor};
  require_run(of_);
  const engine::loop_guard mine{of_->in().core()};
  auto link = of_->process_of(id);
  return link != nullptr ? std::optional{process{std::move(link)}} : std::nullopt;
}

supervisor supervisor::nested(std::string_view id) const {
  if (of_ != nullptr) {
    require_run(of_);
    const engine::loop_guard mine{of_->in().core()};
    if (auto below = of_->nested_of(id)) return supervisor{std::move(below)};
  }
  const auto answer = ask(of_, actor_, request(op::handle, id));
  if (answer.is != child_type::supervisor || answer.handle == nullptr)
    throw std::invalid_argument{"the child " + std::string{id} + " is no supervisor"};
  return supervisor{caf::actor_cast<caf::actor>(answer.handle)};
}

child_status supervisor::start_child(child_spec spec) {
  auto what = request(op::start_child);
  what.spec.children.push_back(std::move(spec));
  return ask(of_, actor_, std::move(what)).children.front();
}

child_status supervisor::start_child(std::shared_ptr<const child_start> start) {
  return start_children({std::move(start)}).front();
}

std::vector<child_status> supervisor::start_children(
    std::vector<std::shared_ptr<const child_start>> starts) {
  auto what = request(op::start_children);
  for (auto& start : starts) {
    child_spec spec;
    spec.start = std::move(start);
    what.spec.children.push_back(std::move(spec));
  }
  return ask(of_, actor_, std::move(what)).children;
}

void supervisor::terminate_child(std::string_view id) {
  ask(of_, actor_, request(op::terminate_child, id));
}

void supervisor::terminate_child(std::uint64_t key) {
  ask(of_, actor_, request(op::terminate_child, {}, key));
}

child_status supervisor::restart_child(std::string_view id) {
  return ask(of_, actor_, request(op::restart_child, id)).children.front();
}

void supervisor::delete_child(std::string_view id) {
  ask(of_, actor_, request(op::delete_child, id));
}

void supervisor::change(supervisor_spec spec) {
  auto what = request(op::change);
  what.spec = std::move(spec);
  ask(of_, actor_, std::move(what));
}

std::vector<child_status> supervisor::which_children() const {
  return ask(of_, actor_, request(op::which_children)).children;
}

std::optional<child_status> supervisor::which_child(std::string_view id) const {
  for (auto& child : which_children())
    if (child.id == id) return std::move(child);
  return std::nullopt;
}

child_counts supervisor::count_children() const {
  return ask(of_, actor_, request(op::count_children)).counts;
}

child_spec supervisor::get_childspec(std::string_view id) const {
  return ask(of_, actor_, request(op::get_childspec, id)).spec.children.front();
}

bool supervisor::running() const {
  if (has_run_ended(of_)) return false;
  if (of_ != nullptr) {
    const engine::loop_guard mine{of_->in().core()};
    return !of_->finish();
  }
  if (actor_ == nullptr) return false;
  try {
    ask(of_, actor_, request(op::count_children));
    return true;
  } catch (const failure&) {
    return false;
  }
}

void supervisor::stop() {
  ask(of_, actor_, request(op::stop));
}

std::optional<std::string> supervisor::wait(std::chrono::nanoseconds limit) const {
  const std::uint64_t number = os::random_number().low | 1U;
  try {
    return ask(of_, actor_, request(op::wait, {}, number), limit).text;
  } catch (const failure& e) {
    if (e.error() != caf::sec::request_timeout) return e.what();
    tell(of_, actor_, request(op::stop_waiting, {}, number));
    return std::nullopt;
  }
}

}  // namespace troupe
