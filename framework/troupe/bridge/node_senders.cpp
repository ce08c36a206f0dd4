// How two processes know the senders of each other's messages: by numbers, which each gives to
// those that it has introduced.
#include <algorithm>
#include <iterator>

#include "troupe/bridge/node.hpp"
#include "troupe/engine/link.hpp"
#include "troupe/engine/uplink.hpp"

namespace troupe::bridge {

namespace {

constexpr std::size_t max_introduced = 1024;
constexpr std::size_t max_formers = 16;  // of one number

}  // namespace

node::neighbour& node::neighbour_at(place where) {
  if (last_neighbour_.second == nullptr || last_neighbour_.first != where)
    last_neighbour_ = {where, &neighbours_[where]};
  return *last_neighbour_.second;
}

/// The number by which the process there knows this actor.
std::uint16_t node::introduce(engine::peer& at, const caf::strong_actor_ptr& actor, bool& is_new) {
  neighbour& to = neighbour_at(at.where());
  const caf::actor_id who = actor->id();
  if (to.newest == who) return to.newest_number;
  const auto found = to.introduced.find(who);
  if (found != to.introduced.end()) {
    to.newest = who;
    to.newest_number = found->second;
    return found->second;
  }
  to.newest = 0;  // it may be the one that is forgotten
  is_new = true;
  std::uint16_t number = 0;
  if (!to.unused.empty()) {
    number = to.unused.back();
    to.unused.pop_back();
  } else if (to.order.size() < max_introduced) {
    number = ++to.last;
  } else {
    const auto oldest = to.introduced.find(to.order.front());
    number = oldest->second;
    to.introduced.erase(oldest);
    to.order.pop_front();
    if (at.where() != engine::peer::parent) {
      const auto& there = static_cast<engine::link&>(at);
      while (!to.formers.empty() && to.formers.front().last_message < there.first_kept())
        to.formers.pop_front();
      to.formers.push_back({number, there.last_number(), to.by_number[number - 1]});
    }
  }
  to.introduced.emplace(who, number);
  to.order.push_back(who);
  to.by_number.resize(std::max<std::size_t>(to.by_number.size(), number));
  to.by_number[number - 1] = caf::actor_cast<caf::actor_addr>(actor);
  return number;
}

/// What introduced it was not sent.
void node::take_back(engine::peer& at, const caf::strong_actor_ptr& introduced,
                     std::uint16_t number) {
  neighbour& to = neighbour_at(at.where());
  to.newest = 0;
  to.introduced.erase(introduced->id());
  std::erase(to.order, introduced->id());
  to.unused.push_back(number);
}

caf::strong_actor_ptr node::sender_to(engine::peer& at, const wire::incoming& message) {
  if (message.sender == 0) return nullptr;
  const neighbour& to = neighbour_at(at.where());
  for (const auto& f : to.formers)
    if (f.number == message.sender && message.number <= f.last_message)
      return caf::actor_cast<caf::strong_actor_ptr>(f.actor);
  return message.sender <= to.by_number.size()
             ? caf::actor_cast<caf::strong_actor_ptr>(to.by_number[message.sender - 1])
             : nullptr;
}

void node::note_sender(engine::peer& from, const wire::incoming& message) {
  if (message.sender == 0 || !message.has_context()) return;
  if (!message.envelope->getContext().hasSender()) return;
  auto& senders = neighbour_at(from.where()).senders;
  if (senders.size() < message.sender) senders.resize(message.sender);
  const auto whom = message.envelope->getContext().getSender();
  auto& had_it = senders[message.sender - 1];
  auto at = std::lower_bound(had_it.begin(), had_it.end(), message.number,
                             [](const known_sender& s, auto number) { return s.since < number; });
  const address where = wire::address_of(whom);  // urgent messages introduce theirs each time
  if (at != had_it.begin() && std::prev(at)->where == where) return;
  if (at != had_it.end() && at->where == where) {
    at->since = message.number;
    return;
  }
  had_it.insert(at, {message.number, where, nullptr});
  if (had_it.size() > max_formers) had_it.erase(had_it.begin());
}

node::known_sender* node::known_sender_of(engine::peer& from, const wire::incoming& message) {
  auto& senders = neighbour_at(from.where()).senders;
  KJ_REQUIRE(message.sender <= senders.size() && !senders[message.sender - 1].empty(),
             "a sender that was never introduced");
  auto& had_it = senders[message.sender - 1];
  const auto who = std::find_if(had_it.rbegin(), had_it.rend(),
                                [&](const known_sender& s) { return s.since <= message.number; });
  if (who == had_it.rend()) return nullptr;
  if (who->actor == nullptr) who->actor = actor_at(who->where);
  return &*who;
}

caf::strong_actor_ptr node::sender_of(engine::peer& from, const wire::incoming& message) {
  const known_sender* const who = message.sender != 0 ? known_sender_of(from, message) : nullptr;
  return who != nullptr ? who->actor : nullptr;
}

}  // namespace troupe::bridge
