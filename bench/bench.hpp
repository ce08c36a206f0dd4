#pragma once

#include <troupe/troupe.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

/// What the benchmarks share: a clock, samples, and lines of results.
namespace bench {

using clock = std::chrono::steady_clock;
using std::chrono::duration;

/// The message of all benchmarks: a number and 64 bytes.
using body = std::array<char, 64>;
using mail = std::pair<std::uint64_t, body>;

/// Where the figures of one system go.
class report {
public:
  report(std::string benchmark, std::string system, bool json)
      : benchmark_(std::move(benchmark)), system_(std::move(system)), json_(json) {}
  void value(const std::string& metric, double value, const char* unit);

private:
  std::string benchmark_;
  std::string system_;
  bool json_;
};

/// Times of one operation, repeated.
class samples {
public:
  void add(clock::duration time) {
    microseconds_.push_back(duration<double, std::micro>(time).count());
  }
  void print(report& to, const std::string& prefix);

private:
  double percentile(double share);
  std::vector<double> microseconds_;
};

/// CPU time of this process, in microseconds.
double own_cpu_us();
/// CPU time of a process that has ended, in microseconds.
double cpu_us(const troupe::exit_report& of);

/// Sums the numbers behind each of `names` in a file of /proc.
double sum_of(const std::string& path, const std::vector<std::string>& names);

/// Ends the program when a figure would be of something else than what was to be measured.
void require(bool holds, const char* what);

/// One system under measurement. Each runs in a process of its own, with its workers.
struct entry {
  std::string benchmark;
  std::string system;
  std::function<void(troupe::runtime&, report&)> run;
  bool one_core = false;  ///< all its processes share a core
  bool by_exec = false;   ///< its workers are started by exec
};

std::vector<entry> ask_entries();
std::vector<entry> tell_entries();
std::vector<entry> start_entries();
std::vector<entry> map_entries();
std::vector<entry> restart_entries();
std::vector<entry> actor_entries();
std::vector<entry> supervise_entries();
std::vector<entry> decide_entries();

}  // namespace bench
