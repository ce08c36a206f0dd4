#include "screen.hpp"

#include <atomic>
#include <clocale>
#include <csignal>
#include <cstdlib>
#include <cwchar>
#include <iostream>
#include <string_view>

#include "troupe/os/descriptor.hpp"
#include "troupe/os/terminal.hpp"

namespace troupe::tool {

namespace {

constexpr int own_stdout = 1;
std::atomic<bool> told_to_end{false};
int event = -1;

void on_signal(int number) {
  if (number != SIGWINCH) told_to_end = true;
  os::signal_event(event);
}

bool draws(const char* text) {
  std::mbstate_t state{};
  wchar_t c = 0;
  const std::size_t bytes = std::char_traits<char>::length(text);
  return std::mbrtowc(&c, text, bytes, &state) == bytes && wcwidth(c) == 1;
}

}  // namespace

page own_page() {
  static const bool unicode = std::setlocale(LC_CTYPE, "") != nullptr && draws("├") && draws("…");
  return {os::terminal_size(own_stdout).columns, unicode};
}

namespace {

/// Whether it does what `screen` writes.
bool is_full_terminal() {
  const char* const term = std::getenv("TERM");
  return os::terminal_size(own_stdout).columns != 0 && term != nullptr &&
         std::string_view{term} != "dumb";
}

}  // namespace

screen::screen() : terminal_(is_full_terminal()) {
  if (terminal_) std::cout << "\x1b[?1049h\x1b[?25l" << std::flush;
}

screen::~screen() {
  if (terminal_) std::cout << "\x1b[?25h\x1b[?1049l" << std::flush;
}

void screen::show(std::vector<std::string> lines) {
  if (!terminal_) {
    for (const auto& line : lines) std::cout << line << '\n';
    std::cout << std::endl;
    return;
  }
  const auto size = os::terminal_size(own_stdout);
  if (size.rows > 1 && lines.size() > size.rows) {
    const std::size_t hidden = lines.size() - (size.rows - 1);
    lines.resize(size.rows - 1);
    lines.push_back("... " + std::to_string(hidden) + " more");
  }
  std::string text = "\x1b[H";
  for (std::size_t i = 0; i < lines.size(); ++i)
    text += (i == 0 ? "" : "\r\n") + lines[i] + "\x1b[K";
  std::cout << text << "\x1b[J" << std::flush;
}

int signal_event() {
  static const os::descriptor opened = os::open_event();
  event = opened.get();
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGWINCH}) std::signal(number, on_signal);
  return event;
}

signals take_signals() {
  os::clear_event(event);
  return {told_to_end};
}

}  // namespace troupe::tool
