#pragma once

namespace troupe::bridge {

/// In a zygote: lives the lives of a function and of an actor, and makes ahead what the workers
/// that it forks will need.
void warm_up();

}  // namespace troupe::bridge
