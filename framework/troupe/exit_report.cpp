#include "troupe/exit_report.hpp"

#include <string_view>

#include "troupe/os/child.hpp"

namespace troupe {

namespace {

std::string end_of(const exit_report& report) {
  const std::string signal =
      report.signal ? os::signal_name(*report.signal) + (report.core_dumped ? ", core dumped" : "")
                    : std::string{};
  switch (report.cause) {
    case exit_cause::exited:
      return "ended with exit code " + std::to_string(report.exit_code.value_or(-1));
    case exit_cause::signaled:
      return "was killed by " + signal +
             (report.maybe_out_of_memory ? " (the machine was out of memory)" : "") +
             (report.stack_overflow ? " (stack overflow: too deep a recursion or too large local "
                                      "variables for `ulimit -s`)"
                                    : "");
    case exit_cause::out_of_memory:
      return "was killed because it needed more memory than limits.memory_bytes allows it and what "
             "it starts";
    case exit_cause::killed:
      return "was killed by this program with " + signal;
    case exit_cause::stopped:
      return report.signal ? "was stopped with " + signal : std::string{"was stopped"};
    case exit_cause::start_failed:
      return "did not start";
    case exit_cause::bad_message:
      return "was killed because it sent a malformed message";
    case exit_cause::closed_channel:
      return "was killed because it closed its mailbox and lived on";
    case exit_cause::unknown:
      return "ended, and its status was taken by somebody else (a foreign wait, or SIGCHLD "
             "ignored)";
  }
  return "ended";
}

/// Without what a terminal would take for more than text.
std::string last_line_of(std::string_view text) {
  constexpr std::size_t longest = 200;
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  text.remove_prefix(text.rfind('\n') + 1);
  std::string line{text.substr(0, longest)};
  std::erase_if(line, [](unsigned char c) { return c < ' ' || c == 0x7f; });
  return text.size() > longest ? line + "..." : line;
}

}  // namespace

std::string exit_report::sentence() const {
  std::string text = "process";
  if (pid > 0) text += " " + std::to_string(pid);
  if (!role.empty()) text += " (" + role + ")";
  text += ' ' + end_of(*this);
  if (!detail.empty()) text += ": " + detail;
  if (in_progress) text += " while it worked on message " + std::to_string(last_message);
  const bool by_itself = cause == exit_cause::exited || cause == exit_cause::signaled ||
                         cause == exit_cause::start_failed;
  if (const std::string line = last_line_of(stderr_tail); by_itself && !success() && !line.empty())
    text += "; its last line on stderr: " + line;
  return text;
}

}  // namespace troupe
