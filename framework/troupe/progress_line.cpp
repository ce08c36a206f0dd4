#include "troupe/progress_line.hpp"

#include <iomanip>
#include <iostream>
#include <sstream>

#include "troupe/os/terminal.hpp"

namespace troupe {

namespace {

constexpr int stderr_fd = 2;
constexpr std::chrono::seconds between_plain_lines{5};

}  // namespace

progress_line::progress_line(std::uint64_t total)
    : total_(total), columns_(os::terminal_size(stderr_fd).columns) {}

progress_line::~progress_line() {
  if (shown_ && columns_ != 0) std::cerr << "\r\033[K" << std::flush;
}

std::string progress_line::text(std::uint64_t done, std::uint64_t total,
                                std::chrono::duration<double> elapsed, const std::string& more) {
  std::ostringstream line;
  const double share = total == 0 ? 1 : static_cast<double>(done) / static_cast<double>(total);
  const double rate = elapsed.count() > 0 ? static_cast<double>(done) / elapsed.count() : 0;
  line << done << " of " << total << " (" << static_cast<int>(share * 100) << "%), " << std::fixed
       << std::setprecision(rate < 10 ? 1 : 0) << rate << "/s, ";
  if (rate > 0) {
    const auto left = static_cast<std::uint64_t>(static_cast<double>(total - done) / rate + 0.5);
    line << left / 60 << ':' << std::setw(2) << std::setfill('0') << left % 60 << " left";
  } else {
    line << "-:-- left";
  }
  if (!more.empty()) line << ", " << more;
  return line.str();
}

void progress_line::show(std::uint64_t done, const std::string& more,
                         std::chrono::steady_clock::time_point now) {
  if (columns_ == 0 && now < next_plain_line_) return;
  std::string line = text(done, total_, now - start_, more);
  if (columns_ == 0) {
    next_plain_line_ = now + between_plain_lines;
    std::cerr << line << std::endl;
    return;
  }
  if (line.size() >= columns_) line.resize(columns_ - 1);
  std::cerr << '\r' << line << "\033[K" << std::flush;
  shown_ = true;
}

}  // namespace troupe
