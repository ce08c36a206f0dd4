#pragma once

#include <atomic>

#include "troupe/address.hpp"
#include "troupe/bridge/caf_compat.hpp"
#include "troupe/engine_api.hpp"

namespace troupe::bridge {

class node;

/// What a request to an actor that ended so is told: as by CAF, but of a crash with its report.
caf::error refusal(const caf::error& end);

/// A CAF actor that stands for one in another process. Any thread.
class proxy final : public caf::actor_proxy {
public:
  /// `child`: the process it lives in, when this process started it.
  proxy(caf::actor_config& config, bridge::node& of, troupe::address where, engine::link_ptr child);
  ~proxy() override;

  [[nodiscard]] const troupe::address& where() const noexcept { return where_; }
  [[nodiscard]] const engine::link_ptr& child() const noexcept { return child_; }
  [[nodiscard]] bool ended() const { return getf(is_terminated_flag); }
  /// True the first time.
  bool needs_watch() noexcept { return child_ == nullptr && !watched_.exchange(true); }

  void enqueue(caf::mailbox_element_ptr what, caf::execution_unit* by) override;
  void kill_proxy(caf::execution_unit* by, caf::error reason) override;
  void attach(caf::attachable_ptr what) override;
  bool add_backlink(caf::abstract_actor* other) override;
  /// Answers a message that can't be delivered any longer; true when that was possible.
  bool reject(caf::mailbox_element& what);

private:
  void watch();

  bridge::node& node_;
  const troupe::address where_;
  const engine::link_ptr child_;
  std::atomic<bool> watched_{false};
};

}  // namespace troupe::bridge
