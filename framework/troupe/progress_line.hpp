#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace troupe {

/// Tells on stderr how far some work is: done, rate, time left. On a terminal one line that is
/// written over; elsewhere a plain line now and then. Ends: the destructor clears the terminal's
/// line.
class progress_line {
public:
  explicit progress_line(std::uint64_t total);
  progress_line(const progress_line&) = delete;
  progress_line& operator=(const progress_line&) = delete;
  ~progress_line();

  /// `more` is put at the end: "4 workers, 2 restarts". Cheap enough to call ten times a second.
  void show(std::uint64_t done, const std::string& more,
            std::chrono::steady_clock::time_point now = std::chrono::steady_clock::now());

  /// The text for a moment: "1,234 of 58,344 files" without the words. Pure.
  static std::string text(std::uint64_t done, std::uint64_t total,
                          std::chrono::duration<double> elapsed, const std::string& more);

private:
  std::uint64_t total_;
  unsigned columns_;  ///< of the terminal; 0: there is none
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point next_plain_line_ = start_ + std::chrono::seconds{1};
  bool shown_ = false;
};

}  // namespace troupe
