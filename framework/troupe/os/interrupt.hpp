#pragma once

namespace troupe::os {

// What SIGINT (Ctrl-C) and SIGTERM do in this process. A program that handles one of them itself
// keeps its handler, and the functions below leave that signal alone. Source: sigaction(2).

/// Both end this process, as by default, also if it is the first of a pid namespace (a container),
/// where the kernel ignores signals that are not handled. Until it handles them itself.
void let_signals_end_this();

/// From now on a Ctrl-C adds 1 to the event instead of ending the process; the third ends it at
/// once, with exit code 130. False: the program has a handler of its own.
bool watch_interrupts(int event);
/// As it was before.
void forget_interrupts();
/// How many there were in this process.
unsigned interrupts();

/// From now on the first SIGTERM, or Ctrl-C while nobody watches interrupts, adds 1 to the event
/// instead of ending the process; the next one ends it at once.
void watch_terminations(int event);
/// As it was before.
void forget_terminations();
/// The signal that came; 0: none.
int termination();

/// Ends this process as the signal does by default: as killed by it, or with exit code 128 and its
/// number if this is the first process of a pid namespace, which it can't kill.
[[noreturn]] void end_by_signal(int signal);

}  // namespace troupe::os
