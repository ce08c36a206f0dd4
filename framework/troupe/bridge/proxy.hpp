#pragma once

#include <atomic>

#include "troupe/address.hpp"
#include "troupe/bridge/caf_compat.hpp"
#include "troupe/engine_api.hpp"

namespace troupe::bridge {

class node;

/// What a request to an actor that ended so is told: as by CAF, but of a crash with its report.
caf::error refusal(const caf::error& end);

/// A CAF actor that stands for what lives in another process. Any thread, but for what is said to
/// be for the owner of the loop.
class remote_actor : public caf::actor_proxy {
public:
  remote_actor(caf::actor_config& config, bridge::node& of) : actor_proxy(config), node_(of) {}

  [[nodiscard]] bool ended() const { return getf(is_terminated_flag); }
  void enqueue(caf::mailbox_element_ptr what, caf::execution_unit* by) override;
  void kill_proxy(caf::execution_unit* by, caf::error reason) override;
  /// Answers a message that can't be delivered any longer; true when that was possible.
  bool reject(caf::mailbox_element& what);

  /// Whether what is sent to it after its end gets its own reason, not that of a process.
  [[nodiscard]] virtual bool explains_itself() const noexcept { return false; }
  /// Owner of the loop: sends it on.
  virtual void pass_on(caf::mailbox_element_ptr what) = 0;

protected:
  bridge::node& node_;
};

/// Stands for one actor in one process.
class proxy final : public remote_actor {
public:
  /// `child`: the process it lives in, when this process started it.
  proxy(caf::actor_config& config, bridge::node& of, troupe::address where, engine::link_ptr child);
  ~proxy() override;

  [[nodiscard]] const troupe::address& where() const noexcept { return where_; }
  [[nodiscard]] const engine::link_ptr& child() const noexcept { return child_; }
  /// True the first time.
  bool needs_watch() noexcept { return child_ == nullptr && !watched_.exchange(true); }

  void attach(caf::attachable_ptr what) override;
  bool add_backlink(caf::abstract_actor* other) override;
  void pass_on(caf::mailbox_element_ptr what) override;

private:
  void watch();

  const troupe::address where_;
  const engine::link_ptr child_;
  std::atomic<bool> watched_{false};
};

}  // namespace troupe::bridge
