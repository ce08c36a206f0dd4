#pragma once

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>

#include <memory>

#include "troupe/bridge/scheduler.hpp"

namespace troupe::bridge {

/// CAF's part of a node. It needs no loop and no thread to be made, which takes longer than all
/// else about an actor (measured: 0.2 ms): a zygote makes it ahead, and the workers it forks have
/// it.
class loop_system {
public:
  loop_system();
  loop_system(const loop_system&) = delete;
  loop_system& operator=(const loop_system&) = delete;

  /// Makes what the next `take` gives, in this process or in a fork of it.
  static void prepare();
  static std::unique_ptr<loop_system> take();

  /// Before its first actor runs.
  void serve(node& of) noexcept { scheduler_->serve(of); }
  [[nodiscard]] loop_clock& clock() noexcept { return scheduler_->clock(); }
  [[nodiscard]] caf::actor_system& operator*() noexcept { return *system_; }
  [[nodiscard]] caf::actor_system* operator->() noexcept { return system_.get(); }

private:
  caf::actor_system_config config_;
  loop_scheduler* scheduler_ = nullptr;  ///< the system's
  std::unique_ptr<caf::actor_system> system_;
};

}  // namespace troupe::bridge
