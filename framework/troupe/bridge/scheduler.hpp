#pragma once

#include <caf/scheduler/abstract_coordinator.hpp>

#include "troupe/bridge/loop_clock.hpp"

namespace troupe::bridge {

/// CAF's scheduler module: actors run on our loop, by whoever owns it.
class loop_scheduler final : public caf::scheduler::abstract_coordinator {
public:
  loop_scheduler(caf::actor_system& system, node& of)
      : abstract_coordinator(system), node_(of), clock_(of) {}

  void enqueue(caf::resumable* what) override;
  loop_clock& clock() noexcept override { return clock_; }
  [[nodiscard]] bool detaches_utility_actors() const override { return false; }
  /// Not the base's, which starts a thread for the printer.
  void start() override;
  void stop() override;

private:
  node& node_;
  loop_clock clock_;
};

}  // namespace troupe::bridge
