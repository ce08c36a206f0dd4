// What a supervisor's decisions do to processes.
#include "troupe/bridge/supervisor.hpp"

#include <caf/exit_reason.hpp>
#include <caf/make_actor.hpp>
#include <caf/send.hpp>

#include <csignal>
#include <utility>

#include "troupe/bridge/program_port.hpp"
#include "troupe/bridge/proxy.hpp"
#include "troupe/bridge/supervision_messages.hpp"
#include "troupe/bridge/supervisor_actor.hpp"
#include "troupe/engine/control_groups.hpp"
#include "troupe/engine/link.hpp"
#include "troupe/engine/reserve.hpp"
#include "troupe/error.hpp"
#include "troupe/os/random.hpp"

namespace troupe::bridge {

using namespace std::chrono_literals;
using policy::ending;

namespace {

constexpr auto for_ever = std::chrono::hours{24 * 365};
constexpr int looks_per_watchdog = 4;
constexpr auto abort_grace = 1s;  ///< a core takes its time

ending of_report(const exit_report& report) {
  ending how;
  how.out_of_memory = report.maybe_out_of_memory;
  switch (report.cause) {
    case exit_cause::start_failed:
      how.how = ending::kind::start_failed;
      break;
    case exit_cause::bad_message:
    case exit_cause::closed_channel:
      how.how = ending::kind::faulty;
      break;
    case exit_cause::stopped:
      how.how = ending::kind::shutdown;
      break;
    default:
      how.how = report.signal ? ending::kind::signaled : ending::kind::exited;
      how.value = report.signal ? *report.signal : report.exit_code.value_or(1);
  }
  return how;
}

/// A supervisor in a process of its own ends so, whatever its reason.
bool is_shutdown(const caf::error& reason) {
  return (reason == make_error(errc::stopped) || reason == make_error(errc::gave_up)) &&
         report_of(reason) == nullptr;
}

/// Of an actor that ended by itself.
ending of_reason(const caf::error& reason) {
  ending how;
  const bool asked = reason == caf::exit_reason::user_shutdown ||
                     reason == caf::exit_reason::kill || is_shutdown(reason);
  how.how = asked ? ending::kind::shutdown : ending::kind::exited;
  how.value = !reason || asked ? 0 : 1;
  return how;
}

std::string describe_end(const caf::error& reason) {
  return !reason ? "normally" : describe(reason);
}

}  // namespace

supervisor::supervisor(node& in, supervisor_spec spec, std::string path, supervisor_listener to)
    : node_(in),
      path_(std::move(path)),
      listener_(std::move(to)),
      machine_(std::move(spec), os::random_number().low) {}

supervisor::~supervisor() {
  abandon();
}

void supervisor::start() {
  keep_spares();  // its children are to know that they are replaced at once
  tell([this](auto now, auto& out) { machine_.start(now, out); });
}

void supervisor::stop() {
  tell([this](auto now, auto& out) { machine_.stop(now, out); });
}

void supervisor::abandon() {
  if (std::exchange(abandoned_, true)) return;
  keep_spares();
  node_.disown(*this);
  node_.core().cancel(timer_);
  const caf::error reason = make_error(errc::stopped, "its supervisor has ended");
  for (auto& [key, c] : children_) {
    if (c.nested != nullptr) c.nested->abandon();
    end_for_good(c, reason);
  }
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
  if (!was_ready_ && machine_.is_running()) {
    was_ready_ = true;
    if (listener_.ready) listener_.ready();
  }
}

void supervisor::keep_spares() {
  const int wanted = finish_ || is_ending() || abandoned_ ? 0 : machine_.flags().spares;
  if (const int more = wanted - std::exchange(spares_, wanted); more != 0)
    node_.core().reserve().keep(more);
}

void supervisor::arm_timer() {
  node_.core().cancel(timer_);
  timer_ = 0;
  if (const auto next = machine_.next_time())
    timer_ = node_.core().at(*next, [this] {
      timer_ = 0;
      tell([this](auto now, auto& out) { machine_.timer(now, out); });
    });
}

/// Who waits for a child that nothing will start is told so.
void supervisor::settle_routes() {
  for (const policy::child_key key : std::exchange(touched_, {})) {
    const auto found = children_.find(key);
    const auto info = machine_.which_child(key);
    if (found == children_.end() || found->second.route == nullptr || !info) continue;
    if (info->state != policy::child_state::down) continue;
    const child& c = found->second;
    route_of(c).refuse_all(
        make_error(errc::stopped,
                   "this message was not sent: the child " + path_of(c) +
                       " is down and will not be started by itself" +
                       (c.last_reason.empty() ? "" : "; it ended: " + c.last_reason),
                   c.last_report));
  }
}

// --- what it wants ---

void supervisor::carry_out(const policy::start_process& what) {
  child& c = children_[what.who.child];
  c.life = what.who;
  c.spec = what.spec;
  c.restarts = what.why.count;
  touched_.push_back(what.who.child);
  if (const auto* const role = dynamic_cast<const detail::role_start*>(what.start.get())) {
    start_role(c, *role);
  } else if (const auto* const nested =
                 dynamic_cast<const detail::supervisor_start*>(what.start.get())) {
    start_nested(c, *nested);
  } else if (const auto* const program =
                 dynamic_cast<const detail::program_start*>(what.start.get())) {
    start_program(c, *program);
  }
}

void supervisor::start_role(child& c, const detail::role_start& what) {
  if (what.role.actor) make_route(c);
  engine::role role = what.role;
  role.name = path_of(c);
  start_process(c, std::move(role), what.arguments.source());
}

void supervisor::start_process(child& c, engine::role role, const payload_source& arguments) {
  role.limits = c.spec->limits;
  role.predecessor = predecessor_of(c);
  start_process(c, [&] {
    role.group = group_for(c);
    return node_.start_child(std::move(role), arguments, *this, c.place_in_path);
  });
}

/// Its lines keep their order over its lives, as long as they are for the same actor.
void supervisor::start_program(child& c, const detail::program_start& what) {
  if (what.spec.takes_lines) make_route(c);
  if (c.port == nullptr || c.port->receiver() != what.lines_to)
    c.port = std::make_shared<program_port>(node_, path_of(c), what.lines_to);
  engine::program_role role{
      path_of(c), what.spec, c.spec->limits, nullptr, what.lines_to != nullptr, c.port};
  start_process(c, [&] {
    role.group = group_for(c);
    return node_.start_program(std::move(role), *this, c.place_in_path);
  });
}

std::shared_ptr<os::group_leaf> supervisor::group_for(const child& c) {
  return c.spec->limits.need_control_group()
             ? node_.core().control_groups().make(c.spec->limits, path_of(c))
             : nullptr;
}

void supervisor::start_process(child& c, const std::function<caf::strong_actor_ptr()>& start) {
  if (c.route != nullptr) route_of(c).open();
  try {
    c.actor = start();
    c.link = node::link_of(c.actor);
    c.place_in_path = c.link->place_in_path();
    node_.keep_place(*c.place_in_path);
    places_[c.link->where()] = c.life.child;
    tell_event(lifecycle_event::kind::started, c);
  } catch (const std::exception& e) {
    c.last_reason = e.what();
    tell([this, who = c.life](auto now, auto& out) {
      machine_.ended(who, {ending::kind::start_failed, 0, false}, now, out);
    });
    return;
  }
  if (c.route != nullptr && c.link->serves().actor) route_of(c).bind(c.actor, false);
}

std::vector<std::byte> supervisor::predecessor_of(const child& c) const {
  if (c.restarts == 0) return {};
  restart_info info{c.restarts, c.last_reason, c.last_report, c.in_progress};
  codec::measure size;
  codec::apply(size, info);
  std::vector<std::byte> bytes(size.bytes);
  codec::writer to{bytes.data()};
  codec::apply(to, info);
  return bytes;
}

void supervisor::make_route(child& c) {
  if (c.route != nullptr) return;
  caf::actor_config config;
  c.route = caf::make_actor<route, caf::strong_actor_ptr>(
      node_.system().next_actor_id(), node_.system().node(), &node_.system(), config, node_);
  if (machine_.flags().strategy != restart_strategy::dynamic)
    node_.export_for_good(c.route, number_for_good | std::hash<std::string>{}(path_of(c)));
}

/// The end of a child for good.
void supervisor::end_for_good(child& c, const caf::error& reason) {
  node_.core().cancel(c.watchdog);
  c.watchdog = 0;
  if (c.route != nullptr) route_of(c).end(reason);
  if (c.place_in_path) node_.free_place(*std::exchange(c.place_in_path, {}), reason);
}

void supervisor::start_nested(child& c, const detail::supervisor_start& what) {
  if (what.own_process) {
    make_route(c);
    engine::role role = supervisor_role();
    role.name = path_of(c);
    const supervisor_arguments arguments{what.spec, path_of(c),
                                         caf::actor_cast<lifecycle_sink>(node_.events())};
    start_process(c, std::move(role), callable::encoded(arguments));
    return;
  }
  const auto who = c.life;
  const auto tell_end = [this, who](const policy::finish& f) {
    const auto found = children_.find(who.child);
    if (found == children_.end()) return;
    found->second.last_reason = found->second.nested->why_finished();
    const ending how{f.reason == policy::end_reason::start_failed ? ending::kind::start_failed
                                                                  : ending::kind::shutdown,
                     0, false};
    tell([this, who, how](auto now, auto& out) { machine_.ended(who, how, now, out); });
  };
  supervisor_listener to;
  to.ready = [this, who] {
    tell([this, who](auto now, auto& out) { machine_.ready(who, now, out); });
  };
  to.finished = tell_end;
  c.nested = std::make_shared<supervisor>(node_, what.spec, path_of(c), std::move(to));
  tell_event(lifecycle_event::kind::started, c);
  c.nested->start();
}

void supervisor::carry_out(const policy::stop_process& what) {
  const auto found = children_.find(what.who.child);
  if (found == children_.end()) return;
  child& c = found->second;
  touched_.push_back(what.who.child);
  if (c.route != nullptr) route_of(c).unbind();
  using mode = shutdown_limit::mode;
  if (c.nested != nullptr) {
    if (what.how.how == mode::brutal_kill) {
      c.nested->kill();
    } else {
      c.nested->stop();
    }
  } else if (c.link != nullptr) {
    c.link->stop(grace_of(what.how));
  }
}

engine::clock::duration supervisor::grace_of(const shutdown_limit& limit) {
  using mode = shutdown_limit::mode;
  const auto grace = limit.how == mode::brutal_kill ? 0ns
                     : limit.how == mode::infinity  ? std::chrono::nanoseconds{for_ever}
                                                    : limit.time;
  return std::chrono::duration_cast<engine::clock::duration>(grace);
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
  const bool killed = what.what == policy::report::event::start_failed &&
                      c.last_report != nullptr && c.last_report->cause == exit_cause::stopped;
  if (!killed || !c.spec->start_timeout) return;
  const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(*c.spec->start_timeout);
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
  const bool orderly = what.reason == policy::end_reason::stopped;
  for (auto& [key, c] : children_)
    end_for_good(c, make_error(orderly ? errc::stopped : errc::gave_up,
                               "the supervisor of " + path_of(c) + " has ended: " + why_finished(),
                               c.last_report));
  supervision_answer ended;
  ended.text = why_finished();
  for (const auto& [number, to] : std::exchange(waiters_, {})) to(ended);
  if (actor_ != nullptr) caf::anon_send_exit(actor_, caf::exit_reason::user_shutdown);
  actor_ = nullptr;
  if (listener_.finished) listener_.finished(what);
}

// --- what becomes of it ---

supervisor::child* supervisor::child_at(place which) {
  const auto key = places_.find(which);
  if (key == places_.end()) return nullptr;
  const auto found = children_.find(key->second);
  return found != children_.end() ? &found->second : nullptr;
}

void supervisor::on_ready(place which) {
  child* const c = child_at(which);
  if (c == nullptr || c->link == nullptr || c->link->where() != which) return;
  if (c->route != nullptr) route_of(*c).bind(c->actor, true);
  if (c->spec->watchdog) watch_for_hang(c->life.child);
  tell([this, who = c->life](auto now, auto& out) { machine_.ready(who, now, out); });
}

void supervisor::on_not_started(place which, const caf::error& why) {
  child* const c = child_at(which);
  if (c == nullptr) return;
  c->last_reason = describe(why);
  c->said_why = true;
  c->ignores = why == errc::stopped && c->link != nullptr && !c->link->is_stopping();
}

/// A replacement is asked for before the dead one's pipes are read: the system makes it meanwhile.
void supervisor::on_dying(place which) {
  const child* const c = child_at(which);
  if (c == nullptr || c->link == nullptr || c->link->is_stopping()) return;
  if (c->link->as_program() != nullptr || c->spec->limits.need_control_group()) return;
  if (c->spec->restart == restart_type::temporary ||
      (c->spec->restart == restart_type::transient && !c->link->has_failed()))
    return;
  node_.core().reserve().expect();
}

void supervisor::on_gone(place which, const caf::error& reason,
                         const std::shared_ptr<const exit_report>& report) {
  child* const c = child_at(which);
  places_.erase(which);
  if (c == nullptr || c->link == nullptr || c->link->where() != which) return;
  if (c->route != nullptr) route_of(*c).lost();
  c->in_progress = node_.content_of(c->link->blamed());
  c->link = nullptr;
  c->actor = nullptr;
  node_.core().cancel(c->watchdog);
  c->watchdog = 0;
  c->last_report = report;
  // Its actor's reason may be another process's end.
  const bool by_itself = report_of(reason) != report;
  ending how = by_itself ? of_reason(reason) : of_report(*report);
  const bool hung = std::exchange(c->hung, false);
  if (hung) how.how = ending::kind::watchdog;
  if (!std::exchange(c->said_why, false))
    c->last_reason = by_itself ? "its actor ended: " + describe_end(reason) : report->sentence();
  if (hung)
    c->last_reason =
        "it was at one message for more than " +
        std::to_string(std::chrono::ceil<std::chrono::milliseconds>(*c->spec->watchdog).count()) +
        " ms: " + c->last_reason;
  const bool ignores = std::exchange(c->ignores, false);
  tell([this, who = c->life, how, ignores](auto now, auto& out) {
    if (ignores) return machine_.ignored(who, now, out);
    machine_.ended(who, how, now, out);
  });
}

void supervisor::give_back(place which, caf::mailbox_element_ptr what) {
  child* const c = child_at(which);
  if (c != nullptr && c->route != nullptr) route_of(*c).give_back(std::move(what));
}

void supervisor::on_room(place which) {
  child* const c = child_at(which);
  if (c != nullptr && c->route != nullptr) route_of(*c).drain();
}

/// One message for too long: looked at a few times in that time, on the page that both share.
void supervisor::watch_for_hang(policy::child_key key) {
  const auto found = children_.find(key);
  if (found == children_.end() || found->second.link == nullptr) return;
  child& c = found->second;
  const auto limit = *c.spec->watchdog;
  const auto running = c.link->in_progress();
  const auto now = engine::clock::now();
  if (!running || *running != c.watched || c.watched == 0) {
    c.watched = running.value_or(0);
    c.watched_since = now;
  } else if (now - c.watched_since >= limit) {
    c.hung = true;
    c.link->signal(SIGABRT);  // a core, where they are wanted
    c.link->stop(abort_grace);
    return;
  }
  c.watchdog = node_.core().after(
      std::chrono::duration_cast<engine::clock::duration>(limit / looks_per_watchdog),
      [this, key] { watch_for_hang(key); });
}

std::string supervisor::path_of(std::string id, policy::child_key key) const {
  if (machine_.flags().strategy == restart_strategy::dynamic) id += '#' + std::to_string(key);
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
  if (c.link != nullptr) event.pid = c.link->pid();
  using kind = lifecycle_event::kind;
  if (what == kind::exited || what == kind::stopped || what == kind::start_failed ||
      what == kind::gave_up) {
    event.reason = c.last_reason;
    event.report = c.last_report;
    if (c.last_report != nullptr) event.pid = c.last_report->pid;
  }
  if (more != nullptr) event.delay = more->delay;
  node_.tell_lifecycle(std::move(event));
}

}  // namespace troupe::bridge
