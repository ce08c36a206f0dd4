#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace troupe::wire {

/// How far a receiver is with one inbound link. Written by the receiver alone.
struct progress_slot {
  std::atomic<std::uint64_t> begun;  ///< number of the last message whose handler was entered
  std::atomic<std::uint64_t>
      finished;                       ///< number of the last one that was handled, answer included
  std::atomic<std::uint64_t> window;  ///< bit i: message `begun` - 1 - i was passed over, not begun
  std::uint64_t reserved;
};

/// First page of a link's shared memory; the outbox bytes follow at `ring_offset`.
///
/// Layout is part of the protocol (docs/wire.md). The peer may write anything at any time: whoever
/// reads clamps to what it knows.
/// A worker's order of stores: begun; the answer's bytes, committed; finished.
struct shared_page {
  static constexpr std::uint32_t magic_number = 0x45505254;  // "TRPE"
  static constexpr std::size_t slots = 60;
  static constexpr std::size_t ring_offset = 4096;
  static constexpr std::size_t ring_bytes = std::size_t{1} << 20;
  static constexpr std::size_t total_bytes = ring_offset + ring_bytes;
  static constexpr std::size_t parent_slot = 0;

  std::uint32_t magic;
  std::uint32_t version;
  std::uint64_t ring_start;  ///< ring_offset
  std::uint64_t ring_size;   ///< ring_bytes
  /// Written by the parent: counts up when the control socket holds something to read now.
  std::atomic<std::uint32_t> attention;
  std::uint32_t padding;
  alignas(64) std::atomic<std::uint64_t> origin;  ///< stream position that lies at ring position 0
  std::atomic<std::uint64_t> committed;           ///< bytes of whole frames given to the stream
  alignas(64) progress_slot progress[slots];
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

}  // namespace troupe::wire
