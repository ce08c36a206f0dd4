// How a supervisor starts its children: roles, programs, and supervisors.
#include <caf/make_actor.hpp>

#include <utility>

#include "troupe/bridge/program_port.hpp"
#include "troupe/bridge/supervisor.hpp"
#include "troupe/bridge/supervisor_actor.hpp"
#include "troupe/engine/control_groups.hpp"
#include "troupe/engine/link.hpp"
#include "troupe/engine/worker.hpp"
#include "troupe/policy/refused_start.hpp"

namespace troupe::bridge {

using policy::ending;

namespace {

constexpr auto refused_start_pause = std::chrono::milliseconds{10};

}  // namespace

void supervisor::carry_out(const policy::start_process& what) {
  child& c = children_[what.who.child];
  c.life = what.who;
  c.spec = what.spec;
  c.start = what.start;
  c.restarts = what.why.count;
  c.refusals = 0;
  touched_.push_back(what.who.child);
  start(c);
}

void supervisor::start(child& c) {
  const auto what = std::exchange(c.start, nullptr);
  if (const auto* const role = dynamic_cast<const detail::role_start*>(what.get())) {
    start_role(c, *role);
  } else if (const auto* const nested = dynamic_cast<const detail::supervisor_start*>(what.get())) {
    start_nested(c, *nested);
  } else if (const auto* const program = dynamic_cast<const detail::program_start*>(what.get())) {
    start_program(c, *program);
  }
  if (c.again != 0) c.start = what;
}

void supervisor::start_role(child& c, const detail::role_start& what) {
  what.role.actor ? make_route(c) : end_route(c);
  engine::role role = what.role;
  role.name = path_of(c);
  start_process(c, std::move(role), what.arguments.source());
}

void supervisor::start_process(child& c, engine::role role, const payload_source& arguments) {
  role.limits = c.spec->limits;
  role.predecessor = predecessor_of(c);
  start_process(c, [&] {
    role.group = group_for(c);
    return node_.start_child(std::move(role), arguments, *this, place_of(c));
  });
}

/// Its lines keep their order over its lives, as long as they are for the same actor.
void supervisor::start_program(child& c, const detail::program_start& what) {
  what.spec.takes_lines ? make_route(c) : end_route(c);
  if (c.port == nullptr || c.port->receiver() != what.lines_to)
    c.port = std::make_shared<program_port>(node_, path_of(c), what.lines_to);
  engine::program_role role{
      path_of(c), what.spec, c.spec->limits, nullptr, what.lines_to != nullptr, c.port};
  start_process(c, [&] {
    role.group = group_for(c);
    return node_.start_program(std::move(role), *this, place_of(c));
  });
}

std::optional<supervisor::place> supervisor::place_of(const child& c) const {
  return c.place_in_path ? c.place_in_path : node_.place_for(path_of(c));
}

std::shared_ptr<os::group_leaf> supervisor::group_for(const child& c) {
  return c.spec->limits.need_control_group()
             ? node_.core().control_groups().make(c.spec->limits, path_of(c))
             : nullptr;
}

/// `change` made something of it that takes no messages by this handle, nor by those below it.
void supervisor::end_route(child& c) {
  if (c.route == nullptr) return;
  const caf::error why =
      make_error(errc::stopped,
                 path_of(c) + " is something else now: its spec was changed; get its handle anew");
  route_of(c).end(why);
  c.route = nullptr;
  if (c.place_in_path) node_.free_place(*std::exchange(c.place_in_path, {}), why);
}

void supervisor::start_process(child& c, const std::function<caf::strong_actor_ptr()>& start) {
  if (c.route != nullptr) route_of(c).open();
  if (const auto before = std::exchange(c.nested, nullptr)) before->retire();  // its spec changed
  try {
    c.actor = start();
    c.link = node::link_of(c.actor);
    c.place_in_path = c.link->place_in_path();
    node_.keep_place(*c.place_in_path);
    places_[c.link->where()] = c.life.child;
    tell_event(lifecycle_event::kind::started, c);
    if (c.link->pid() >= 0) on_started(c.link->where());
  } catch (const std::exception& e) {
    c.last_reason = e.what();
    c.last_report = nullptr;  // of the life before
    const bool may_pass = dynamic_cast<const engine::start_refused*>(&e) != nullptr;
    const auto pause = may_pass ? policy::pause_after_refusal(++c.refusals) : std::nullopt;
    // Later, too, if it has failed: what is lacking may come back only when this process does
    // something else.
    c.again = node_.core().after(pause.value_or(refused_start_pause),
                                 [of = weak_from_this(), who = c.life, pause] {
                                   if (const auto self = of.lock())
                                     self->after_refusal(who, pause.has_value());
                                 });
    return;
  }
  if (c.route != nullptr && c.link->serves().actor) route_of(c).bind(c.actor, false);
}

void supervisor::after_refusal(policy::incarnation who, bool again) {
  tell([this, who, again](auto now, auto& out) {
    const auto found = children_.find(who.child);
    if (found == children_.end() || found->second.life != who) return;
    child& c = found->second;
    node_.core().cancel(std::exchange(c.again, 0));
    if (again) return start(c);
    machine_->ended(who, {ending::kind::start_failed, 0, false}, now, out);
  });
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
  if (is_static(path_of(c))) node_.export_for_good(c.route, number_of(path_of(c)));
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
  end_route(c);
  c.last_report = nullptr;  // of a process that it was
  const auto who = c.life;
  const auto tell_end = [this, who](const policy::finish& f) {
    const auto found = children_.find(who.child);
    if (found == children_.end()) return;
    found->second.last_reason = found->second.nested->why_finished();
    const ending how{f.reason == policy::end_reason::start_failed ? ending::kind::start_failed
                                                                  : ending::kind::shutdown,
                     0, false};
    tell([this, who, how](auto now, auto& out) { machine_->ended(who, how, now, out); });
  };
  supervisor_listener to;
  to.ready = [this, who] {
    tell([this, who](auto now, auto& out) { machine_->ready(who, now, out); });
  };
  to.finished = tell_end;
  to.may_start_again = true;
  tell_event(lifecycle_event::kind::started, c);
  tell([this, who](auto now, auto&) { machine_->begun(who, now); });
  if (c.nested != nullptr) return c.nested->start_again(what.spec, std::move(to));
  c.nested = std::make_shared<supervisor>(node_, what.spec, path_of(c), std::move(to));
  if (engine::in_worker()) c.nested->actor();  // handles of an earlier process go on
  c.nested->start();
}

}  // namespace troupe::bridge
