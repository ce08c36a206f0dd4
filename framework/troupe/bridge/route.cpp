#include "troupe/bridge/route.hpp"

#include <iterator>
#include <utility>

#include "troupe/bridge/content.hpp"
#include "troupe/bridge/node.hpp"
#include "troupe/wire/envelope.hpp"

namespace troupe::bridge {

namespace {

std::size_t bytes_of(const caf::mailbox_element& what) {
  try {
    return wire::envelope_bytes(source_of(what.content()));
  } catch (const unknown_type&) {
    return 0;  // its sender will hear of that
  }
}

engine::failure failure_of(const caf::error& reason) {
  return {errc_of(reason), sentence_of(reason), report_of(reason), {}};
}

}  // namespace

void route::pass_on(caf::mailbox_element_ptr what) {
  if (!has_room() && node_.may_wait()) node_.core().run_until([this] { return has_room(); });
  if (ended() || refused_) {
    node_.refuse(*this, std::move(what), failure_of(ended() ? fail_state() : refused_));
    return;
  }
  if (!has_room()) {
    node_.refuse(*this, std::move(what),
                 {errc::mailbox_full,
                  "this message was not sent: its actor is being restarted, and as many messages "
                  "wait for it as may",
                  {},
                  {}});
    return;
  }
  if (!can_send() || !offer(what)) wait(std::move(what));
}

/// False: not now.
bool route::offer(caf::mailbox_element_ptr& what) {
  const auto why =
      node_.try_send(static_cast<proxy&>(*incarnation_->get()), *what, *this, !is_ready_);
  if (!why) return true;
  if (why->code == errc::mailbox_full || why->code == errc::stopped) return false;
  node_.refuse(*this, std::move(what), *why);
  return true;
}

void route::wait(caf::mailbox_element_ptr what) {
  waiting_bytes_ += bytes_of(*what);
  waiting_.push_back(std::move(what));
}

void route::bind(caf::strong_actor_ptr incarnation, bool is_ready) {
  incarnation_ = std::move(incarnation);
  is_ready_ = is_ready;
  drain();
}

/// Part of what came back from the one before may not have got into this one's mailbox.
void route::lost() {
  incarnation_ = nullptr;
  returned_.insert(returned_.begin(), std::make_move_iterator(coming_back_.begin()),
                   std::make_move_iterator(coming_back_.end()));
  coming_back_.clear();
}

void route::drain() {
  while (incarnation_ != nullptr && !returned_.empty()) {
    if (!offer(returned_.front())) return;
    returned_.pop_front();
  }
  while (incarnation_ != nullptr && !waiting_.empty()) {
    const std::size_t bytes = bytes_of(*waiting_.front());
    if (!offer(waiting_.front())) return;
    waiting_.pop_front();
    waiting_bytes_ -= bytes;
  }
}

void route::refuse_all(const caf::error& reason) {
  refused_ = reason;
  refuse_waiting(reason);
}

void route::end(const caf::error& reason) {
  incarnation_ = nullptr;
  kill_proxy(nullptr, reason);
  refuse_waiting(reason);
}

void route::refuse_waiting(const caf::error& reason) {
  for (auto* const all : {&coming_back_, &returned_, &waiting_})
    for (auto& what : std::exchange(*all, {}))
      node_.refuse(*this, std::move(what), failure_of(reason));
  waiting_bytes_ = 0;
}

}  // namespace troupe::bridge
