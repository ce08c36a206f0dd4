#pragma once

namespace troupe::os {

/// From now on a Ctrl-C (SIGINT) adds 1 to the event instead of ending the process; the third ends
/// it at once, with exit code 130. False: the program has a handler of its own, which is left
/// alone. Source: sigaction(2).
bool watch_interrupts(int event);
/// As it was before.
void forget_interrupts();
/// How many there were in this process.
unsigned interrupts();

}  // namespace troupe::os
