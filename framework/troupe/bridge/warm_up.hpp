#pragma once

namespace troupe::bridge {

/// In a spare: lives the lives of a function and of an actor, and makes ahead what the next life
/// needs; for as long as `has_time` says so.
void warm_up(bool (*has_time)());

/// In a zygote: the same, and lays out its memory so that its forks copy few pages of it.
void warm_up_zygote();

}  // namespace troupe::bridge
