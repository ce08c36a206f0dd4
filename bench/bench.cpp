#include "bench.hpp"

#include <sys/resource.h>
#include <fstream>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <numeric>

namespace bench {

void report::value(const std::string& metric, double value, const char* unit) {
  if (json_) {
    std::printf(
        "{\"bench\":\"%s\",\"system\":\"%s\",\"metric\":\"%s\",\"value\":%.9g,\"unit\":\"%s\"}\n",
        benchmark_.c_str(), system_.c_str(), metric.c_str(), value, unit);
  } else {
    std::printf("%-3s  %-28s %-18s %14.4f %s\n", benchmark_.c_str(), system_.c_str(),
                metric.c_str(), value, unit);
  }
  std::fflush(stdout);
}

double samples::percentile(double share) {
  require(!microseconds_.empty(), "a benchmark took no samples");
  const auto rank =
      std::min(microseconds_.size() - 1,
               static_cast<std::size_t>(share * static_cast<double>(microseconds_.size())));
  const auto nth = microseconds_.begin() + static_cast<std::ptrdiff_t>(rank);
  std::nth_element(microseconds_.begin(), nth, microseconds_.end());
  return *nth;
}

void samples::print(report& to, const std::string& prefix) {
  to.value(prefix + "p50", percentile(0.50), "us");
  to.value(prefix + "p99", percentile(0.99), "us");
  const double sum = std::accumulate(microseconds_.begin(), microseconds_.end(), 0.0);
  to.value(prefix + "mean", sum / static_cast<double>(microseconds_.size()), "us");
}

double own_cpu_us() {
  rusage use{};
  getrusage(RUSAGE_SELF, &use);
  const auto in_us = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_usec);
  };
  return in_us(use.ru_utime) + in_us(use.ru_stime);
}

double cpu_us(const troupe::exit_report& of) {
  return static_cast<double>((of.user_time + of.system_time).count());
}

double sum_of(const std::string& path, const std::vector<std::string>& names) {
  std::ifstream file{path};
  require(file.good(), "a file of /proc can't be read");
  double sum = 0;
  for (std::string line; std::getline(file, line);)
    for (const auto& name : names)
      if (line.rfind(name + ':', 0) == 0) sum += std::stod(line.substr(name.size() + 1));
  return sum;
}

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "troupe_bench: %s\n", what);
  std::_Exit(3);
}

}  // namespace bench
