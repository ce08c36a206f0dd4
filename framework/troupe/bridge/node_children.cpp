// The processes below one: how they are started, and who hears of them.
#include <caf/make_actor.hpp>

#include "troupe/bridge/node.hpp"
#include "troupe/bridge/proxy.hpp"
#include "troupe/engine/link.hpp"
#include "troupe/engine/program_link.hpp"
#include "troupe/engine/reserve.hpp"

namespace troupe::bridge {

using namespace std::chrono_literals;

namespace {

/// The arguments that an actor, or a function, is made of. The answer is that it is there.
constexpr wire::header making{wire::Envelope::Kind::REQUEST, 0, 1};

}  // namespace

caf::strong_actor_ptr node::start(engine::role what, const payload_source& arguments) {
  const engine::core::guard mine{core_};
  auto handle = start_process(std::move(what), std::nullopt);
  const engine::link_ptr& link = link_of(handle);
  if (const auto why = link->post(making, arguments, nullptr, 0)) {
    link->stop(0s);
    throw failure{make_error(why->code, why->text, why->report)};
  }
  return handle;
}

caf::strong_actor_ptr node::start_child(engine::role what, const payload_source& arguments,
                                        child_owner& owner, std::optional<place> place_in_path) {
  auto handle = start_process(std::move(what), place_in_path);
  const engine::link_ptr& link = link_of(handle);
  children_[link->where()].owner = &owner;
  const bool says_so = link->serves().actor;
  link->observe(&child_watch_);
  asked request;
  request.is = asked::kind::start;
  request.from = link->where();
  const std::uint64_t tag = says_so ? remember(std::move(request)) : 0;
  if (const auto why = link->post(making, arguments, says_so ? this : nullptr, tag)) {
    if (says_so) release(tag);
    link->stop(0s);
    throw failure{make_error(why->code, why->text, why->report)};
  }
  if (link->pid() > 0) link->flush();  // it waits for that
  return handle;
}

void node::child_watch::on_started(engine::link& l) {
  if (child_owner* const owner = node_.owner_of(l.where())) owner->on_started(l.where());
}

/// A function that runs to its end is ready when its process is up; an actor says so itself.
void node::child_watch::on_ready(engine::link& l) {
  if (l.serves().actor) return;
  if (child_owner* const owner = node_.owner_of(l.where())) owner->on_ready(l.where());
}

void node::child_watch::on_death(engine::link& l) {
  if (child_owner* const owner = node_.owner_of(l.where())) owner->on_death(l.where());
}

/// Whoever needs another process in its place has asked for it by now.
void node::child_watch::on_ended(engine::link&) {
  node_.core_.reserve().settle();
}

void node::disown(child_owner& owner) noexcept {
  for (auto& [where, c] : children_)
    if (c.owner == &owner) c.owner = nullptr;
}

child_owner* node::owner_of(place which) {
  const auto found = children_.find(which);
  return found != children_.end() ? found->second.owner : nullptr;
}

caf::strong_actor_ptr node::start_process(engine::role what, std::optional<place> place_in_path) {
  return take_process(core_.start(std::move(what), place_in_path), place_in_path);
}

caf::strong_actor_ptr node::start_program(engine::program_role what, child_owner& owner,
                                          std::optional<place> place_in_path) {
  const engine::link_ptr link = core_.start_program(std::move(what), place_in_path);
  auto handle = take_process(link, place_in_path);
  children_[link->where()].owner = &owner;
  link->observe(&child_watch_);
  return handle;
}

caf::strong_actor_ptr node::take_process(const engine::link_ptr& link,
                                         std::optional<place> place_in_path) {
  address where{core_.options().path, 1, 0, link->incarnation()};
  where.path.push_back(link->place_in_path());
  if (place_in_path) {
    reused_places_[*place_in_path] = link;
    ends_.erase({where.path, 0});
  }
  caf::actor_config config;
  auto handle = caf::make_actor<proxy, caf::strong_actor_ptr>(
      system().next_actor_id(), system().node(), &system(), config, *this, where, link);
  {
    const std::lock_guard lock{imports_mutex_};
    imports_[where] = caf::weak_actor_ptr{handle.get()};
  }
  children_[link->where()] = {link, handle, std::nullopt, nullptr};
  return handle;
}

bool node::give_back(place which, caf::mailbox_element_ptr what) {
  child_owner* const owner = owner_of(which);
  if (owner != nullptr) owner->give_back(which, std::move(what));
  return owner != nullptr;
}

engine::link_ptr node::link_of(const caf::strong_actor_ptr& handle) {
  if (handle == nullptr) return nullptr;
  const auto* const who = dynamic_cast<proxy*>(handle->get());
  return who != nullptr ? who->child() : nullptr;
}

}  // namespace troupe::bridge
