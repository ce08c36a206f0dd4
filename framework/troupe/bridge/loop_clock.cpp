#include "troupe/bridge/loop_clock.hpp"

#include <caf/group.hpp>
#include <caf/scheduled_actor.hpp>
#include <caf/sec.hpp>
#include <caf/system_messages.hpp>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "troupe/bridge/main_actor.hpp"
#include "troupe/bridge/node.hpp"

namespace troupe::bridge {

namespace {

/// Reaches what CAF has no accessors for: the answers that an actor waits for.
class awaiting : public caf::scheduled_actor {
public:
  static bool has(caf::scheduled_actor& who, caf::message_id id) {
    const auto is_it = [id](const auto& one) { return one.first == id; };
    const auto& awaited = who.*&awaiting::awaited_responses_;
    const auto& multiplexed = who.*&awaiting::multiplexed_responses_;
    return std::any_of(awaited.begin(), awaited.end(), is_it) ||
           std::any_of(multiplexed.begin(), multiplexed.end(), is_it);
  }
};

}  // namespace

loop_clock::time_point loop_clock::now() const noexcept {
  return frozen_.value_or(caf::actor_clock::now());
}

void loop_clock::add_timeout(time_point when, caf::abstract_actor* self, caf::atom_value type,
                             std::uint64_t id, bool ordinary) {
  node_->locally([this, when, self = caf::strong_actor_ptr{self->ctrl()}, type, id, ordinary] {
    if (ordinary) drop_ordinary(self->get(), type);
    const auto send = [self, type, id] {
      self->get()->eq_impl(caf::make_message_id(), self, nullptr, caf::timeout_msg{type, id});
    };
    timeouts_.emplace(self->get(),
                      delayed_.emplace(when, delayed{send, self->get(), type, ordinary}));
  });
}

void loop_clock::drop_ordinary(const caf::abstract_actor* self, caf::atom_value type) {
  for (auto [t, end] = timeouts_.equal_range(self); t != end;) {
    const delayed& d = t->second->second;
    if (d.ordinary && d.type == type) {
      delayed_.erase(t->second);
      t = timeouts_.erase(t);
    } else {
      ++t;
    }
  }
}

loop_clock::delayed loop_clock::take_first() {
  const auto first = delayed_.begin();
  if (first->second.timeout_of != nullptr) {
    auto [t, end] = timeouts_.equal_range(first->second.timeout_of);
    while (t != end && t->second != first) ++t;
    if (t != end) timeouts_.erase(t);
  }
  delayed taken = std::move(first->second);
  delayed_.erase(first);
  return taken;
}

void loop_clock::set_ordinary_timeout(time_point when, caf::abstract_actor* self,
                                      caf::atom_value type, std::uint64_t id) {
  add_timeout(when, self, type, id, true);
}

void loop_clock::set_multi_timeout(time_point when, caf::abstract_actor* self, caf::atom_value type,
                                   std::uint64_t id) {
  add_timeout(when, self, type, id, false);
}

void loop_clock::cancel_ordinary_timeout(caf::abstract_actor* self, caf::atom_value type) {
  node_->locally([this, self, type] { drop_ordinary(self, type); });
}

void loop_clock::set_request_timeout(time_point when, caf::abstract_actor* self,
                                     caf::message_id id) {
  if (self->getf(caf::abstract_actor::is_blocking_flag)) {
    const auto* const waiting = dynamic_cast<main_actor*>(self);
    if (waiting != nullptr && waiting->was_refused(id)) return;
  }
  node_->locally([this, when, self = caf::strong_actor_ptr{self->ctrl()}, id] {
    auto place = requests_.end();
    while (place != requests_.begin() && std::prev(place)->first > when) --place;
    requests_.insert(place, {when, {self, id}});
  });
}

/// By the owner of the loop: the newest is asked for most, then the oldest.
void loop_clock::cancel_request_timeout(caf::abstract_actor* self, caf::message_id id) {
  const auto is_it = [&](const auto& r) {
    return r.second.id == id && r.second.self != nullptr && r.second.self->get() == self;
  };
  if (!requests_.empty() && is_it(requests_.back())) {
    requests_.pop_back();
  } else {
    const auto found = std::find_if(requests_.begin(), requests_.end(), is_it);
    if (found == requests_.end()) return;
    found->second.self = nullptr;
    ++answered_;
  }
  drop_answered();
}

/// One that is not answered for long must not keep all later ones, which would be searched each
/// time.
void loop_clock::drop_answered() {
  constexpr std::size_t few = 32;
  for (; !requests_.empty() && requests_.front().second.self == nullptr; requests_.pop_front())
    --answered_;
  if (answered_ <= few || answered_ < requests_.size() / 2) return;
  std::erase_if(requests_, [](const auto& r) { return r.second.self == nullptr; });
  answered_ = 0;
}

void loop_clock::tidy() {
  std::vector<caf::strong_actor_ptr> going;  // the last handle of an actor may be among them
  for (auto& [when, r] : requests_) {
    auto* const who =
        r.self != nullptr ? dynamic_cast<caf::scheduled_actor*>(r.self->get()) : nullptr;
    if (who == nullptr || awaiting::has(*who, r.id)) continue;
    going.push_back(std::move(r.self));
    r.self = nullptr;
    ++answered_;
  }
  drop_answered();
  tidy_at_ = std::max(least_to_tidy, 2 * requests_.size());
}

void loop_clock::cancel_timeouts(caf::abstract_actor* self) {
  node_->locally([this, self] {
    for (auto [t, end] = timeouts_.equal_range(self); t != end; t = timeouts_.erase(t))
      delayed_.erase(t->second);
    for (auto& [when, r] : requests_)
      if (r.self != nullptr && r.self->get() == self) {
        r.self = nullptr;
        ++answered_;
      }
    drop_answered();
  });
}

void loop_clock::schedule_message(time_point when, caf::strong_actor_ptr receiver,
                                  caf::mailbox_element_ptr content) {
  auto shared = std::make_shared<caf::mailbox_element_ptr>(std::move(content));
  node_->locally([this, when, receiver = std::move(receiver), shared] {
    const auto send = [receiver, shared] {
      if (receiver) receiver->enqueue(std::move(*shared), nullptr);
    };
    delayed_.emplace(when, delayed{send});
  });
}

void loop_clock::schedule_message(time_point when, caf::group target, caf::strong_actor_ptr sender,
                                  caf::message content) {
  node_->locally([this, when, target = std::move(target), sender = std::move(sender),
                  content = std::move(content)] {
    const auto send = [target, sender, content] {
      if (target) target->eq_impl(caf::make_message_id(), sender, nullptr, content);
    };
    delayed_.emplace(when, delayed{send});
  });
}

void loop_clock::cancel_all() {
  node_->locally([this] {
    // Moved away first: an actor that goes with its last handle cancels its own.
    const auto requests = std::exchange(requests_, {});
    const auto messages = std::exchange(delayed_, {});
    timeouts_.clear();
    answered_ = 0;
  });
}

std::optional<loop_clock::time_point> loop_clock::fire(bool& sent) {
  const auto due = now();
  while (!requests_.empty() &&
         (requests_.front().second.self == nullptr || requests_.front().first <= due)) {
    const request first = std::move(requests_.front().second);
    requests_.pop_front();
    if (first.self == nullptr) {
      --answered_;
      continue;
    }
    sent = true;
    first.self->get()->eq_impl(first.id, first.self, nullptr, caf::sec::request_timeout);
  }
  while (!delayed_.empty() && delayed_.begin()->first <= due) {
    const delayed first = take_first();
    sent = true;
    first.send();
  }
  std::optional<time_point> next;
  if (!requests_.empty()) next = requests_.front().first;
  if (!delayed_.empty() && (!next || delayed_.begin()->first < *next))
    next = delayed_.begin()->first;
  return next;
}

}  // namespace troupe::bridge
