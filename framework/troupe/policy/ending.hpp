#pragma once

#include <troupe/supervision_spec.hpp>

#include <cstdint>

namespace troupe::policy {

/// How one life of a child ended, as far as a decision needs it.
struct ending {
  enum class kind : std::uint8_t {
    exited,    ///< by itself; `value` is the exit code
    signaled,  ///< `value` is the signal
    shutdown,  ///< it was asked to end by someone else, or is a supervisor that has ended itself
    watchdog,  ///< killed because it was at one message for too long
    start_failed,  ///< it never lived, or was killed because it was not ready in time
    faulty         ///< killed for what it sent
  };
  kind how = kind::exited;
  int value = 0;
  bool out_of_memory = false;

  /// What does not restart a transient child. OTP: normal, shutdown, {shutdown, _}.
  [[nodiscard]] constexpr bool well() const {
    return !out_of_memory && (how == kind::shutdown || (how == kind::exited && value == 0));
  }
  friend constexpr bool operator==(const ending&, const ending&) = default;
};

/// What is to be done about it: the first rule that matches, else the restart type. An end before
/// it was ready is a failed start, whatever it was; as in OTP that never counts as having ended
/// well.
[[nodiscard]] ending_rule::action decide(const child_spec& child, const ending& how,
                                         bool before_ready);

}  // namespace troupe::policy
