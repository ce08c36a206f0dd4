#pragma once

#include <atomic>
#include <cstdint>

namespace troupe::engine {

/// Which thread runs a loop and may touch what belongs to it: one at a time, as often nested as it
/// likes. Taking a loop that is free costs one compare-and-swap.
class loop_owner {
public:
  using thread_mark = std::uint32_t;

  /// A number of the calling thread, never 0.
  static thread_mark this_thread() noexcept {
    static std::atomic<thread_mark> last{0};
    thread_local const thread_mark mine = last.fetch_add(1, std::memory_order_relaxed) + 1;
    return mine;
  }

  [[nodiscard]] bool is_mine() const noexcept {
    return owner_.load(std::memory_order_relaxed) == this_thread();
  }
  [[nodiscard]] bool is_free() const noexcept {
    return owner_.load(std::memory_order_seq_cst) == 0;
  }

  [[nodiscard]] bool try_take() noexcept {
    if (is_mine()) {
      ++depth_;
      return true;
    }
    thread_mark nobody = 0;
    if (!owner_.compare_exchange_strong(nobody, this_thread(), std::memory_order_acquire))
      return false;
    depth_ = 1;
    return true;
  }

  /// Waits for it; `ask()` is called when another has it, to make that one give it up.
  template <class Ask>
  void take(Ask ask) {
    if (try_take()) return;
    wanted_.fetch_add(1, std::memory_order_seq_cst);
    while (!try_take()) {
      const thread_mark other = owner_.load(std::memory_order_relaxed);
      if (other == 0) continue;
      ask();
      owner_.wait(other, std::memory_order_relaxed);
    }
    wanted_.fetch_sub(1, std::memory_order_relaxed);
  }

  /// True when it is free now.
  bool give_up() noexcept {
    if (--depth_ != 0) return false;
    free();
    return true;
  }

  /// Whether another thread waits for it.
  [[nodiscard]] bool is_wanted() const noexcept {
    return wanted_.load(std::memory_order_seq_cst) != 0;
  }

  /// Lets others have it though the owner is nested in it; `retake` restores that.
  [[nodiscard]] unsigned let_go() noexcept {
    const unsigned depth = depth_;
    free();
    return depth;
  }
  template <class Ask>
  void retake(unsigned depth, Ask ask) {
    take(ask);
    depth_ = depth;
  }

private:
  void free() noexcept {
    depth_ = 0;
    owner_.store(0, std::memory_order_seq_cst);
    if (is_wanted()) owner_.notify_all();
  }

  std::atomic<thread_mark> owner_{0};
  std::atomic<std::uint32_t> wanted_{0};
  unsigned depth_ = 0;  ///< the owner's
};

}  // namespace troupe::engine
