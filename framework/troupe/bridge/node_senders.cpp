// Who has sent what other processes pass on.
#include "troupe/bridge/node.hpp"

namespace troupe::bridge {

sender_book& node::senders_at(engine::peer& which) {
  if (last_senders_.second == nullptr || last_senders_.first != which.where())
    last_senders_ = {which.where(), &senders_[which.where()]};
  return *last_senders_.second;
}

sender_book::known_sender* node::known_sender_of(engine::peer& from,
                                                 const wire::incoming& message) {
  if (message.sender == 0) return nullptr;
  auto* const who = senders_at(from).sender_of(message);
  if (who != nullptr && who->actor == nullptr) who->actor = actor_at(who->where);
  return who;
}

caf::strong_actor_ptr node::sender_of(engine::peer& from, const wire::incoming& message) {
  const auto* const who = known_sender_of(from, message);
  return who != nullptr ? who->actor : nullptr;
}

}  // namespace troupe::bridge
