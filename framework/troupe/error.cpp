#include "troupe/error.hpp"

#include <caf/atom.hpp>
#include <caf/exit_reason.hpp>
#include <caf/make_message.hpp>
#include <caf/message.hpp>
#include <caf/sec.hpp>

namespace troupe {

namespace {

const caf::atom_value category = caf::atom("troupe");
using report_ptr = std::shared_ptr<const exit_report>;

}  // namespace

caf::error make_error(errc code) {
  return caf::error{static_cast<std::uint8_t>(code), category};
}

caf::error make_error(errc code, std::string sentence, report_ptr report) {
  return caf::error{static_cast<std::uint8_t>(code), category,
                    report == nullptr ? caf::make_message(std::move(sentence))
                                      : caf::make_message(std::move(sentence), std::move(report))};
}

std::string describe(const caf::error& error) {
  if (!error) return "no error";
  const auto& context = error.context();
  const bool with_text = !context.empty() && context.match_element<std::string>(0);
  if (error.category() == category) {
    const std::string name{to_string(static_cast<errc>(error.code()))};
    if (!with_text) return name;
    const auto& text = context.get_as<std::string>(0);
    return text.starts_with(name + ':') ? text : name + ": " + text;
  }
  if (error.category() == caf::atom("system")) {
    std::string name = to_string(static_cast<caf::sec>(error.code()));
    return with_text ? name + ": " + context.get_as<std::string>(0) : name;
  }
  if (error.category() == caf::atom("exit"))
    return to_string(static_cast<caf::exit_reason>(error.code()));
  return "error " + std::to_string(error.code()) + " of " + to_string(error.category());
}

errc errc_of(const caf::error& error) noexcept {
  if (!error || error.category() == caf::atom("exit")) return errc::stopped;
  if (error.category() == category) return static_cast<errc>(error.code());
  if (error == caf::sec::request_receiver_down) return errc::stopped;
  if (error == caf::sec::unexpected_message) return errc::unknown_message;
  if (error == caf::sec::request_timeout) return errc::unanswered;
  return errc::exception;
}

std::string sentence_of(const caf::error& error) {
  const bool ours = error && error.category() == category && !error.context().empty() &&
                    error.context().match_element<std::string>(0);
  return ours ? error.context().get_as<std::string>(0) : describe(error);
}

report_ptr report_of(const caf::error& error) {
  if (!error || error.category() != category) return nullptr;
  const auto& context = error.context();
  return context.match_elements<std::string, report_ptr>() ? context.get_as<report_ptr>(1)
                                                           : nullptr;
}

failure::failure(caf::error error) : runtime_error(describe(error)), error_(std::move(error)) {}

}  // namespace troupe
