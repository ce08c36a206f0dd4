#include "troupe/bridge/registry.hpp"

#include <caf/event_based_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <algorithm>
#include <map>
#include <set>

#include "troupe/error.hpp"
#include "troupe/runtime.hpp"

namespace troupe {
namespace bridge {

namespace {

struct registry_state {
  std::map<std::string, caf::strong_actor_ptr> names;
  std::map<std::string, std::vector<caf::strong_actor_ptr>> groups;
  std::map<std::string, std::vector<caf::strong_actor_ptr>> watchers;
  std::set<caf::actor_addr> monitored;
};
using registry_self = registry::stateful_pointer<registry_state>;

void tell_watchers(registry_state& state, const std::string& name) {
  const auto found = state.watchers.find(name);
  if (found == state.watchers.end()) return;
  const auto who = state.names.find(name);
  const name_event event{name, who != state.names.end() ? who->second : nullptr};
  for (const auto& watcher : found->second)
    caf::anon_send(caf::actor_cast<caf::actor>(watcher), event);
}

void drop(std::vector<caf::strong_actor_ptr>& from, const caf::actor_addr& who) {
  std::erase_if(from, [&](const auto& a) { return a == who; });
}

void drop_everywhere(std::map<std::string, std::vector<caf::strong_actor_ptr>>& from,
                     const caf::actor_addr& who) {
  for (auto& [name, actors] : from) drop(actors, who);
  std::erase_if(from, [](const auto& entry) { return entry.second.empty(); });
}

void forget(registry_state& state, const caf::actor_addr& who) {
  state.monitored.erase(who);
  drop_everywhere(state.groups, who);
  drop_everywhere(state.watchers, who);
  for (auto entry = state.names.begin(); entry != state.names.end();) {
    if (entry->second != who) {
      ++entry;
      continue;
    }
    const std::string name = entry->first;
    entry = state.names.erase(entry);
    tell_watchers(state, name);
  }
}

/// The actors of a child's process in two of its lives.
bool are_lives_of_one(const caf::strong_actor_ptr& a, const caf::strong_actor_ptr& b) {
  const address one = detail::address_of(a);
  const address other = detail::address_of(b);
  return one.path == other.path && one.number == other.number;
}

/// However often it comes: each monitor costs memory until the actor ends.
void monitor_once(registry_self self, const caf::strong_actor_ptr& actor) {
  if (self->state.monitored.insert(caf::actor_cast<caf::actor_addr>(actor)).second)
    self->monitor(actor);
}

void add_once(std::vector<caf::strong_actor_ptr>& to, const caf::strong_actor_ptr& who) {
  if (std::find(to.begin(), to.end(), who) == to.end()) to.push_back(who);
}

name_answer serve(registry_self self, const name_request& request) {
  auto& state = self->state;
  name_answer answer;
  const auto& [what, name, actor] = request;
  using op = name_request::op;
  const bool needs_actor = what == op::add || what == op::watch || what == op::join;
  if (needs_actor && actor == nullptr)
    return {false, "there is no actor behind this handle", {}, {}};
  switch (what) {
    case op::add: {
      auto& place = state.names[name];
      if (place == actor) break;
      if (place != nullptr && !are_lives_of_one(place, actor))
        return {false, "the name " + name + " belongs to another actor: remove it first", {}, {}};
      place = actor;
      monitor_once(self, actor);
      tell_watchers(state, name);
      break;
    }
    case op::remove:
      answer.done = state.names.erase(name) != 0;
      if (answer.done) tell_watchers(state, name);
      break;
    case op::find:
      if (const auto found = state.names.find(name); found != state.names.end())
        answer.actors.push_back(found->second);
      break;
    case op::all:
      for (const auto& [known, who] : state.names) answer.names.push_back(known);
      break;
    case op::watch: {
      add_once(state.watchers[name], actor);
      monitor_once(self, actor);
      const auto who = state.names.find(name);
      caf::anon_send(caf::actor_cast<caf::actor>(actor),
                     name_event{name, who != state.names.end() ? who->second : nullptr});
      break;
    }
    case op::join:
      add_once(state.groups[name], actor);
      monitor_once(self, actor);
      break;
    case op::leave:
      if (const auto found = state.groups.find(name); found != state.groups.end() && actor) {
        drop(found->second, caf::actor_cast<caf::actor_addr>(actor));
        if (found->second.empty()) state.groups.erase(found);
      }
      break;
    case op::members:
      if (const auto found = state.groups.find(name); found != state.groups.end())
        answer.actors = found->second;
      break;
  }
  return answer;
}

registry::behavior_type keep_names(registry_self self) {
  self->set_down_handler([self](const caf::down_msg& down) { forget(self->state, down.source); });
  return {[self](const name_request& request) { return serve(self, request); }};
}

}  // namespace

registry registry_of(node& in) {
  const engine::core::guard mine{in.core()};
  detail::handle_types<registry>::know_all();
  detail::know<name_event>();
  const address where{{}, registry_number, 0, 0};
  // Hidden: it lives as long as the process, whose end waits for the actors that are not.
  if (in.core().options().path.empty() && !in.has_export(registry_number))
    in.export_for_good(
        caf::actor_cast<caf::strong_actor_ptr>(in.system().spawn<caf::hidden>(keep_names)),
        registry_number);
  return caf::actor_cast<registry>(in.actor_at(where));
}

}  // namespace bridge

namespace {

bridge::name_answer ask(bridge::name_request::op what, std::string_view name,
                        caf::strong_actor_ptr actor = nullptr) {
  auto& here = bridge::node::here();
  bridge::name_answer answer;
  here.with_waiting_actor([&](caf::blocking_actor& self) {
    self.request(bridge::registry_of(here), caf::infinite,
                 bridge::name_request{what, std::string{name}, std::move(actor)})
        .receive([&](bridge::name_answer& a) { answer = std::move(a); },
                 [](caf::error& e) { throw failure{std::move(e)}; });
  });
  return answer;
}

void require(const bridge::name_answer& answer) {
  if (!answer.done) throw failure{make_error(errc::refused, answer.text)};
}

using op = bridge::name_request::op;

}  // namespace

void names::put(std::string_view name, caf::strong_actor_ptr actor) {
  require(ask(op::add, name, std::move(actor)));
}

bool names::remove(std::string_view name) {
  return ask(op::remove, name).done;
}

caf::strong_actor_ptr names::who_has(std::string_view name) {
  const auto answer = ask(op::find, name);
  return answer.actors.empty() ? nullptr : answer.actors.front();
}

std::vector<std::string> names::all() {
  return ask(op::all, {}).names;
}

void names::add_watcher(std::string_view name, caf::strong_actor_ptr watcher) {
  require(ask(op::watch, name, std::move(watcher)));
}

void names::put_member(std::string_view group, caf::strong_actor_ptr actor) {
  require(ask(op::join, group, std::move(actor)));
}

void names::drop_member(std::string_view group, caf::strong_actor_ptr actor) {
  ask(op::leave, group, std::move(actor));
}

std::vector<caf::strong_actor_ptr> names::members(std::string_view group) {
  return ask(op::members, group).actors;
}

}  // namespace troupe
