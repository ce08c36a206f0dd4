#include "troupe/pool_progress.hpp"

#include <memory>

#include "troupe/progress_line.hpp"

namespace troupe {

using namespace std::chrono_literals;

namespace {

/// A number with its word; empty for none.
std::string counted(std::uint64_t count, const std::string& word) {
  return count == 0 ? "" : ", " + std::to_string(count) + ' ' + word;
}

}  // namespace

std::string progress_text(const pool_progress& now, std::size_t workers) {
  return std::to_string(workers) + " workers" + counted(now.failed, "failed") +
         counted(now.retried, "retried") + counted(now.restarts, "workers died") +
         counted(now.recycled, "workers replaced");
}

timer show_progress(runtime& rt, const pool& of) {
  struct shown {
    std::unique_ptr<progress_line> line;
    std::uint64_t total = 0;
  };
  return rt.every(100ms, [&of, state = std::make_shared<shown>()] {
    const auto now = of.progress();
    if (!now.total || *now.total == 0) return;
    if (state->line == nullptr || state->total != *now.total)
      state->line = std::make_unique<progress_line>(*now.total);
    state->total = *now.total;
    state->line->show(now.done + now.failed, progress_text(now, of.workers().size()));
  });
}

}  // namespace troupe
