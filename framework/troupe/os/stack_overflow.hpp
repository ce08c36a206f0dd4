#pragma once

namespace troupe::os {

/// Has `note` called before this process dies because the stack of the calling thread is full; its
/// forks inherit that. The end itself, its signal and its core stay as they are. Only once in a
/// process, and not where SIGSEGV has a handler.
/// `note` is called in a signal handler, see signal-safety(7). Source: sigaltstack(2).
void on_stack_overflow(void (*note)());

}  // namespace troupe::os
