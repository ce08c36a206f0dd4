#pragma once

#include "troupe/runtime.hpp"

namespace troupe {

/// Shows on stderr how far a pool's calls are, while it lives and the loop runs: done, failed,
/// rate, time left, workers. On a terminal one line that is written over; elsewhere a plain line
/// now and then. Nothing is shown for inputs that do not say how long they are. The pool must
/// outlive it.
[[nodiscard]] timer show_progress(runtime& rt, const pool& of);

/// What such a line says beside the count. Pure.
std::string progress_text(const pool_progress& now, std::size_t workers);

}  // namespace troupe
