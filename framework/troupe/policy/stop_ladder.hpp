#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>

namespace troupe::policy {

/// The steps by which a process is made to end. Pure: the caller passes the time since the first.
///
/// At once: it is told to end after the message in progress. After a fifth of the
/// time, a function's 5 s at most: SIGTERM, and SIGCONT because a stopped process acts on no
/// SIGTERM. At the end: SIGKILL. Without time there is only that: nothing is asked of it that it
/// could begin.
///
/// What has no mailbox, any program, is asked by SIGTERM at once. Source: OTP `shutdown`;
/// signal(7).
class stop_ladder {
public:
  using duration = std::chrono::steady_clock::duration;
  enum class step : std::uint8_t { close, terminate, kill };

  explicit stop_ladder(duration grace) : grace_(grace), next_(grace > duration{} ? 0 : 2) {}
  static stop_ladder by_signal(duration grace) {
    stop_ladder ladder{grace};
    ladder.terminate_after_ = duration{};
    ladder.next_ = std::max(ladder.next_, 1);
    return ladder;
  }

  /// A function sees nothing of what it is told but by SIGTERM; `infinity` is no reason to keep it
  /// waiting for that.
  static stop_ladder of_function(duration grace) {
    stop_ladder ladder{grace};
    ladder.terminate_after_ = std::min<duration>(grace / 5, std::chrono::seconds{5});
    return ladder;
  }

  /// For one that ends others first: SIGTERM would end it before them, so it comes last.
  static stop_ladder patient(duration grace) {
    stop_ladder ladder{grace};
    ladder.terminate_after_ = grace;
    return ladder;
  }

  /// From the first step to the last.
  [[nodiscard]] duration grace() const { return grace_; }

  /// The next step, if one is due after `elapsed`.
  [[nodiscard]] std::optional<step> due(duration elapsed) {
    if (next_ > 2 || elapsed < time_of(next_)) return std::nullopt;
    return static_cast<step>(next_++);
  }

  /// When the next step will be due; empty after the last.
  [[nodiscard]] std::optional<duration> next_time() const {
    if (next_ > 2) return std::nullopt;
    return time_of(next_);
  }

private:
  [[nodiscard]] duration time_of(int number) const {
    return number == 0 ? duration{} : number == 1 ? terminate_after_ : grace_;
  }

  duration grace_;
  duration terminate_after_ = grace_ / 5;
  int next_;
};

}  // namespace troupe::policy
