#pragma once

#include <functional>
#include <map>
#include <optional>
#include <unordered_map>

#include "troupe/engine_api.hpp"

namespace troupe::engine {

/// What is to be called at a time. Pure: the caller passes the time.
class timer_queue {
public:
  using id = std::uint64_t;

  void add(id timer, clock::time_point when, std::function<void()> what) {
    due_.emplace(when, entry{timer, std::move(what)});
    times_.emplace(timer, when);
  }

  void cancel(id timer) {
    const auto when = times_.find(timer);
    if (when == times_.end()) return;
    auto [at, end] = due_.equal_range(when->second);
    while (at != end && at->second.timer != timer) ++at;
    if (at != end) due_.erase(at);
    times_.erase(when);
  }

  [[nodiscard]] std::optional<clock::time_point> next() const {
    return due_.empty() ? std::nullopt : std::optional{due_.begin()->first};
  }

  /// Takes out the first that is due; null: none is.
  std::function<void()> take(clock::time_point now) {
    if (due_.empty() || due_.begin()->first > now) return nullptr;
    entry first = std::move(due_.begin()->second);
    due_.erase(due_.begin());
    times_.erase(first.timer);
    return std::move(first.what);
  }

private:
  struct entry {
    id timer;
    std::function<void()> what;
  };
  std::multimap<clock::time_point, entry> due_;
  std::unordered_map<id, clock::time_point> times_;
};

}  // namespace troupe::engine
