#pragma once

#include <caf/allowed_unsafe_message_type.hpp>
#include <caf/error.hpp>

#include <memory>
#include <stdexcept>
#include <string>

#include "troupe/errc.hpp"
#include "troupe/exit_report.hpp"

namespace troupe {

/// Makes a caf::error equal to `code`; CAF finds this by name.
caf::error make_error(errc code);
/// With the sentence for a user, and the report of the process that ended, if one did.
caf::error make_error(errc code, std::string sentence,
                      std::shared_ptr<const exit_report> report = nullptr);

/// The sentence of an error: what happened, to which process or item, and whether the work may have
/// happened. Takes errors of Troupe and of CAF.
std::string describe(const caf::error& error);

/// The code of one of Troupe's errors, or the one that says most of one of CAF's: `unknown_message`
/// for unexpected_message, `unanswered` for a timeout, `stopped` for a receiver that had ended. Any
/// other comes out of a handler, which had begun: `exception`.
errc errc_of(const caf::error& error) noexcept;
/// The bare sentence of one of Troupe's errors; describe() of any other.
std::string sentence_of(const caf::error& error);

/// How the process ended that failed the request; null when none did.
std::shared_ptr<const exit_report> report_of(const caf::error& error);

/// What `result::value()` throws.
class failure : public std::runtime_error {
public:
  explicit failure(caf::error error);
  [[nodiscard]] const caf::error& error() const noexcept { return error_; }

private:
  caf::error error_;
};

}  // namespace troupe

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::shared_ptr<const troupe::exit_report>)
