// What a supervisor learns of its children's processes: that they are ready, hang, or have ended.
#include <caf/exit_reason.hpp>

#include <csignal>
#include <utility>

#include "troupe/bridge/supervisor.hpp"
#include "troupe/engine/link.hpp"
#include "troupe/engine/reserve.hpp"
#include "troupe/error.hpp"

namespace troupe::bridge {

using namespace std::chrono_literals;
using policy::ending;

namespace {

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

supervisor::child* supervisor::child_at(place which) {
  const auto key = places_.find(which);
  if (key == places_.end()) return nullptr;
  const auto found = children_.find(key->second);
  return found != children_.end() ? &found->second : nullptr;
}

void supervisor::on_started(place which) {
  const child* const c = child_at(which);
  if (c == nullptr || c->link == nullptr || c->link->where() != which) return;
  tell([this, who = c->life](auto now, auto&) { machine_->begun(who, now); });
}

void supervisor::on_ready(place which) {
  child* const c = child_at(which);
  if (c == nullptr || c->link == nullptr || c->link->where() != which) return;
  if (c->route != nullptr) route_of(*c).bind(c->actor, true);
  c->watched = 0;  // a number of the life before
  if (c->spec->watchdog) watch_for_hang(c->life.child);
  tell([this, who = c->life](auto now, auto& out) { machine_->ready(who, now, out); });
}

void supervisor::on_not_started(place which, const caf::error& why) {
  child* const c = child_at(which);
  if (c == nullptr) return;
  c->last_reason = describe(why);
  c->said_why = true;
  c->ignores = why == errc::stopped && c->link != nullptr && !c->link->is_stopping();
}

/// A replacement is asked for before the dead one's pipes are read: the system makes it meanwhile.
void supervisor::on_death(place which) {
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
    if (ignores) return machine_->ignored(who, now, out);
    machine_->ended(who, how, now, out);
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

}  // namespace troupe::bridge
