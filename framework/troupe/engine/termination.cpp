#include "troupe/engine/termination.hpp"

#include <csignal>
#include <utility>

#include "troupe/os/interrupt.hpp"

namespace troupe::engine {

using namespace std::chrono_literals;

namespace {

constexpr auto return_within = 2s;

}  // namespace

termination::termination(core& loop)
    : core_(loop), event_(os::open_event()), slot_(loop.take_slot(*this)) {
  core_.watch(slot_, 0, event_);
  os::watch_terminations(event_);
}

/// The signal may have come in the moment in which the last supervisor ended.
termination::~termination() {
  os::forget_terminations();
  tell();
  core_.unwatch(event_);
  core_.free_slot(slot_);
}

void termination::on_event(unsigned, bool, bool) {
  os::clear_event(event_);
  tell();
}

/// Captures nothing of this: it ends with the last supervisor.
void termination::tell() {
  static bool has_told = false;  // a program ends once
  const int signal = os::termination();
  if (signal == 0 || std::exchange(has_told, true)) return;
  core_.pass_on_error_line(
      signal == SIGINT ? "troupe: interrupted: all processes end, in order; once more kills\n"
                       : "troupe: SIGTERM: all processes end, in order; once more kills\n");
  core_.end_in_order([&loop = core_, signal] {
    loop.after(return_within, [&loop, signal] {
      if (!loop.has_returned()) os::end_by_signal(signal);
    });
  });
}

}  // namespace troupe::engine
