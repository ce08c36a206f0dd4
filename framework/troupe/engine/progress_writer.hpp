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
    if (!passed_.empty()) drop_overtaken(number);
    highest_ = number > highest_ ? number : highest_;
    publish(number);
  }
  /// A message is begun before older ones.
  void begin_early(std::uint64_t number) {
    for (std::uint64_t n = highest_ + 1; n < number; ++n) passed_.insert(n);
    highest_ = number > highest_ ? number : highest_;
    passed_.erase(number);
    publish(number);
  }
  /// One that was skipped before is begun once more.
  void begin_again(std::uint64_t number) {
    skipped_.erase(number);
    passed_.erase(number);
    publish(number);
  }
  void finish() { publish(0); }
  /// The same for a message that came while an older one's handler ran, which goes on.
  void finish_within(std::uint64_t running) { publish(running); }
  /// It was not begun after all.
  void skip(std::uint64_t number) {
    skipped_.insert(number);
    passed_.insert(number);
    publish(0);
  }

private:
  void drop_overtaken(std::uint64_t up_to) {
    for (auto n = passed_.begin(); n != passed_.end() && *n <= up_to;)
      n = skipped_.count(*n) != 0 ? std::next(n) : passed_.erase(n);
  }

  void publish(std::uint64_t running) {
    if (passed_.empty() && (running == 0 || running == highest_)) {
      if (running != 0 || turn_ % 2 != 0) slot_.begun.store(highest_, std::memory_order_release);
      if (running == 0) slot_.finished.store(highest_, std::memory_order_release);
      if (turn_ % 2 != 0) slot_.turn.store(++turn_, std::memory_order_release);
      return;
    }
    std::uint64_t begun = highest_;
    while (passed_.count(begun) != 0) --begun;
    std::uint64_t window = 0;
    for (const std::uint64_t n : passed_)
      if (n < begun && begun - n <= 64) window |= std::uint64_t{1} << (begun - n - 1);
    turn_ += turn_ % 2 != 0 ? 2 : 1;
    wire::progress_record& record = slot_.records[turn_ / 2 % 2];
    record.begun.store(begun, std::memory_order_release);
    record.window.store(window, std::memory_order_release);
    record.current.store(running, std::memory_order_release);
    slot_.turn.store(turn_, std::memory_order_release);
  }

  wire::progress_slot& slot_;
  std::uint64_t highest_ = 0;
  std::set<std::uint64_t> passed_;   ///< older than the highest begun, and not begun
  std::set<std::uint64_t> skipped_;  ///< those of them that their actor did not want yet
  std::uint64_t turn_ = 0;
};

}  // namespace troupe::engine
