#include "troupe/pool_settings.hpp"

#include <algorithm>
#include <iomanip>
#include <sstream>

namespace troupe {

namespace {

std::string time_text(std::chrono::nanoseconds t) {
  std::ostringstream text;
  text << std::setprecision(3);
  const auto ns = static_cast<double>(t.count());
  if (ns >= 1e9) {
    text << ns / 1e9 << " s";
  } else if (ns >= 1e6) {
    text << ns / 1e6 << " ms";
  } else {
    text << ns / 1e3 << " us";
  }
  return text.str();
}

double share(std::chrono::nanoseconds part, std::chrono::nanoseconds of) {
  return of.count() <= 0 ? 0 : static_cast<double>(part.count()) / static_cast<double>(of.count());
}

}  // namespace

std::string pool_report::text() const {
  const auto items = progress.done + progress.failed;
  std::ostringstream text;
  text << items << " items in " << time_text(wall) << ", " << workers
       << " workers: " << progress.done << " done, " << progress.failed << " failed, "
       << progress.retried << " retried, " << progress.restarts << " workers died\n"
       << "compute " << time_text(compute) << " in all workers, idle there " << time_text(idle)
       << "; here encode " << time_text(encode) << ", decode " << time_text(decode)
       << "; an item queued for " << time_text(queue) << ", first worker up after "
       << time_text(start) << '\n'
       << chunks << " chunks, the last of " << chunk_size << " items: " << why << '\n'
       << advice();
  return text.str();
}

std::string pool_report::advice() const {
  const auto items = progress.done + progress.failed;
  if (items == 0)
    return "No item of a map, starmap or stream has ended yet; totals() counts all calls.";
  const auto each = compute / static_cast<std::int64_t>(items);
  const auto here = encode + decode;
  if (share(here, wall) > 0.5)
    return "The parent is the bottleneck: let items and results be smaller, or each item do more.";
  if (share(start, wall) > 0.5)
    return "Most of the time went into starting workers: keep the pool for several calls.";
  const bool idled =
      share(idle, wall * static_cast<std::int64_t>(std::max<std::size_t>(workers, 1))) > 0.3;
  if (idled && share(held_back, wall) > 0.3)
    return "Items waited for the pool's items_per_second: only a higher limit makes it faster.";
  if (chunks > items / 2 && each < std::chrono::microseconds{100} && items > 1000)
    return "Items of " + time_text(each) + " travel alone: let the chunk size be chosen (0).";
  if (idled)
    return items < 4 * workers
               ? "There are too few items for so many workers."
               : "Workers were idle for long: their items came too slowly, or a few "
                 "long ones were left at the end; give those first.";
  return "The workers were busy: more of them, if there are CPUs, would make it faster.";
}

}  // namespace troupe
