#include "troupe/engine/termination.hpp"

#include <csignal>

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

termination::~termination() {
  os::forget_terminations();
  core_.unwatch(event_);
  core_.free_slot(slot_);
}

/// Captures nothing of this: it ends with the last supervisor.
void termination::on_event(unsigned, bool, bool) {
  os::clear_event(event_);
  const int signal = os::termination();
  if (signal == 0) return;
  core_.pass_on_error_line(
      signal == SIGINT ? "troupe: interrupted: all processes end, in order; once more kills\n"
                       : "troupe: SIGTERM: all processes end, in order; once more kills\n");
  core_.end_in_order([&loop = core_, signal] {
    loop.after(return_within, [signal] { os::end_by_signal(signal); });
  });
}

}  // namespace troupe::engine
