#pragma once

#include "troupe/engine_api.hpp"

namespace troupe::engine {

/// Does once, in the zygote, what every worker does first - becomes `what`, is asked twice - and
/// undoes it: symbols are bound and memory is laid out there, and its forks inherit that
/// (measured: 100 us a start). `end_actors`: ends what the bridge made, if `what` is an actor.
void rehearse(const role& what, const payload_source& first, const payload_source& again,
              void (*end_actors)());

}  // namespace troupe::engine
