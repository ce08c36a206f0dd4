#include "troupe/bridge/sender_book.hpp"

#include <kj/debug.h>
#include <caf/actor_cast.hpp>

#include <algorithm>
#include <iterator>

#include "troupe/engine/link.hpp"

namespace troupe::bridge {

namespace {

constexpr std::size_t max_introduced = 1024;
constexpr std::size_t max_formers = 16;  // of one number

}  // namespace

sender_book::introduction sender_book::introduce(const engine::peer& to,
                                                 const caf::strong_actor_ptr& actor) {
  const caf::actor_id who = actor->id();
  if (newest_ == who) return {newest_number_, false};
  const auto found = introduced_.find(who);
  if (found != introduced_.end()) {
    newest_ = who;
    newest_number_ = found->second;
    return {found->second, false};
  }
  newest_ = 0;  // it may be the one that is forgotten
  const std::uint16_t number = number_for(to);
  introduced_.emplace(who, number);
  order_.push_back(who);
  by_number_.resize(std::max<std::size_t>(by_number_.size(), number));
  by_number_[number - 1] = caf::actor_cast<caf::actor_addr>(actor);
  return {number, true};
}

std::uint16_t sender_book::number_for(const engine::peer& to) {
  if (!unused_.empty()) {
    const std::uint16_t number = unused_.back();
    unused_.pop_back();
    return number;
  }
  if (order_.size() < max_introduced) return ++last_;
  const auto oldest = introduced_.find(order_.front());
  const std::uint16_t number = oldest->second;
  introduced_.erase(oldest);
  order_.pop_front();
  if (to.where() != engine::peer::parent) {
    const auto& there = static_cast<const engine::link&>(to);
    while (!formers_.empty() && formers_.front().last_message < there.first_kept())
      formers_.pop_front();
    formers_.push_back({number, there.last_number(), by_number_[number - 1]});
  }
  return number;
}

void sender_book::take_back(const caf::strong_actor_ptr& actor, std::uint16_t number) {
  newest_ = 0;
  introduced_.erase(actor->id());
  std::erase(order_, actor->id());
  unused_.push_back(number);
}

caf::strong_actor_ptr sender_book::sender_of_returned(const wire::incoming& message) const {
  if (message.sender == 0) return nullptr;
  for (const auto& f : formers_)
    if (f.number == message.sender && message.number <= f.last_message)
      return caf::actor_cast<caf::strong_actor_ptr>(f.actor);
  return message.sender <= by_number_.size()
             ? caf::actor_cast<caf::strong_actor_ptr>(by_number_[message.sender - 1])
             : nullptr;
}

void sender_book::note(const wire::incoming& message) {
  if (message.sender == 0 || !message.has_context()) return;
  if (!message.envelope->getContext().hasSender()) return;
  if (known_.size() < message.sender) known_.resize(message.sender);
  auto& had_it = known_[message.sender - 1];
  auto at = std::lower_bound(had_it.begin(), had_it.end(), message.number,
                             [](const known_sender& s, auto number) { return s.since < number; });
  // Urgent messages introduce theirs each time.
  const address where = wire::address_of(message.envelope->getContext().getSender());
  if (at != had_it.begin() && std::prev(at)->where == where) return;
  if (at != had_it.end() && at->where == where) {
    at->since = message.number;
    return;
  }
  had_it.insert(at, {message.number, where, nullptr});
  if (had_it.size() > max_formers) had_it.erase(had_it.begin());
}

sender_book::known_sender* sender_book::sender_of(const wire::incoming& message) {
  KJ_REQUIRE(message.sender <= known_.size() && !known_[message.sender - 1].empty(),
             "a sender that was never introduced");
  auto& had_it = known_[message.sender - 1];
  const auto who = std::find_if(had_it.rbegin(), had_it.rend(),
                                [&](const known_sender& s) { return s.since <= message.number; });
  return who != had_it.rend() ? &*who : nullptr;
}

}  // namespace troupe::bridge
