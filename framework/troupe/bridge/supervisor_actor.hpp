#pragma once

#include "troupe/bridge/supervision_messages.hpp"
#include "troupe/bridge/supervisor.hpp"

namespace troupe::bridge {

/// An actor of this process that does what messages ask of a supervisor here. Ends with it.
supervisor_actor actor_for(const std::shared_ptr<supervisor>& of);

/// A process for a supervisor: its role, and what that is made of.
engine::role supervisor_role();
using supervisor_arguments = std::tuple<supervisor_spec, std::string, lifecycle_sink>;

/// An actor of this process that takes what happens below supervisors in others.
lifecycle_sink sink_of(node& of);

}  // namespace troupe::bridge
