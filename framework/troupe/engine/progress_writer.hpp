#pragma once

#include <cstdint>
#include <set>

#include "troupe/wire/shared_page.hpp"

namespace troupe::engine {

/// Tells the parent, through the shared page, how far this worker is with its mailbox. Messages
/// that overtake others, or that an actor skips, are what makes it more than a counter.
class progress_writer {
public:
  explicit progress_writer(wire::progress_slot& slot) : slot_(slot) {}

  /// The oldest message that waits is begun: none before it waits, but those that were skipped.
  void begin(std::uint64_t number) {
    if (nothing_waits()) {
      highest_ = number > highest_ ? number : highest_;
      publish(number);
      return;
    }
    drop_overtaken(number);
    start(number);
  }
  /// A message is begun before older ones.
  void begin_early(std::uint64_t number) {
    for (std::uint64_t n = highest_ + 1, told = highest_; n < number; ++n) {
      overtaken_.insert(n);
      set_bit(n, true);
      if (n - told < wire::progress::window) continue;
      told = highest_ = n;
      publish(current_);  // else the bits of the oldest would be used again while they tell
    }
    overtaken_.erase(number);
    start(number);
  }
  /// One that was skipped before is begun once more.
  void begin_again(std::uint64_t number) {
    skipped_.erase(number);
    start(number);
  }
  void finish() { publish(0); }
  /// The same for a message that came while an older one's handler ran, which goes on.
  void finish_within(std::uint64_t running) { publish(running); }
  /// It was not begun after all; `running` as above, or 0.
  void skip(std::uint64_t number, std::uint64_t running = 0) {
    skipped_.insert(number);
    settle_bit(number);
    publish(running);
  }

private:
  // A bit changes only while it tells nothing: of a message that is newer than what was published,
  // or that is the one in hand, or that counts as begun for its age.

  void start(std::uint64_t number) {
    if (number > highest_) {
      set_bit(number, false);  // of one that is older by as many as there are bits
      highest_ = number;
    }
    publish(number);
    settle_bit(number);
  }
  void drop_overtaken(std::uint64_t up_to) {
    while (!overtaken_.empty() && *overtaken_.begin() <= up_to) {
      const std::uint64_t number = *overtaken_.begin();
      overtaken_.erase(overtaken_.begin());
      if (number != up_to) settle_bit(number);  // of an answer, which waits for nobody
    }
  }
  [[nodiscard]] bool nothing_waits() const noexcept {
    return overtaken_.empty() && skipped_.empty();
  }
  /// For whichever message this bit is now.
  void settle_bit(std::uint64_t number) {
    const std::uint64_t now = highest_ - (highest_ - number) % wire::progress_slot::bits;
    set_bit(now, overtaken_.count(now) + skipped_.count(now) != 0);
  }
  void set_bit(std::uint64_t number, bool on) {
    const std::uint64_t bit = number % wire::progress_slot::bits;
    auto& word = slot_.passed[bit / 64];
    const std::uint64_t mask = std::uint64_t{1} << (bit % 64);
    const std::uint64_t before = word.load(std::memory_order_relaxed);
    word.store(on ? before | mask : before & ~mask, std::memory_order_release);
  }

  void publish(std::uint64_t running) {
    current_ = running;
    if (nothing_waits() && (running == 0 || running == highest_)) {
      if (running != 0 || turn_ % 2 != 0) slot_.begun.store(highest_, std::memory_order_release);
      if (running == 0) slot_.finished.store(highest_, std::memory_order_release);
      if (turn_ % 2 != 0) slot_.turn.store(++turn_, std::memory_order_release);
      return;
    }
    turn_ += turn_ % 2 != 0 ? 2 : 1;
    wire::progress_record& record = slot_.records[turn_ / 2 % 2];
    record.begun.store(highest_, std::memory_order_release);
    record.current.store(running, std::memory_order_release);
    slot_.turn.store(turn_, std::memory_order_release);
  }

  wire::progress_slot& slot_;
  std::uint64_t highest_ = 0;
  std::uint64_t current_ = 0;
  // Older than the highest begun, and not begun:
  std::set<std::uint64_t> overtaken_;  ///< by urgent ones
  std::set<std::uint64_t> skipped_;    ///< which their actor did not want yet
  std::uint64_t turn_ = 0;
};

}  // namespace troupe::engine
