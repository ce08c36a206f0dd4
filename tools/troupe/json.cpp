#include "json.hpp"

#include <array>
#include <cstdio>

namespace troupe::tool {

namespace {

/// Bytes of the UTF-8 sequence that begins at `at`; 0: there is none.
std::size_t sequence_at(const std::string& text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = byte(at);
  const std::size_t length = lead < 0x80                   ? 1
                             : lead >= 0xc2 && lead < 0xe0 ? 2
                             : lead >= 0xe0 && lead < 0xf0 ? 3
                             : lead >= 0xf0 && lead < 0xf5 ? 4
                                                           : 0;
  if (length == 0 || at + length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte(at + i) & 0xc0U) != 0x80) return 0;
  if (length < 3) return length;
  const unsigned second = byte(at + 1);
  const bool bad = (lead == 0xe0 && second < 0xa0) || (lead == 0xed && second >= 0xa0) ||
                   (lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second >= 0x90);
  return bad ? 0 : length;
}

template <class... Values>
std::string printed(const char* format, Values... values) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), format, values...);
  return text.data();
}

double seconds(std::chrono::nanoseconds of) {
  return std::chrono::duration<double>(of).count();
}

std::string members(const node& n) {
  const auto number = [](auto value) { return std::to_string(value); };
  std::string out = "\"name\": " + json_text(n.name);
  out += ", \"path\": " + (n.path.empty() ? "null" : json_text(n.path));
  out += ", \"role\": " + json_text(n.role);
  out += ", \"pid\": " + (n.pid > 0 ? number(n.pid) : "null");
  out += ", \"state\": " + json_text(n.state);
  out += ", \"uptime_seconds\": " + printed("%.3f", seconds(n.uptime));
  out += ", \"restarts\": " + number(n.restarts);
  out += ", \"mailbox\": " + number(n.waiting);
  out += ", \"rss_bytes\": " + (n.resident_bytes ? number(*n.resident_bytes) : "null");
  out += ", \"cpu_seconds\": " + (n.cpu_time ? printed("%.2f", seconds(*n.cpu_time)) : "null");
  out += ", \"cpu_percent\": " + (n.cpu_percent ? printed("%.1f", *n.cpu_percent) : "null");
  return out;
}

}  // namespace

std::string json_text(const std::string& text) {
  std::string out = "\"";
  for (std::size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    const std::size_t length = sequence_at(text, i);
    if (length == 0) {
      out += "\\ufffd";
    } else if (c == '"' || c == '\\') {
      out += {'\\', text[i]};
    } else if (c < 0x20 || c == 0x7f) {
      out += printed("\\u%04x", static_cast<unsigned>(c));
    } else {
      out.append(text, i, length);
    }
    i += length == 0 ? 1 : length;
  }
  return out + '"';
}

/// Without recursion: a tree may be as deep as it likes.
std::string json_tree(const snapshot& of) {
  std::string out;
  std::size_t open = 0;  // nodes whose children are being written
  for (std::size_t i = 0; i < of.nodes.size(); ++i) {
    const node& n = of.nodes[i];
    const bool is_first = open <= n.depth;
    for (; open > n.depth; --open) out += "]}";
    if (i != 0) out += is_first ? "\n" : ",\n";
    out += std::string(2 * n.depth, ' ') + "{" + members(n) + ", \"children\": [";
    open = n.depth + 1;
  }
  for (; open > 0; --open) out += "]}";
  return out + '\n';
}

}  // namespace troupe::tool
