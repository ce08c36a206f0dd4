// What a supervisor's decisions do to processes.
#include "troupe/bridge/supervisor.hpp"

#include <caf/exit_reason.hpp>
#include <caf/send.hpp>

#include <algorithm>
#include <utility>

#include "troupe/bridge/supervision_messages.hpp"
#include "troupe/engine/link.hpp"
#include "troupe/engine/reserve.hpp"
#include "troupe/error.hpp"
#include "troupe/os/random.hpp"

namespace troupe::bridge {

using namespace std::chrono_literals;

namespace {

constexpr auto for_ever = std::chrono::hours{24 * 365};

}  // namespace

supervisor::supervisor(node& in, supervisor_spec spec, std::string path, supervisor_listener to)
    : node_(in),
      path_(std::move(path)),
      listener_(std::move(to)),
      machine_(std::in_place, std::move(spec), os::random_number().low) {}

supervisor::~supervisor() {
  abandon(false);
}

void supervisor::start() {
  keep_spares();  // its children are to know that they are replaced at once
  tell([this](auto now, auto& out) { machine_->start(now, out); });
}

void supervisor::start_again(supervisor_spec spec, supervisor_listener to) {
  ++life_;
  finish_.reset();
  was_ready_ = false;
  since_ = engine::clock::now();
  listener_ = std::move(to);
  machine_.emplace(std::move(spec), os::random_number().low, machine_->last_key());
  inherit(std::exchange(children_, {}));
  start();
}

/// Children are the same if their ids are.
void supervisor::inherit(std::map<policy::child_key, child> earlier) {
  for (const auto& info : machine_->which_children()) {
    const auto found = std::find_if(earlier.begin(), earlier.end(), [&](const auto& e) {
      return e.second.spec->id == info.spec->id;
    });
    if (found == earlier.end()) continue;
    child& c = children_[info.key];
    c.spec = info.spec;
    c.route = std::move(found->second.route);
    c.place_in_path = found->second.place_in_path;
    c.nested = std::move(found->second.nested);
    c.port = std::move(found->second.port);
    earlier.erase(found);
  }
  for (auto& [key, c] : earlier)
    end_for_good(c, make_error(errc::stopped, path_of(c) + " is no child of its supervisor any " +
                                                  "more: that was started again without it"));
}

void supervisor::stay_down(const caf::error& why) {
  for (auto& [key, c] : children_) {
    if (c.route != nullptr) route_of(c).refuse_all(why);
    if (c.nested != nullptr) c.nested->stay_down(why);
  }
}

void supervisor::retire(const caf::error& why) {
  if (abandoned_ || !finish_) return;
  const bool by_itself = finish_->reason != policy::end_reason::stopped;
  for (auto& [key, c] : children_) end_for_good(c, by_itself || !why ? reason_for(c) : why);
  end_actor();
}

void supervisor::stop() {
  tell([this, life = life_](auto now, auto& out) {
    if (life == life_) machine_->stop(now, out);
  });
}

void supervisor::abandon() {
  abandon(listener_.may_start_again);
}

/// `again`: in another process, in which the handles of its children go on.
void supervisor::abandon(bool again) {
  if (std::exchange(abandoned_, true)) return;
  keep_spares();
  node_.disown(*this);
  node_.core().cancel(timer_);
  const caf::error reason = make_error(errc::stopped, "its supervisor has ended");
  for (auto& [key, c] : children_) {
    if (c.nested != nullptr) c.nested->abandon(again);
    if (!again) {
      end_for_good(c, reason);
      continue;
    }
    node_.core().cancel(c.watchdog);
    node_.core().cancel(c.again);
    if (c.route != nullptr) route_of(c).refuse_all(node::being_restarted());
  }
  if (!again) end_actor();
}

void supervisor::end_actor() {
  if (actor_ != nullptr) caf::anon_send_exit(actor_, caf::exit_reason::user_shutdown);
  actor_ = nullptr;
}

/// Inputs that come while one is carried out wait for their turn.
void supervisor::work() {
  if (working_) return;
  const auto keep = shared_from_this();
  working_ = true;
  try {
    while (!inputs_.empty() && !abandoned_) {
      const auto input = std::move(inputs_.front());
      inputs_.pop_front();
      policy::actions out;
      input(engine::clock::now(), out);
      for (const auto& what : out) std::visit([this](const auto& w) { carry_out(w); }, what);
    }
  } catch (...) {
    working_ = false;
    throw;
  }
  working_ = false;
  if (abandoned_) return;
  settle_routes();
  keep_spares();
  arm_timer();
  if (!was_ready_ && machine_->is_running()) {
    was_ready_ = true;
    if (listener_.ready) listener_.ready();
  }
}

void supervisor::keep_spares() {
  const int wanted = finish_ || is_ending() || abandoned_ ? 0 : machine_->flags().spares;
  if (const int more = wanted - std::exchange(spares_, wanted); more != 0)
    node_.core().reserve().keep(more);
}

void supervisor::arm_timer() {
  node_.core().cancel(timer_);
  timer_ = 0;
  if (const auto next = machine_->next_time())
    timer_ = node_.core().at(*next, [this] {
      timer_ = 0;
      tell([this](auto now, auto& out) { machine_->timer(now, out); });
    });
}

/// Who waits for a child that nothing will start is told so. When the supervisor itself ends, those
/// above it decide.
void supervisor::settle_routes() {
  if (finish_ || is_ending()) return;
  for (const policy::child_key key : std::exchange(touched_, {})) {
    const auto found = children_.find(key);
    const auto info = machine_->which_child(key);
    if (found == children_.end() || !info || info->state != policy::child_state::down) continue;
    child& c = found->second;
    const caf::error why =
        make_error(errc::stopped,
                   "this message was not sent: the child " + path_of(c) +
                       " is down and will not be started by itself" +
                       (c.last_reason.empty() ? "" : "; it ended: " + c.last_reason),
                   c.last_report);
    if (c.route != nullptr) route_of(c).refuse_all(why);
    if (c.nested != nullptr) c.nested->stay_down(why);
    if (c.place_in_path) node_.place_is_down(*c.place_in_path, why);
  }
}

/// The end of a child for good.
void supervisor::end_for_good(child& c, const caf::error& reason) {
  node_.core().cancel(std::exchange(c.watchdog, 0));
  node_.core().cancel(std::exchange(c.again, 0));
  if (c.route != nullptr) route_of(c).end(reason);
  if (c.nested != nullptr) c.nested->retire(reason);
  if (c.place_in_path) node_.free_place(*std::exchange(c.place_in_path, {}), reason);
}

void supervisor::carry_out(const policy::stop_process& what) {
  const auto found = children_.find(what.who.child);
  if (found == children_.end()) return;
  child& c = found->second;
  touched_.push_back(what.who.child);
  if (c.route != nullptr) route_of(c).unbind();
  using mode = shutdown_limit::mode;
  if (c.nested != nullptr) {
    if (what.how.how == mode::brutal_kill) return c.nested->kill();
    if (what.how.how == mode::timed) c.nested->kill_after(grace_of(what.how));
    c.nested->stop();
  } else if (c.link != nullptr) {
    c.link->stop(grace_of(what.how));
    node_.release_stopping();
  } else if (c.again != 0) {
    after_refusal(c.life, false);
  }
}

engine::clock::duration supervisor::grace_of(const shutdown_limit& limit) {
  using mode = shutdown_limit::mode;
  const auto grace = limit.how == mode::brutal_kill ? 0ns
                     : limit.how == mode::infinity  ? std::chrono::nanoseconds{for_ever}
                                                    : limit.time;
  return std::chrono::duration_cast<engine::clock::duration>(grace);
}

void supervisor::kill_after(engine::clock::duration limit) {
  node_.core().after(limit, [of = weak_from_this(), life = life_] {
    const auto who = of.lock();
    if (who != nullptr && who->life_ == life && !who->finish_) who->kill();
  });
}

/// As if each child had `brutal_kill`. It is told first that it ends, so that it restarts none of
/// them.
void supervisor::kill() {
  const auto keep = shared_from_this();
  stop();
  std::vector<policy::child_key> all;
  for (const auto& [key, c] : children_) all.push_back(key);
  for (const policy::child_key key : all) {
    const auto found = children_.find(key);
    if (found == children_.end()) continue;
    if (const auto link = found->second.link) link->stop(engine::clock::duration{});
    if (const auto nested = found->second.nested) nested->kill();
  }
}

void supervisor::carry_out(const policy::answer& what) {
  touched_.push_back(what.child);  // down, maybe, without a process that would end
  const auto found = calls_.find(what.call);
  if (found == calls_.end()) return;
  const auto to = std::move(found->second);
  calls_.erase(found);
  to(what);
}

void supervisor::carry_out(const policy::report& what) {
  const auto found = children_.find(what.who.child);
  if (found == children_.end()) return;
  touched_.push_back(what.who.child);
  explain_late_start(found->second, what);
  using event = policy::report::event;
  using kind = lifecycle_event::kind;
  const kind as = what.what == event::ready          ? kind::ready
                  : what.what == event::exited       ? kind::exited
                  : what.what == event::stopped      ? kind::stopped
                  : what.what == event::start_failed ? kind::start_failed
                  : what.what == event::restarting   ? kind::restarting
                  : what.what == event::gave_up      ? kind::gave_up
                  : what.what == event::ignored      ? kind::stopped
                                                     : kind::not_restarted;
  tell_event(as, found->second, &what);
}

/// That it was stopped does not tell why.
void supervisor::explain_late_start(child& c, const policy::report& what) {
  const bool stopped =
      c.nested != nullptr
          ? c.nested->finish() && c.nested->finish()->reason == policy::end_reason::stopped
          : c.last_report != nullptr && c.last_report->cause == exit_cause::stopped;
  const bool killed = what.what == policy::report::event::start_failed && stopped;
  const auto timeout = c.spec->start_timeout_or_default();
  if (!killed || timeout == no_limit) return;
  const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(timeout);
  c.last_reason =
      "it was not ready within " + std::to_string(limit.count()) + " ms; " + c.last_reason;
}

void supervisor::carry_out(const policy::forget& what) {
  const auto found = children_.find(what.child);
  if (found == children_.end()) return;
  child c = std::move(found->second);
  children_.erase(found);
  forgotten_ = {what.child, c.last_reason};
  end_for_good(c, make_error(errc::stopped,
                             "the child " + path_of(c) + " has ended and is forgotten" +
                                 (c.last_reason.empty() ? "" : ": " + c.last_reason),
                             c.last_report));
}

void supervisor::carry_out(const policy::finish& what) {
  finish_ = what;
  if (!listener_.may_start_again) {
    retire();
  } else {
    for (auto& [key, c] : children_) {
      if (machine_->flags().strategy == restart_strategy::dynamic) {
        end_for_good(c, reason_for(c));  // it has no name by which it could go on
      } else if (c.route != nullptr) {
        route_of(c).open();  // what was refused may come to life, too
      }
    }
  }
  supervision_answer ended;
  ended.text = why_finished();
  const bool is_watched = !waiters_.empty() || node_.watches_lifecycle();
  for (const auto& [number, to] : std::exchange(waiters_, {})) to(ended);
  const bool by_itself = what.reason != policy::end_reason::stopped &&
                         what.reason != policy::end_reason::auto_shutdown &&
                         what.reason != policy::end_reason::start_failed;
  if (path_.empty() && by_itself && !is_watched)
    node_.core().pass_on_error_line(
        "troupe: a supervisor has ended, and all its children with it: " + ended.text + '\n');
  node_.supervisor_finished();
  const auto told = listener_.finished;  // it may be given another one meanwhile
  if (told) told(what);
}

/// Why a child ends when its supervisor has.
caf::error supervisor::reason_for(const child& c) const {
  return make_error(finish_->reason == policy::end_reason::stopped ? errc::stopped : errc::gave_up,
                    "the supervisor of " + path_of(c) + " has ended: " + why_finished(),
                    c.last_report);
}

std::string supervisor::path_of(std::string id, policy::child_key key) const {
  if (machine_->flags().strategy == restart_strategy::dynamic) id += '#' + std::to_string(key);
  return path_.empty() ? id : path_ + '/' + id;
}

std::string supervisor::why_finished() const {
  if (!finish_) return "it has not ended";
  const auto found = children_.find(finish_->child);
  const std::string who = found != children_.end() ? path_of(found->second) : "a child";
  const std::string how = found != children_.end() ? found->second.last_reason : "";
  switch (finish_->reason) {
    case policy::end_reason::stopped:
      return "it was told to stop";
    case policy::end_reason::auto_shutdown:
      return "its significant child " + who + " has ended";
    case policy::end_reason::escalated:
      return "a rule leaves what to do about " + who + " to those above: " + how;
    case policy::end_reason::start_failed:
      return who + " could not be started: " + how;
    case policy::end_reason::gave_up:
      break;
  }
  return "it gave up, for the last time because of " + who + ": " + how;
}

void supervisor::tell_event(lifecycle_event::kind what, const child& c,
                            const policy::report* more) {
  lifecycle_event event;
  event.what = what;
  event.path = path_of(c);
  event.life = c.life.number;
  if (c.link != nullptr) event.pid = known(c.link->pid());
  using kind = lifecycle_event::kind;
  if (what == kind::exited || what == kind::stopped || what == kind::start_failed ||
      what == kind::gave_up) {
    event.reason = c.last_reason;
    event.report = c.last_report;
    if (c.last_report != nullptr) event.pid = known(c.last_report->pid);
  }
  if (more != nullptr) event.delay = more->delay;
  node_.tell_lifecycle(std::move(event));
}

}  // namespace troupe::bridge
