#pragma once

#include <caf/scheduler/abstract_coordinator.hpp>

#include "troupe/bridge/loop_clock.hpp"

namespace troupe::bridge {

/// CAF's scheduler module: actors run on our loop, by whoever owns it.
class loop_scheduler final : public caf::scheduler::abstract_coordinator {
public:
  using abstract_coordinator::abstract_coordinator;

  void serve(node& of) noexcept {
    node_ = &of;
    clock_.serve(of);
  }
  void enqueue(caf::resumable* what) override;
  loop_clock& clock() noexcept override { return clock_; }
  [[nodiscard]] bool detaches_utility_actors() const override { return false; }
  /// Not the base's, which starts a thread for the printer.
  void start() override;
  void stop() override;

private:
  node* node_ = nullptr;
  loop_clock clock_;
};

}  // namespace troupe::bridge
