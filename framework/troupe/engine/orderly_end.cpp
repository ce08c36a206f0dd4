#include "troupe/engine/orderly_end.hpp"

#include <utility>

#include "troupe/engine/control_tree.hpp"
#include "troupe/engine/link.hpp"
#include "troupe/engine/peer.hpp"

namespace troupe::engine {

using namespace std::chrono_literals;

namespace {

constexpr auto stop_grace = 5s;
constexpr auto kill_takes = 1s;

}  // namespace

orderly_end::~orderly_end() {
  core_.cancel(next_timer_);
  core_.cancel(limit_timer_);
}

void orderly_end::begin(std::function<void()> then) {
  then_.push_back(std::move(then));
  go_on();
}

void orderly_end::go_on() {
  if (then_.empty() || next_timer_ != 0) return;
  next_timer_ = core_.after(0s, [this] {  // what has ended is still being told
    next_timer_ = 0;
    stop_next();
  });
}

void orderly_end::stop_next() {
  if (!supervisors_stopped_) {
    supervisors_stopped_ = core_.actors() == nullptr || core_.actors()->supervision().stop_last();
    if (!supervisors_stopped_) return;
    auto rest = core_.links();
    for (auto l = rest.rbegin(); l != rest.rend(); ++l) (*l)->stop(stop_grace);
    limit_timer_ = core_.after(stop_grace + kill_takes, [this] { finish(); });
  }
  if (core_.links().empty()) finish();
}

void orderly_end::finish() {
  core_.cancel(std::exchange(limit_timer_, 0));
  supervisors_stopped_ = false;
  for (const auto& then : std::exchange(then_, {})) then();
}

}  // namespace troupe::engine
