#pragma once

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>

/// What a function that runs for a pool can say about its item, beyond its result. Runs in: the
/// worker.
namespace troupe {

/// Thrown: no further attempt, whatever the rules for retries are.
struct discard : std::runtime_error {
  explicit discard(const std::string& why = "discarded") : std::runtime_error(why) {}
};

/// Thrown: another attempt after `delay`, if one is left.
struct retry_after : std::runtime_error {
  explicit retry_after(std::chrono::nanoseconds after, const std::string& why = "to be repeated")
      : std::runtime_error(why), delay(after) {}
  std::chrono::nanoseconds delay;
};

/// Thrown: again after `delay`; this was no attempt.
struct snooze : std::runtime_error {
  explicit snooze(std::chrono::nanoseconds after, const std::string& why = "snoozing")
      : std::runtime_error(why), delay(after) {}
  std::chrono::nanoseconds delay;
};

/// Thrown by `this_item::check`.
struct item_cancelled : std::runtime_error {
  explicit item_cancelled(bool by_deadline);
  bool deadline;
};

namespace this_item {

/// Whether the item is asked to end: it was cancelled, or its soft deadline has passed. Cheap
/// enough for an inner loop.
[[nodiscard]] bool cancelled() noexcept;

/// Ends the item when it is asked to end. @throws item_cancelled.
void check();

}  // namespace this_item

}  // namespace troupe
