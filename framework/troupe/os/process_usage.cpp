#include "troupe/os/process_usage.hpp"

#include <unistd.h>

#include <sstream>
#include <string>

#include "troupe/os/file.hpp"

namespace troupe::os {

std::optional<process_usage> usage_of(int pid) {
  const std::string stat = file_contents("/proc/" + std::to_string(pid) + "/stat");
  const auto name_end = stat.rfind(')');  // the name may hold anything
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields{stat.substr(name_end + 1)};
  constexpr int utime = 14, stime = 15, rss = 24;
  std::int64_t ticks = 0, pages = 0;
  std::string field;
  for (int number = 3; number <= rss && fields >> field; ++number) {
    if (number == utime || number == stime) ticks += std::stoll(field);
    if (number == rss) pages = std::stoll(field);
  }
  process_usage usage;
  usage.resident_bytes =
      static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  usage.cpu_time = std::chrono::nanoseconds{std::chrono::seconds{1}} * ticks / sysconf(_SC_CLK_TCK);
  return usage;
}

}  // namespace troupe::os
