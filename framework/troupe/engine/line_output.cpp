#include "troupe/engine/line_output.hpp"

#include <algorithm>
#include <utility>

namespace troupe::engine {

using namespace std::chrono_literals;

namespace {

constexpr clock::duration first_pause = 1ms;
constexpr clock::duration longest_pause = 50ms;

}  // namespace

line_output::line_output(core& of, int fd, std::size_t keeps, std::function<void()> on_room)
    : core_(of), to_(fd, keeps), on_room_(std::move(on_room)) {}

line_output::~line_output() {
  core_.cancel(timer_);
}

void line_output::write(std::string_view text) noexcept {
  to_.write(text);
  if (has_room() || timer_ != 0) return;
  pause_ = first_pause;
  timer_ = core_.after(pause_, [this] { try_again(); });
}

void line_output::try_again() noexcept {
  timer_ = 0;
  if (to_.flush()) {
    if (on_room_) on_room_();
    return;
  }
  pause_ = std::min(2 * pause_, longest_pause);
  timer_ = core_.after(pause_, [this] { try_again(); });
}

}  // namespace troupe::engine
