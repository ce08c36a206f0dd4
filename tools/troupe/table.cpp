#include "table.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cwchar>

namespace troupe::tool {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t least_name = 10;
constexpr std::size_t least_role = 5;

/// Text that takes one column for each of its pieces.
using pieces = std::vector<std::string>;

/// What a terminal would obey, or draw wider than one column, becomes a question mark.
pieces printable(const std::string& text) {
  pieces all;
  std::mbstate_t state{};
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at != end) {
    wchar_t c = 0;
    const std::size_t used = std::mbrtowc(&c, at, static_cast<std::size_t>(end - at), &state);
    const bool good = used != 0 && used <= static_cast<std::size_t>(end - at);
    all.push_back(good && wcwidth(c) == 1 ? std::string{at, used} : "?");
    if (!good) state = {};
    at += good ? used : 1;
  }
  return all;
}

std::string cut(const pieces& text, std::size_t columns, bool unicode) {
  std::string out;
  const bool whole = text.size() <= columns;
  const std::size_t kept = whole ? text.size() : columns - (columns > 0 ? 1 : 0);
  for (std::size_t i = 0; i < kept; ++i) out += text[i];
  if (!whole && columns > 0) out += unicode ? "…" : "~";
  return out;
}

struct cell {
  pieces text;
  bool right = false;
};

/// Widths that fit into the page: what is wider than its column's least gives way, in `order`.
std::vector<std::size_t> fit(std::vector<std::size_t> widths, std::size_t columns,
                             const std::vector<std::pair<std::size_t, std::size_t>>& order) {
  std::size_t total = widths.size() - 1;
  for (const std::size_t w : widths) total += w;
  if (columns == 0) return widths;
  for (const auto& [column, least] : order) {
    if (total <= columns || widths[column] <= least) continue;
    const std::size_t less = std::min(total - columns, widths[column] - least);
    widths[column] -= less;
    total -= less;
  }
  return widths;
}

std::string line_of(const std::vector<cell>& cells, const std::vector<std::size_t>& widths,
                    const page& on) {
  pieces line;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (i != 0) line.emplace_back(" ");
    const bool fits = cells[i].text.size() <= widths[i];
    const std::size_t padding = fits ? widths[i] - cells[i].text.size() : 0;
    if (cells[i].right) line.insert(line.end(), padding, " ");
    if (fits) {
      line.insert(line.end(), cells[i].text.begin(), cells[i].text.end());
    } else {
      line.insert(line.end(), cells[i].text.begin(),
                  cells[i].text.begin() + static_cast<std::ptrdiff_t>(widths[i] - 1));
      line.emplace_back(on.unicode ? "…" : "~");
    }
    if (!cells[i].right) line.insert(line.end(), padding, " ");
  }
  while (!line.empty() && line.back() == " ") line.pop_back();
  return cut(line, on.columns == 0 ? line.size() : on.columns, on.unicode);
}

std::vector<std::string> lines_of(const std::vector<std::vector<cell>>& rows, const page& on,
                                  const std::vector<std::pair<std::size_t, std::size_t>>& order) {
  std::vector<std::size_t> widths(rows.front().size());
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], row[i].text.size());
  widths = fit(widths, on.columns, order);
  std::vector<std::string> lines;
  for (const auto& row : rows) lines.push_back(line_of(row, widths, on));
  return lines;
}

/// What stands before each name: which of the lines above go on below.
std::vector<std::string> branches(const std::vector<node>& nodes, bool unicode) {
  const std::array<const char*, 4> drawn =
      unicode ? std::array<const char*, 4>{"├─ ", "└─ ", "│  ", "   "}
              : std::array<const char*, 4>{"|- ", "`- ", "|  ", "   "};
  std::vector<std::string> all(nodes.size());
  std::vector<bool> goes_on;  // by depth: a later sibling exists
  for (std::size_t i = nodes.size(); i-- > 0;) {
    const unsigned depth = nodes[i].depth;
    if (depth == 0) continue;
    const bool is_last = goes_on.size() <= depth || !goes_on[depth];
    goes_on.resize(depth + 1, false);
    goes_on[depth] = true;
    for (unsigned d = 1; d < depth; ++d) all[i] += goes_on[d] ? drawn[2] : drawn[3];
    all[i] += is_last ? drawn[1] : drawn[0];
  }
  return all;
}

std::string percent_text(double percent) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), percent < 99.95 ? "%.1f" : "%.0f", percent);
  return text.data();
}

pieces plain(const std::string& text) {
  return printable(text);
}

}  // namespace

std::string short_time(std::chrono::nanoseconds time) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(time).count();
  std::array<char, 64> text{};
  if (seconds < 60) {
    std::snprintf(text.data(), text.size(), "%llds", static_cast<long long>(seconds));
  } else if (seconds < 3600) {
    std::snprintf(text.data(), text.size(), "%lldm%02llds", static_cast<long long>(seconds / 60),
                  static_cast<long long>(seconds % 60));
  } else if (seconds < 86400) {
    std::snprintf(text.data(), text.size(), "%lldh%02lldm", static_cast<long long>(seconds / 3600),
                  static_cast<long long>(seconds / 60 % 60));
  } else {
    std::snprintf(text.data(), text.size(), "%lldd%02lldh", static_cast<long long>(seconds / 86400),
                  static_cast<long long>(seconds / 3600 % 24));
  }
  return text.data();
}

std::string short_bytes(std::uint64_t bytes) {
  constexpr std::array<char, 4> units{'K', 'M', 'G', 'T'};
  double value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  for (; value >= 999.5 && unit + 1 < units.size(); ++unit) value /= 1024;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), value < 9.95 && unit > 0 ? "%.1f%c" : "%.0f%c", value,
                units[unit]);
  return text.data();
}

std::vector<std::string> tree_lines(const snapshot& of, const page& on) {
  const auto before = branches(of.nodes, on.unicode);
  std::vector<std::vector<cell>> rows;
  const auto right = [](const std::string& text) { return cell{plain(text), true}; };
  const auto left = [](const std::string& text) { return cell{plain(text), false}; };
  // The widths of what changes all the time are set, so that nothing moves in a watched tree.
  rows.push_back({left("NAME"), left("ROLE"), right("PID"), left("STATE"), right("    UP"),
                  right("RESTARTS"), right("MAIL"), right("  RSS"), right(" CPU%")});
  for (std::size_t i = 0; i < of.nodes.size(); ++i) {
    const node& n = of.nodes[i];
    const bool lives = n.uptime > 0ns;
    rows.push_back({left(before[i] + n.name), left(n.role),
                    right(n.pid > 0 ? std::to_string(n.pid) : "-"), left(n.state),
                    right(lives ? short_time(n.uptime) : "-"), right(std::to_string(n.restarts)),
                    right(std::to_string(n.waiting)),
                    right(n.resident_bytes ? short_bytes(*n.resident_bytes) : "-"),
                    right(n.cpu_percent ? percent_text(*n.cpu_percent) : "-")});
  }
  return lines_of(rows, on, {{1, least_role}, {0, least_name}});
}

std::vector<std::string> table_lines(const std::vector<std::vector<std::string>>& rows,
                                     const page& on) {
  std::vector<std::vector<cell>> cells;
  for (const auto& row : rows) {
    cells.emplace_back();
    for (const auto& text : row) cells.back().push_back({plain(text), false});
  }
  return lines_of(cells, on, {});
}

}  // namespace troupe::tool
