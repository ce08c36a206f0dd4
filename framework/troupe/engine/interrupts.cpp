#include "troupe/engine/interrupts.hpp"

#include "troupe/engine/worker.hpp"
#include "troupe/os/interrupt.hpp"

namespace troupe::engine {

std::shared_ptr<interrupts> interrupts::of(core& loop) {
  static std::weak_ptr<interrupts> known;
  if (in_worker()) return nullptr;  // the terminal's signals don't reach it
  if (auto there = known.lock()) return there;
  auto made = std::make_shared<interrupts>(loop);
  if (!made->watching()) return nullptr;
  known = made;
  return made;
}

interrupts::interrupts(core& loop)
    : core_(loop),
      event_(os::open_event()),
      slot_(loop.take_slot(*this)),
      watching_(os::watch_interrupts(event_)),
      told_(os::interrupts()) {
  core_.watch(slot_, 0, event_);
}

interrupts::~interrupts() {
  const core::guard mine{core_};
  if (watching_) os::forget_interrupts();
  core_.unwatch(event_);
  core_.free_slot(slot_);
}

void interrupts::on_event(unsigned, bool, bool) {
  os::clear_event(event_);
  while (told_ < os::interrupts()) {
    ++told_;
    core_.pass_on_error_line(
        told_ == 1 ? "troupe: interrupted: what has begun will end; once more stops it\n"
                   : "troupe: interrupted again: stopping; once more kills\n");
    const auto all = listeners_;
    for (interrupt_listener* const one : all) one->on_interrupt(told_);
  }
}

}  // namespace troupe::engine
