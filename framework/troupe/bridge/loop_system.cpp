#include "troupe/bridge/loop_system.hpp"

#include <utility>

#include "troupe/error.hpp"

namespace troupe::bridge {

namespace {

/// Not a static object with a destructor: most processes end without having used it.
loop_system* prepared = nullptr;

}  // namespace

loop_system::loop_system() {
  config_.module_factories.push_back([this](caf::actor_system& system) {
    scheduler_ = new loop_scheduler(system);
    return static_cast<caf::actor_system::module*>(scheduler_);
  });
  config_.add_error_category(caf::atom("troupe"),
                             [](std::uint8_t code, caf::atom_value, const caf::message& with) {
                               return describe(caf::error{code, caf::atom("troupe"), with});
                             });
  system_ = std::make_unique<caf::actor_system>(config_);
  system_->await_actors_before_shutdown(false);
}

void loop_system::prepare() {
  prepared = new loop_system;
}

std::unique_ptr<loop_system> loop_system::take() {
  if (prepared == nullptr) return std::make_unique<loop_system>();
  return std::unique_ptr<loop_system>{std::exchange(prepared, nullptr)};
}

}  // namespace troupe::bridge
