#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "troupe/chunk.hpp"

namespace troupe::wire {

/// How far a receiver is with one inbound link. Written by the receiver alone.
struct progress_slot {
  std::atomic<std::uint64_t> begun;  ///< number of the last message whose handler was entered
  std::atomic<std::uint64_t>
      finished;                       ///< number of the last one that was handled, answer included
  std::atomic<std::uint64_t> window;  ///< bit i: message `begun` - 1 - i was passed over, not begun
  std::atomic<std::uint64_t> current;  ///< number whose handler runs, where it may not be `begun`
};

/// What a progress slot said at one moment, brought into the range that can be true. Pure.
struct progress {
  std::uint64_t begun = 0;
  std::uint64_t finished = 0;
  std::uint64_t window = 0;
  std::uint64_t current = 0;

  [[nodiscard]] bool passed_over(std::uint64_t number) const noexcept {
    const std::uint64_t back = begun - number;
    return number < begun && back <= 64 && ((window >> (back - 1)) & 1U) != 0;
  }
  [[nodiscard]] bool has_begun(std::uint64_t number) const noexcept {
    return number <= begun && !passed_over(number);
  }
  /// Number of the message whose handler was running; 0: none.
  [[nodiscard]] std::uint64_t running() const noexcept {
    return current != 0 ? current : finished < begun ? begun : 0;
  }
  /// Whether the handler of this message has returned.
  [[nodiscard]] bool has_left(std::uint64_t number) const noexcept {
    return has_begun(number) && number != running();
  }
};

/// First page of a link's shared memory; the outbox bytes follow at `ring_offset`, then those of a
/// chunk's outcomes.
///
/// Layout is part of the protocol (docs/wire.md). The peer may write anything at any time: whoever
/// reads clamps to what it knows.
/// A worker's order of stores: begun; the answer's bytes, committed; finished.
struct shared_page {
  static constexpr std::uint32_t magic_number = 0x45505254;  // "TRPE"
  static constexpr std::size_t slots = 60;
  static constexpr std::size_t ring_offset = 4096;
  static constexpr std::size_t ring_bytes = std::size_t{1} << 20;
  static constexpr std::size_t outcomes_offset = ring_offset + ring_bytes;
  static constexpr std::size_t outcomes_bytes = std::size_t{256} << 10;
  static constexpr std::size_t total_bytes = outcomes_offset + outcomes_bytes;
  static constexpr std::size_t parent_slot = 0;

  std::uint32_t magic;
  std::uint32_t version;
  std::uint64_t ring_start;  ///< ring_offset
  std::uint64_t ring_size;   ///< ring_bytes
  /// Written by the parent: counts up when the control socket holds something to read now.
  std::atomic<std::uint32_t> attention;
  /// Written by the parent: how many urgent messages it has put into the mailbox so far.
  std::atomic<std::uint32_t> urgent;
  /// Written by the parent before the process starts: not 0 in one that nobody needs yet, which may
  /// get ready for any role in the meantime.
  std::uint32_t is_spare;
  alignas(64) std::atomic<std::uint64_t> origin;  ///< stream position that lies at ring position 0
  std::atomic<std::uint64_t> committed;           ///< bytes of whole frames given to the stream
  alignas(64) progress_slot progress[slots];
  chunk_slot chunk;  ///< its outcomes lie at `outcomes_offset`
};

static_assert(sizeof(shared_page) <= shared_page::ring_offset);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

/// A stretch of the ring that holds stream bytes which never reached the pipe.
struct ring_rest {
  std::size_t position = 0;
  std::size_t bytes = 0;
};

/// Which ring bytes a dead worker had committed and the pipe had not delivered; `received` counts
/// what the pipe gave. Empty when the numbers can't be true. Pure.
inline ring_rest rest_of_ring(std::uint64_t origin, std::uint64_t committed,
                              std::uint64_t received) {
  if (committed <= received || origin > received) return {};
  const std::uint64_t position = received - origin;
  const std::uint64_t bytes = committed - received;
  if (position > shared_page::ring_bytes || bytes > shared_page::ring_bytes - position) return {};
  return {static_cast<std::size_t>(position), static_cast<std::size_t>(bytes)};
}

/// A peer's number, brought into the range that can be true: between what was known and what was
/// sent.
inline std::uint64_t clamped(std::uint64_t claimed, std::uint64_t known, std::uint64_t sent) {
  return claimed < known ? known : claimed > sent ? sent : claimed;
}

inline progress read_progress(const progress_slot& slot, std::uint64_t known, std::uint64_t sent) {
  progress p;
  p.finished = slot.finished.load(std::memory_order_acquire);  // first: it only follows `begun`
  p.current = slot.current.load(std::memory_order_acquire);
  p.begun = clamped(slot.begun.load(std::memory_order_acquire), known, sent);
  p.window = slot.window.load(std::memory_order_acquire);
  if (p.current > p.begun) p.current = 0;
  return p;
}

}  // namespace troupe::wire
