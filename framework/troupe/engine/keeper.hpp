#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

namespace troupe::engine {

class core;

/// A thread that runs the loop when nobody else has for 2 ms: so supervision and answers go on
/// while the program computes. It ticks only while others keep entering and leaving the loop; it
/// sleeps without a timer while it runs the loop itself, or another sleeps in it.
///
/// Ends: the destructor stops and joins it.
class keeper {
public:
  explicit keeper(core& of);
  ~keeper();
  keeper(const keeper&) = delete;
  keeper& operator=(const keeper&) = delete;

  /// Another thread has left the loop.
  void note_leave() noexcept {
    leaves_.store(leaves_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    if (resting_.load(std::memory_order_seq_cst)) wake();
  }
  /// Somebody is about to block outside the loop: take it without waiting 2 ms.
  void take_now();

private:
  void run();
  void wake();

  core& core_;
  std::atomic<std::uint64_t> leaves_{0};  ///< by other threads, of which one at a time is inside
  std::atomic<bool> resting_{false};
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stop_ = false;
  bool now_ = false;
  bool awake_ = false;
  std::thread thread_;
};

}  // namespace troupe::engine
