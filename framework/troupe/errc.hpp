#pragma once

#include <cstdint>
#include <string_view>

namespace troupe {

/// What a request to a process can fail with. Travels as caf::error (error.hpp); each message says
/// whether the work may have happened.
enum class errc : std::uint8_t {
  not_started = 1,  ///< the process ended before it began this message: repeating is safe
  worker_lost,      ///< the process ended after it began: the work may have happened
  stopped,          ///< sent to a process that had already ended, or was being stopped: not begun
  gave_up,          ///< its supervisor gave up
  start_failed,     ///< the process never came up: not begun
  mailbox_full,     ///< the bounded mailbox had no room: not sent
  too_large,        ///< over the size limit: not sent
  bad_message,      ///< bytes of the wrong shape
  unknown_message,  ///< the receiver does not take this type of message
  exception,        ///< the function, or handler, threw or failed; the text says how
  refused,          ///< a supervisor or registry does not do that now; the text says why
  unanswered,       ///< no answer, in time or at all: the work may have happened
  deadline,         ///< an item took longer than it may; its worker was ended
  cancelled,        ///< an item was cancelled; it may have begun
  discarded         ///< the function threw `discard`: the item is not worth another attempt
};

/// "worker_lost" and so on.
constexpr std::string_view to_string(errc code) noexcept {
  switch (code) {
    case errc::not_started:
      return "not_started";
    case errc::worker_lost:
      return "worker_lost";
    case errc::stopped:
      return "stopped";
    case errc::gave_up:
      return "gave_up";
    case errc::start_failed:
      return "start_failed";
    case errc::mailbox_full:
      return "mailbox_full";
    case errc::too_large:
      return "too_large";
    case errc::bad_message:
      return "bad_message";
    case errc::unknown_message:
      return "unknown_message";
    case errc::exception:
      return "exception";
    case errc::refused:
      return "refused";
    case errc::unanswered:
      return "unanswered";
    case errc::deadline:
      return "deadline";
    case errc::cancelled:
      return "cancelled";
    case errc::discarded:
      return "discarded";
  }
  return "unknown";
}

}  // namespace troupe
