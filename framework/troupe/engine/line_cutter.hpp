#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace troupe::engine {

/// Cuts bytes into lines, one when it is asked for. Longer ones come in pieces. Pure.
class line_cutter {
public:
  static constexpr std::size_t max_line = std::size_t{64} << 10;

  struct piece {
    std::string_view text;  ///< without newline; valid until the next `add`
    bool more = false;      ///< the line goes on in the next one
  };

  void add(std::string_view bytes) {
    unread_.erase(0, begin_);
    looked_ -= begin_;
    begin_ = 0;
    unread_.append(bytes);
  }

  /// Empty: there is no whole line yet.
  std::optional<piece> next() {
    const std::string_view rest = std::string_view{unread_}.substr(begin_);
    const std::size_t newline = rest.substr(0, max_line + 1).find('\n', looked_ - begin_);
    if (newline != std::string_view::npos) return take(rest.substr(0, newline), 1, false);
    if (rest.size() > max_line) return take(rest.substr(0, max_line), 0, true);
    looked_ = unread_.size();
    return std::nullopt;
  }

  /// The unfinished last line, at the end.
  std::optional<piece> last() {
    if (begin_ == unread_.size()) return std::nullopt;
    return take(std::string_view{unread_}.substr(begin_), 0, false);
  }

private:
  piece take(std::string_view text, std::size_t newline, bool more) {
    begin_ += text.size() + newline;
    looked_ = begin_;
    return {text, more};
  }

  std::string unread_;
  std::size_t begin_ = 0;   ///< of what was not taken yet
  std::size_t looked_ = 0;  ///< no newline before it
};

}  // namespace troupe::engine
