#include "troupe/bridge/main_actor.hpp"

#include "troupe/bridge/proxy.hpp"

namespace troupe::bridge {

bool main_actor::takes(const caf::mailbox_element& answer) {
  const std::uint64_t request = answer.mid.integer_value();
  if (answer.sender == ctrl()) {  // the clock: it has not been answered in time
    const std::lock_guard lock{late_mutex_};
    late_.insert(request);
    if (late_.size() > most_late) late_.erase(late_.begin());
    any_late_.store(true, std::memory_order_release);
    return true;
  }
  last_answer_.store(request, std::memory_order_relaxed);
  if (any_late_.load(std::memory_order_acquire)) {
    const std::lock_guard lock{late_mutex_};
    const bool late = late_.erase(request) != 0;
    any_late_.store(!late_.empty(), std::memory_order_release);
    if (late) return false;
  }
  // Those from elsewhere take it back as they come.
  if (answer.sender != nullptr && dynamic_cast<remote_actor*>(answer.sender->get()) == nullptr)
    node_.locally([this, keep = caf::strong_actor_ptr{ctrl()}, id = answer.mid] {
      node_.clock().cancel_request_timeout(this, id);
    });
  return true;
}

}  // namespace troupe::bridge
