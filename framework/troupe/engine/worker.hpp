#pragma once

#include <optional>
#include <string>

#include "troupe/engine/core.hpp"

namespace troupe::engine {

/// A worker process from its first instruction to its last: says hello, serves its mailbox on this
/// thread, ends when its parent closes the mailbox or says stop. Its descriptors lie where
/// os::worker_fd says.
[[noreturn]] void worker_main();

/// In a worker, or a zygote for all that it will make: a full stack is told to the parent as the
/// process dies of it, and a process that a handler has forked is not the worker.
void prepare_for_handlers();
/// After a handler: a fork of its must not go on as this worker.
void end_if_forked();

/// Whether this process is a worker.
bool in_worker();

/// The loop of this process. A worker's is made on first use, by its first actor or first process
/// of its own (whose zygote is exec'd), and runs its mailbox too from then on.
core& local_core();
/// Makes it ahead, for whoever will be the first to use it; nothing runs in it yet.
void prepare_loop();
/// Called instead of making one, in the root.
void set_local_core(core* root);

class uplink;
/// The link to this worker's parent; null in a root.
uplink* parent_link();
/// Inside the making of this process's actor: it is ready only when `start_is_over` says so, with
/// why it can't be what it was started for, if it can't. False at any other time. Owner of the
/// loop.
[[nodiscard]] bool start_goes_on() noexcept;
void start_is_over(const std::optional<std::string>& why_not);
[[nodiscard]] bool start_lasts() noexcept;
/// What the making of an actor throws that has ended well before it was made: it chose not to run.
struct not_wanted {};
/// The worker ends when the message in progress is handled.
void end_worker_soon(int code);
/// Whether its parent has told this process to end. Never in a root.
[[nodiscard]] bool told_to_end() noexcept;
/// Whether a supervisor lives here: its children are to end before this process.
void note_supervisors(bool any) noexcept;
/// An actor has handled something that no link brought: it may want what it skipped.
void offer_skipped_again();

/// What a `once` role ends with.
void set_exit_code(int code);

}  // namespace troupe::engine
