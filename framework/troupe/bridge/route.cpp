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
  if (!is_ready_ && early_ == max_early) return false;
  const auto why =
      node_.try_send(static_cast<proxy&>(*incarnation_->get()), *what, *this, !is_ready_);
  if (!why) {
    early_ += is_ready_ ? 0 : 1;
    return true;
  }
  if (why->code == errc::mailbox_full || why->code == errc::stopped) return false;
  node_.refuse(*this, std::move(what), *why);
  return true;
}

void route::wait(caf::mailbox_element_ptr what) {
  if (incarnation_ == nullptr && is_of_stopping(*what)) return refuse_stopping(std::move(what));
  waiting_bytes_ += bytes_of(*what);
  waiting_.push_back(std::move(what));
  note_waiting();
}

void route::bind(caf::strong_actor_ptr incarnation, bool is_ready) {
  if (incarnation != incarnation_) early_ = 0;
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
  note_waiting();
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
  note_waiting();
}

void route::note_waiting() {
  node_.note_waiting(*this, waiting() != 0);
}

bool route::is_of_stopping(const caf::mailbox_element& what) const {
  return what.mid.is_request() && node_.is_stopping(what.sender);
}

void route::refuse_stopping(caf::mailbox_element_ptr what) {
  node_.refuse(*this, std::move(what),
               {errc::not_started,
                "this message was not sent: its actor is being restarted, and whoever sent it is "
                "being stopped; repeating it is safe",
                {},
                {}});
}

void route::release_stopping() {
  if (incarnation_ != nullptr) return;
  for (auto* const all : {&returned_, &waiting_}) {
    for (auto& what : std::exchange(*all, {})) {
      if (!is_of_stopping(*what)) {
        all->push_back(std::move(what));
        continue;
      }
      if (all == &waiting_) waiting_bytes_ -= bytes_of(*what);
      refuse_stopping(std::move(what));
    }
  }
  note_waiting();
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
  note_waiting();
}

}  // namespace troupe::bridge
