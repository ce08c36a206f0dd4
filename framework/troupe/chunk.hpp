#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <utility>
#include <vector>

/// Items of a pool that travel together, and their outcomes: the shapes that both ends share. A
/// chunk is a `chunk_head`, the places where items of varying size end, and the items; what comes
/// back is an `outcome_head` and an outcome for each item, in their order.
namespace troupe {

/// How far a worker is inside the chunk of items that it works on, in the page that it shares with
/// its parent. Layout is part of the protocol (docs/wire.md).
/// A worker's order of stores for each item: the outcome's bytes, `bytes`, `done`.
struct chunk_slot {
  // Written by the worker.
  alignas(64) std::atomic<std::uint64_t> number;  ///< message of the chunk
  std::atomic<std::uint64_t> done;   ///< items with an outcome: the place of the one in progress
  std::atomic<std::uint64_t> kept;   ///< place of the first outcome that was not sent
  std::atomic<std::uint64_t> bytes;  ///< of the outcomes from `kept` on, their head included
  std::atomic<std::uint64_t> began;  ///< steady clock in ns: begin of the item in progress, or 0
  std::atomic<std::uint64_t> since;  ///< the same clock: begin of what no head accounts for yet
  // Written by the parent.
  alignas(64) std::atomic<std::uint64_t> give_back;  ///< chunk whose rest others shall have
  std::atomic<std::uint64_t> cancel;                 ///< item that is asked to end, see `item_id`
  std::atomic<std::uint64_t> revoked;                ///< messages not to begin, see `revoked_range`

  [[nodiscard]] static constexpr std::uint64_t item_id(std::uint64_t message,
                                                       std::uint64_t place) noexcept {
    return (message << 24) | (place + 1);
  }
};

/// The messages from `first` to `last` by their low halves, in one word. 0: none.
struct revoked_range {
  std::uint32_t first = 0;
  std::uint32_t last = 0;

  static revoked_range of(std::uint64_t word) noexcept {
    return {static_cast<std::uint32_t>(word >> 32), static_cast<std::uint32_t>(word)};
  }
  [[nodiscard]] std::uint64_t word() const noexcept { return (std::uint64_t{first} << 32) | last; }
  [[nodiscard]] bool has(std::uint64_t number) const noexcept {
    return word() != 0 && static_cast<std::uint32_t>(number) - first <= last - first;
  }
};

constexpr std::uint64_t most_items_in_chunk = std::uint64_t{1} << 20;
/// Instead of a size that all items, or all values, have.
constexpr std::uint64_t size_varies = ~std::uint64_t{0};

struct chunk_head {
  std::uint64_t count = 0;
  std::uint64_t item_bytes = size_varies;
  std::uint64_t timed = 0;    ///< 1: say when each item began and how long it took
  std::uint64_t soft_ns = 0;  ///< after this an item is asked to end; 0: never
};

struct outcome_head {
  std::uint64_t first = 0;  ///< place in the chunk
  std::uint64_t count = 0;
  std::uint64_t value_bytes = size_varies;
  std::uint64_t timed = 0;       ///< 1: each outcome has its time in ns after its first byte
  std::uint64_t compute_ns = 0;  ///< what those took that came with this head
};

/// First byte of an outcome. A value follows, after its size in 4 bytes where sizes vary; or a text
/// in the same way, before it 8 bytes: the error's number in errc, or a delay in ns.
enum class outcome_kind : std::uint8_t { value, failed, discard, retry_after, snooze };

/// Bytes that grow without being cleared.
class byte_block {
public:
  byte_block() = default;
  byte_block(byte_block&& other) noexcept
      : data_(std::move(other.data_)),
        size_(std::exchange(other.size_, 0)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  byte_block& operator=(byte_block&& other) noexcept {
    data_ = std::move(other.data_);
    size_ = std::exchange(other.size_, 0);
    capacity_ = std::exchange(other.capacity_, 0);
    return *this;
  }

  std::byte* grow(std::size_t count) {
    if (size_ + count > capacity_) reserve(size_ + count);
    std::byte* const at = data_.get() + size_;
    size_ += count;
    return at;
  }
  void reserve(std::size_t wanted) {
    if (wanted <= capacity_) return;
    const std::size_t larger = wanted < 2 * capacity_ ? 2 * capacity_ : wanted;
    auto room = std::make_unique_for_overwrite<std::byte[]>(larger);
    if (size_ != 0) std::memcpy(room.get(), data_.get(), size_);
    data_ = std::move(room);
    capacity_ = larger;
  }
  void clear() noexcept { size_ = 0; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::span<const std::byte> view() const noexcept { return {data_.get(), size_}; }

private:
  std::unique_ptr<std::byte[]> data_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

/// Items one after the other, encoded.
struct item_block {
  byte_block bytes;
  std::vector<std::uint32_t> ends;  ///< of each item, where sizes vary
  std::vector<std::uint64_t> keys;  ///< of each item, where workers are chosen by key
  std::uint64_t item_bytes = size_varies;
  std::size_t count = 0;

  [[nodiscard]] std::span<const std::byte> item(std::size_t place) const {
    if (item_bytes != size_varies)
      return bytes.view().subspan(place * item_bytes, static_cast<std::size_t>(item_bytes));
    const std::size_t from = place == 0 ? 0 : ends[place - 1];
    return bytes.view().subspan(from, ends[place] - from);
  }
  /// Appends an item of another block.
  void add(std::span<const std::byte> item) {
    if (!item.empty()) std::memcpy(bytes.grow(item.size()), item.data(), item.size());
    if (item_bytes == size_varies) ends.push_back(static_cast<std::uint32_t>(bytes.size()));
    ++count;
  }
};

/// Values of neighbouring items, in one piece, as they were received.
struct value_run {
  const std::byte* at = nullptr;  ///< the first outcome
  std::size_t lead = 1;           ///< bytes of each outcome before its value, or the value's size
  std::uint64_t value_bytes = size_varies;
  std::size_t count = 0;
  std::uint64_t index = 0;                 ///< of the first item in the input
  const std::uint64_t* indexes = nullptr;  ///< instead, if the items are not neighbours there

  /// Calls `visit(index, bytes)` for each.
  template <class Visit>
  void each(Visit visit) const {
    const std::byte* now = at;
    for (std::size_t i = 0; i < count; ++i) {
      now += lead;
      std::size_t size = static_cast<std::size_t>(value_bytes);
      if (value_bytes == size_varies) {
        std::uint32_t varying = 0;
        std::memcpy(&varying, now, sizeof varying);
        size = varying;
        now += sizeof varying;
      }
      visit(indexes != nullptr ? indexes[i] : index + i, std::span{now, size});
      now += size;
    }
  }
};

}  // namespace troupe
