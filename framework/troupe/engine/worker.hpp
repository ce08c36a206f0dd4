#pragma once

#include "troupe/engine/core.hpp"

namespace troupe::engine {

/// A worker process from its first instruction to its last: says hello, serves its mailbox on this
/// thread, ends when its parent closes the mailbox or says stop. Its descriptors lie where
/// os::worker_fd says.
[[noreturn]] void worker_main();

/// Does once, in the zygote, what every worker does first: symbols are bound and memory is laid out
/// there, and its forks inherit that (measured: 100 us a start).
void warm_up_worker();

/// Whether this process is a worker.
bool in_worker();

/// The loop for processes that this process starts itself; made on first use (its zygote is exec'd).
core& local_core();
/// Called instead of making one, in the root.
void set_local_core(core* root);

/// What a `once` role ends with.
void set_exit_code(int code);

}  // namespace troupe::engine
