#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

namespace troupe::engine {

/// Cuts a worker's stderr into lines and keeps the tail for its exit report. Pure.
class line_splitter {
public:
  static constexpr std::size_t max_line = std::size_t{64} << 10;
  static constexpr std::size_t tail_bytes = std::size_t{16} << 10;

  /// Calls `line(text)` for each whole line, newline included; longer ones are cut at 64 KiB.
  template <class Line>
  void add(std::string_view bytes, Line line) {
    tail_.append(bytes);
    seen_ += bytes.size();
    if (tail_.size() > 4 * tail_bytes) trim();
    while (!bytes.empty()) {
      const std::size_t room = max_line - pending_.size();
      const std::size_t newline = bytes.substr(0, room + 1).find('\n');
      const bool whole = newline != std::string_view::npos;
      const std::size_t count = whole ? newline + 1 : std::min(room, bytes.size());
      pending_.append(bytes.substr(0, count));
      bytes.remove_prefix(count);
      if (whole || !bytes.empty()) flush(line);
    }
  }

  /// The unfinished last line, at the end.
  template <class Line>
  void finish(Line line) {
    if (!pending_.empty()) flush(line);
  }

  /// Bytes added so far.
  [[nodiscard]] std::size_t seen() const noexcept { return seen_; }

  /// The last 16 KiB, from a line's beginning where that is possible.
  [[nodiscard]] std::string tail() {
    trim();
    return tail_;
  }

private:
  template <class Line>
  void flush(Line& line) {
    if (pending_.back() != '\n') pending_ += '\n';
    line(std::string_view{pending_});
    pending_.clear();
  }

  void trim() {
    if (tail_.size() <= tail_bytes) return;
    tail_.erase(0, tail_.size() - tail_bytes);
    const std::size_t newline = tail_.find('\n');
    if (newline != std::string::npos && newline + 1 < tail_.size()) tail_.erase(0, newline + 1);
  }

  std::string pending_;
  std::string tail_;
  std::size_t seen_ = 0;
};

}  // namespace troupe::engine
