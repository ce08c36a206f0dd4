#pragma once

#include <caf/blocking_actor.hpp>

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
    blocking_actor::enqueue(std::move(what), by);
    if (!node_.core().owner().is_mine()) node_.core().wake();
  }

private:
  bool has_data() { return !mailbox().queue().empty() || mailbox().fetch_more(); }

  bridge::node& node_;
};

}  // namespace troupe::bridge
