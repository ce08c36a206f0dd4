// How actors and processes end as the others see it, and how an actor is found by its address.
#include <caf/exit_reason.hpp>
#include <caf/system_messages.hpp>

#include "troupe/bridge/content.hpp"
#include "troupe/bridge/node.hpp"
#include "troupe/bridge/proxy.hpp"
#include "troupe/engine/link.hpp"
#include "troupe/handle.hpp"
#include "troupe/message_types.hpp"

namespace troupe::bridge {

namespace {

/// Numbers of actors that nobody outside gave one.
constexpr std::uint64_t first_own_number = std::uint64_t{1} << 32;
constexpr std::size_t max_ends = 1024;
constexpr std::size_t max_recent = 256;

}  // namespace

// --- ends ---

void node::on_exit(engine::peer& from, const wire::incoming& message) {
  const auto found = children_.find(from.where());
  if (found != children_.end()) found->second.reason = error_of(message.payload);
}

void node::on_gone(engine::peer& from) {
  std::vector<std::uint32_t> path = core_.options().path;
  const auto& link = static_cast<engine::link&>(from);
  path.push_back(link.place_in_path());
  const auto& report = link.report();
  const errc code = report->cause == exit_cause::start_failed ? errc::start_failed
                    : report->cause == exit_cause::stopped    ? errc::stopped
                                                              : errc::worker_lost;
  const caf::error reason = make_error(code, report->sentence(), report);
  last_senders_ = {0, nullptr};
  const auto senders_go_last = senders_.extract(from.where());
  if (hot_.get() == &from) hot_ = nullptr;
  const auto found = children_.find(from.where());
  if (found != children_.end()) {
    const child last = std::move(found->second);
    children_.erase(found);
    const auto reused = reused_places_.find(link.place_in_path());
    if (reused != reused_places_.end() && reused->second.get() == &from)
      reused_places_.erase(reused);
    note_end({path, 1, 0, link.incarnation()}, last.reason.value_or(reason));
    static_cast<proxy*>(last.proxy->get())->kill_proxy(&unit_, last.reason.value_or(reason));
    note_end({path, 0}, reason);
    kill_below(path, reason);
    if (last.owner != nullptr)
      last.owner->on_gone(from.where(), last.reason.value_or(reason), report);
    return;
  }
  note_end({path, 0}, reason);
  kill_below(path, reason);
}

void node::on_room(engine::peer& of) {
  if (child_owner* const owner = owner_of(of.where())) owner->on_room(of.where());
}

void node::kill_below(const std::vector<std::uint32_t>& path, const caf::error& reason) {
  std::vector<caf::strong_actor_ptr> dead;
  {
    const std::lock_guard lock{imports_mutex_};
    for (const auto& [where, weak] : imports_)
      if ((where.path == path || is_below(path, where.path)) && !comes_back(where))
        if (auto who = weak.lock()) dead.push_back(std::move(who));
  }
  for (const auto& who : dead)
    static_cast<proxy*>(who->get())->kill_proxy(&unit_, caf::error{reason});
}

namespace {

/// For the actor that the process was started for, not for others there or behind it.
bool is_for_child(const wire::incoming& message) {
  return !message.has_receiver() && message.target == 1;
}

}  // namespace

void node::on_dead_letter(engine::peer& to, const wire::incoming& message,
                          const std::shared_ptr<const exit_report>& why) {
  const auto found = children_.find(to.where());
  try {
    if (found != children_.end() && found->second.owner != nullptr && is_for_child(message)) {
      found->second.owner->give_back(
          to.where(), element_of(message.payload, senders_at(to).sender_of_returned(message),
                                 tell_id(message.priority != 0), {}));
      return;
    }
    caf::message content = message_of(message.payload);
    if (!is_notice(content))
      lose({found != children_.end() ? found->second.proxy : nullptr, std::move(content), why});
  } catch (const std::exception&) {
    // the arguments that it was to be made with
  }
}

caf::message node::content_of(std::span<const std::byte> frame) {
  try {
    if (!frame.empty())
      if (const auto& message = again_.read(frame); is_for_child(message))
        return message_of(message.payload);
  } catch (const std::exception&) {
    // not a message for an actor
  }
  return {};
}

// --- addresses ---

address node::address_of(const caf::strong_actor_ptr& actor) {
  if (const auto* const elsewhere = dynamic_cast<proxy*>(actor->get())) return elsewhere->where();
  address where;
  where.path = core_.options().path;
  where.incarnation_low = core_.options().incarnation;
  const auto known = numbers_.find(actor->id());
  if (known != numbers_.end()) {
    where.number = known->second;
    if (is_for_good(where)) where.incarnation_low = 0;
    return where;
  }
  where.number = first_own_number + actor->id();
  numbers_.emplace(actor->id(), where.number);
  exports_.emplace(where.number, actor);
  actor->get()->attach_functor(
      [this, where, who = caf::weak_actor_ptr{actor.get()}](const caf::error& reason) {
        post([this, where, who, reason] {
          note_end(where, reason, who);
          const auto last = exports_.extract(where.number);  // goes when the table is whole again
        });
      });
  return where;
}

void node::export_for_good(const caf::strong_actor_ptr& actor, std::uint64_t number) {
  const address where{core_.options().path, number, 0, 0};
  if (!exports_.emplace(number, actor).second) return;  // two names with one number: not for good
  numbers_[actor->id()] = number;
  ends_.erase(where);
  actor->get()->attach_functor([this, where, id = actor->id()](const caf::error& reason) {
    locally([this, where, id, reason] {
      const auto found = exports_.find(where.number);
      if (found == exports_.end() || found->second->id() != id) return;
      note_end(where, reason);
      numbers_.erase(id);
      post([last = std::move(found->second)] {});  // it is in the middle of its end
      exports_.erase(found);
    });
  });
}

std::optional<node::place> node::place_for(const std::string& path) const {
  constexpr std::uint32_t above_links = std::uint32_t{1} << 31U;  // which count
  const auto found = static_cast<std::uint32_t>(std::hash<std::string>{}(path)) | above_links;
  if (!is_static(path) || kept_places_.count(found) != 0) return std::nullopt;
  return found;
}

void node::free_place(place place_in_path, const caf::error& reason) {
  if (kept_places_.erase(place_in_path) == 0) return;
  std::vector<std::uint32_t> path = core_.options().path;
  path.push_back(place_in_path);
  note_end({path, 0}, reason);
  kill_below(path, reason);
}

void node::place_is_down(place place_in_path, const caf::error& why) {
  if (const auto found = kept_places_.find(place_in_path); found != kept_places_.end())
    found->second = why;
}

bool node::is_kept(const std::vector<std::uint32_t>& path) const {
  const auto& here = core_.options().path;
  return !is_below(here, path) || kept_places_.count(path[here.size()]) != 0;
}

bool node::comes_back(const address& who) const {
  return is_for_good(who) && is_kept(who.path);
}

bool node::may_come_back(const address& who) const {
  return comes_back(who) || (is_for_good(who) && supervisors_start());
}

bool node::is_me(const address& where) const noexcept {
  return where.path == core_.options().path &&
         (is_for_good(where) || where.incarnation_low == core_.options().incarnation);
}

std::optional<address> node::last_address_of(const caf::actor_addr& actor) const {
  const auto known = numbers_.find(actor.id());
  if (known == numbers_.end()) return std::nullopt;
  address where{core_.options().path, known->second, 0, core_.options().incarnation};
  if (is_for_good(where)) where.incarnation_low = 0;
  return where;
}

void node::keep(caf::strong_actor_ptr actor) {
  recent_.push_back(std::move(actor));
  if (recent_.size() > max_recent) recent_.pop_front();
}

void node::note_end(const address& of, const caf::error& reason, caf::weak_actor_ptr who) {
  if (!ends_.emplace(of, end_note{reason, std::move(who)}).second) return;
  ends_order_.push_back(of);
  if (ends_order_.size() <= max_ends) return;
  const address oldest = std::move(ends_order_.front());
  ends_order_.pop_front();
  ends_.erase(oldest);
  if (oldest.number >= first_own_number) numbers_.erase(oldest.number - first_own_number);
}

/// Of an actor below a process that ended, that process's end.
caf::error node::end_of(const address& who) const {
  if (const auto found = ends_.find(who); found != ends_.end()) return found->second.reason;
  const auto& here = core_.options().path;
  if (is_below(here, who.path)) {
    address process{
        {who.path.begin(), who.path.begin() + static_cast<std::ptrdiff_t>(here.size()) + 1}, 0};
    if (const auto found = ends_.find(process); found != ends_.end()) return found->second.reason;
  }
  return caf::exit_reason::remote_link_unreachable;
}

caf::strong_actor_ptr node::actor_at(const address& where) {
  if (is_me(where)) {
    const auto found = exports_.find(where.number);
    if (found != exports_.end()) return found->second;
  }
  caf::strong_actor_ptr before;  // goes after the lock: its end takes it
  const std::unique_lock lock{imports_mutex_};
  auto& known = imports_[where];
  before = known.lock();
  // The next one of that name is another actor than the one that has ended for good.
  const bool is_past =
      before != nullptr && is_for_good(where) && static_cast<proxy*>(before->get())->ended();
  if (before != nullptr && !is_past) return before;
  caf::actor_config config;
  auto made = caf::make_actor<proxy, caf::strong_actor_ptr>(
      system().next_actor_id(), system().node(), &system(), config, *this, where, nullptr);
  known = caf::weak_actor_ptr{made.get()};
  if (where.path == core_.options().path)  // one that has ended
    static_cast<proxy*>(made->get())->kill_proxy(&unit_, end_of(where));
  return made;
}

caf::actor_addr node::weak_actor_at(const address& where) {
  if (is_me(where))
    if (const auto ended = ends_.find(where); ended != ends_.end() && ended->second.who)
      return caf::actor_cast<caf::actor_addr>(ended->second.who);
  const caf::strong_actor_ptr actor = actor_at(where);
  keep(actor);
  return caf::actor_cast<caf::actor_addr>(actor);
}

void node::forget(const address& where, caf::actor_control_block* who) {
  const std::lock_guard lock{imports_mutex_};
  const auto found = imports_.find(where);
  if (found != imports_.end() && found->second.get() == who) imports_.erase(found);
}

}  // namespace troupe::bridge

namespace troupe {

address detail::address_of(const caf::strong_actor_ptr& actor) {
  auto& node = bridge::node::here();
  const engine::core::guard mine{node.core()};
  return node.address_of(actor);
}

std::optional<address> detail::last_address_of(const caf::actor_addr& actor) {
  if (const auto alive = caf::actor_cast<caf::strong_actor_ptr>(actor)) return address_of(alive);
  auto& node = bridge::node::here();
  const engine::core::guard mine{node.core()};
  return node.last_address_of(actor);
}

caf::actor_addr detail::weak_actor_at(const address& where) {
  auto& node = bridge::node::here();
  const engine::core::guard mine{node.core()};
  return node.weak_actor_at(where);
}

caf::strong_actor_ptr detail::actor_at(const address& where) {
  auto& node = bridge::node::here();
  const engine::core::guard mine{node.core()};
  return node.actor_at(where);
}

void detail::set_handle(schema::Address::Builder to, const caf::strong_actor_ptr& actor) {
  if (actor != nullptr) wire::set_address(to, address_of(actor));
}

caf::strong_actor_ptr detail::get_handle(schema::Address::Reader from) {
  const address where = wire::address_of(from);
  return where.number != 0 ? actor_at(where) : nullptr;
}

}  // namespace troupe
