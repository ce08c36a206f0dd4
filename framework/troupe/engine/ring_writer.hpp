#pragma once

#include <cstddef>
#include <vector>

#include "troupe/os/descriptor.hpp"
#include "troupe/wire/shared_page.hpp"

namespace troupe::engine {

/// A worker's outbox: frames are built in the shared ring, counted as committed, then written to
/// the pipe from there. So a frame that is committed reaches the parent even if the worker dies
/// before the write. Starts at the ring's front again whenever the pipe has taken everything.
class ring_writer {
public:
  ring_writer(wire::shared_page& page, std::byte* ring, int pipe)
      : page_(page), ring_(ring), pipe_(pipe) {}

  /// Calls `build(room)`, which writes at most `bytes` there and returns how many, then commits.
  template <class Build>
  void add(std::size_t bytes, Build build) {
    if (bytes > wire::shared_page::ring_bytes) {
      add_large(bytes, build);
      return;
    }
    if (wire::shared_page::ring_bytes - (committed_ - origin_) < bytes) flush();
    if (written_ == committed_) rewind();
    committed_ += build(ring_ + (committed_ - origin_));
    page_.committed.store(committed_, std::memory_order_release);
  }

  [[nodiscard]] std::size_t unwritten() const noexcept { return committed_ - written_; }

  /// Writes all that is committed; waits while the pipe is full (the parent always reads).
  void flush() {
    while (written_ != committed_) {
      const auto done = os::write_some(pipe_, {ring_ + (written_ - origin_), unwritten()});
      if (done.why == os::transfer::end::would_block) {
        wait_for_room();
      } else if (done.why == os::transfer::end::closed) {
        written_ = committed_;  // no parent is left to read it: room for what comes next
        return;
      }
      written_ += done.bytes;
    }
  }

private:
  static constexpr int large_pipe_bytes = 256 * 1024;

  void wait_for_room() {
    if (!asked_for_larger_) os::try_pipe_size(pipe_, large_pipe_bytes);
    asked_for_larger_ = true;
    os::wait_writable(pipe_, -1);
  }

  void rewind() {
    if (origin_ == committed_) return;
    origin_ = committed_;
    page_.origin.store(origin_, std::memory_order_release);
  }

  /// A frame larger than the ring passes by itself; it counts when the pipe has all of it.
  template <class Build>
  void add_large(std::size_t bytes, Build build) {
    flush();
    std::vector<std::uint64_t> words(bytes / sizeof(std::uint64_t) + 1);
    auto* const at = reinterpret_cast<std::byte*>(words.data());
    const std::size_t used = build(at);
    os::write_all(pipe_, {at, used});
    committed_ += used;
    written_ = committed_;
    rewind();
    page_.committed.store(committed_, std::memory_order_release);
  }

  wire::shared_page& page_;
  std::byte* ring_;
  int pipe_;
  bool asked_for_larger_ = false;
  std::uint64_t origin_ = 0;
  std::uint64_t committed_ = 0;
  std::uint64_t written_ = 0;
};

}  // namespace troupe::engine
