#pragma once

#include <caf/blocking_actor.hpp>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <set>

#include "troupe/bridge/node.hpp"

namespace troupe::bridge {

/// The actor behind `rt.self()`: as CAF's scoped_actor, but it runs the loop while it waits.
class main_actor final : public caf::blocking_actor {
public:
  main_actor(caf::actor_config& config, bridge::node& of) : blocking_actor(config), node_(of) {}

  void act() override {}
  const char* name() const override { return "troupe.self"; }

  void await_data() override {
    if (!has_data()) node_.run_until([this] { return has_data(); }, std::nullopt);
  }
  bool await_data(timeout_type limit) override {
    return has_data() ||
           node_.run_until([this] { return has_data(); },
                           engine::clock::now() + (limit - timeout_type::clock::now()));
  }
  caf::mailbox_element_ptr dequeue() override {
    mailbox().flush_cache();
    await_data();
    return blocking_actor::dequeue();
  }
  void enqueue(caf::mailbox_element_ptr what, caf::execution_unit* by) override {
    if (what->mid.is_response() && !takes(*what)) return;
    blocking_actor::enqueue(std::move(what), by);
    if (!node_.core().owner().is_mine()) node_.core().wake();
  }
  /// Its answer came while it was sent: no timeout is to come after that.
  [[nodiscard]] bool was_refused(caf::message_id request) const noexcept {
    return last_answer_.load(std::memory_order_relaxed) == request.integer_value();
  }

private:
  bool has_data() { return !mailbox().queue().empty() || mailbox().fetch_more(); }
  /// Not an answer after its request's timeout: CAF's blocking actors keep what nobody waits for,
  /// and look at all of it each time they wait. Any thread.
  bool takes(const caf::mailbox_element& answer);

  static constexpr std::size_t most_late = 4096;  ///< answers that may never come

  bridge::node& node_;
  std::atomic<std::uint64_t> last_answer_{0};
  std::atomic<bool> any_late_{false};
  std::mutex late_mutex_;
  std::set<std::uint64_t> late_;  ///< requests that have had their timeout, and no answer yet
};

}  // namespace troupe::bridge
