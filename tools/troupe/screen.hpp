#pragma once

#include <string>
#include <vector>

#include "table.hpp"

namespace troupe::tool {

/// Of this program's stdout.
page own_page();

/// A terminal that is drawn anew again and again: its other screen, the cursor hidden. What was
/// there before comes back when this goes.
class screen {
public:
  /// No effect, but text after text, when stdout is no terminal.
  screen();
  screen(const screen&) = delete;
  screen& operator=(const screen&) = delete;
  ~screen();

  /// Lines beyond the last row are counted instead of shown.
  void show(std::vector<std::string> lines);

private:
  bool terminal_;
};

/// A descriptor that is readable once SIGINT or SIGTERM came, or the terminal got another size.
int signal_event();
/// What came since the last call.
struct signals {
  bool end = false;
};
signals take_signals();

}  // namespace troupe::tool
