#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

/// Any program as a child of a supervisor: plain data, checked with the rest of the spec.
namespace troupe {

/// What tells that a program is ready.
struct ready_when {
  enum class sign : std::uint8_t { started, line, notified };

  sign by = sign::started;
  int descriptor = 1;     ///< of `line`
  std::string text = {};  ///< of `line`: what it must hold; empty: any line will do

  /// As soon as the system has executed it.
  static ready_when started() { return {}; }
  /// When it writes a line that holds `text` to its stdout (1), or to a descriptor from 3 to 9 that
  /// it finds open for nothing else. Source: s6's notification-fd.
  static ready_when line(int descriptor = 1, std::string text = {}) {
    return {sign::line, descriptor, std::move(text)};
  }
  /// When it, or a process of its group, says READY=1 to the socket that NOTIFY_SOCKET names.
  /// Source: sd_notify(3).
  static ready_when notified() { return {sign::notified, 1, {}}; }
};

/// A program and what it finds when it begins. Its stdin is /dev/null and its stdout this program's
/// own unless something else is said here or to `execute`; its stderr is passed on line by line,
/// and the end of it is in the exit_report.
struct program_spec {
  /// The program and its arguments. Without a '/', the first is looked for in the PATH of the
  /// program's environment; a relative path is one from `directory`.
  std::vector<std::string> argv = {};
  /// Names and values that are added to what it inherits, or replace it.
  std::vector<std::pair<std::string, std::string>> environment = {};
  /// It inherits nothing of what this program was started with, but the mark of its tree.
  bool clean_environment = false;
  std::string directory = {};  ///< empty: this program's own
  ready_when ready = {};
  /// A string sent to the child's handle becomes a line of its stdin.
  bool takes_lines = false;
};

/// A line of a program's stdout, for the actor that `execute` names.
struct program_line {
  std::string child;  ///< path of the child: "services/web"
  int pid = -1;
  std::string text;  ///< without its newline; bytes, in whatever encoding
  /// The line is longer than 64 KiB and goes on in the next message.
  bool more = false;
};

}  // namespace troupe
