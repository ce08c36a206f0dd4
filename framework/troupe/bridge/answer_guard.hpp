#pragma once

#include <caf/monitorable_actor.hpp>

#include "troupe/bridge/node.hpp"

namespace troupe::bridge {

/// Stands between the actor that handles a request from another process and its answer: CAF's
/// response promise holds it as the next stage. So an answer finds its way back, and when the last
/// promise goes without one the asker hears of that at once. Any thread.
class answer_guard final : public caf::monitorable_actor {
public:
  answer_guard(caf::actor_config& config, bridge::node& of)
      : monitorable_actor(config), node_(of) {}
  ~answer_guard() override {
    if (request_ == 0 || bridge::node::if_made() == nullptr) return;
    node_.locally([&of = node_, request = request_] { of.broken_promise(request); });
  }

  void serve(std::uint64_t request) noexcept { request_ = request; }

  void enqueue(caf::mailbox_element_ptr what, caf::execution_unit*) override {
    node_.respond(std::exchange(request_, 0), std::move(what));
  }

private:
  bridge::node& node_;
  std::uint64_t request_ = 0;
};

}  // namespace troupe::bridge
