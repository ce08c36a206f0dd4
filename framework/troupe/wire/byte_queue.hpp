#pragma once

#include <kj/debug.h>

#include <cstddef>
#include <cstring>
#include <memory>
#include <span>

namespace troupe::wire {

/// Bytes in order, taken from the front, appended at the back, always in one piece and at a
/// multiple of 8. Grows by doubling; gives memory back when it is empty. Own code: a std::deque has
/// no contiguous storage, a std::vector no cheap front.
class byte_queue {
public:
  [[nodiscard]] std::size_t size() const noexcept { return end_ - begin_; }
  [[nodiscard]] bool empty() const noexcept { return begin_ == end_; }
  [[nodiscard]] std::byte* data() noexcept { return bytes() + begin_; }
  [[nodiscard]] std::span<const std::byte> view() const noexcept {
    return {bytes() + begin_, end_ - begin_};
  }

  /// Room for `count` more bytes at the back; invalidates earlier pointers.
  std::byte* reserve(std::size_t count) {
    if (capacity_ - end_ < count) make_room(count);
    return bytes() + end_;
  }
  /// Makes the first `count` reserved bytes part of the queue.
  void commit(std::size_t count) noexcept { end_ += count; }

  /// Removes `count` bytes from the front.
  void drop(std::size_t count) noexcept {
    begin_ += count;
    if (begin_ != end_) return;
    begin_ = end_ = 0;
    if (capacity_ > keep_bytes) {
      storage_.reset();
      capacity_ = 0;
    }
  }

private:
  static constexpr std::size_t first_bytes = 4096;
  static constexpr std::size_t keep_bytes = std::size_t{2} << 20;

  [[nodiscard]] std::byte* bytes() const noexcept {
    return reinterpret_cast<std::byte*>(storage_.get());
  }

  void make_room(std::size_t count) {
    const std::size_t used = size();
    if (begin_ >= capacity_ / 2 && capacity_ - used >= count) {
      std::memmove(bytes(), bytes() + begin_, used);
    } else {
      std::size_t larger = capacity_ == 0 ? first_bytes : capacity_ * 2;
      while (larger - used < count) larger *= 2;
      std::unique_ptr<std::uint64_t[]> fresh{new std::uint64_t[larger / sizeof(std::uint64_t)]};
      if (used != 0) std::memcpy(fresh.get(), bytes() + begin_, used);
      storage_ = std::move(fresh);
      capacity_ = larger;
    }
    begin_ = 0;
    end_ = used;
  }

  std::unique_ptr<std::uint64_t[]> storage_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace troupe::wire
