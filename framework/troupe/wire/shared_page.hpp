#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <vector>

#include "troupe/chunk.hpp"

namespace troupe::wire {

/// How far a receiver is where messages were passed over: overtaken, or skipped by their actor.
struct progress_record {
  std::atomic<std::uint64_t> begun;    ///< the highest number that was begun or passed over
  std::atomic<std::uint64_t> current;  ///< number whose handler runs; 0: none
};

/// How far a receiver is with its mailbox. Written by the receiver alone; whole at any instant, as
/// it may be killed at any.
struct progress_slot {
  /// Bits for so many messages; half of them tell, so that the others can be made ready.
  static constexpr std::uint64_t bits = 16384;

  std::atomic<std::uint64_t> begun;  ///< number of the last message whose handler was entered
  std::atomic<std::uint64_t>
      finished;  ///< number of the last one that was handled, answer included
  /// Odd: not the two above but record `turn` / 2 % 2 counts. Changes with every new record.
  std::atomic<std::uint64_t> turn;
  progress_record records[2];
  /// With a record: bit n % `bits` for message n, which was passed over, unless it is `current`.
  std::atomic<std::uint64_t> passed[bits / 64];
};

/// What a progress slot said at one moment, brought into the range that can be true. Pure.
struct progress {
  /// What was passed over so many messages ago counts as begun.
  static constexpr std::uint64_t window = progress_slot::bits / 2;

  std::uint64_t begun = 0;
  std::uint64_t finished = 0;
  std::uint64_t current = 0;
  std::uint64_t newest = 0;             ///< the last message that `passed` tells of
  std::vector<std::uint64_t> passed{};  ///< as in the slot; empty: nothing was passed over

  [[nodiscard]] bool passed_over(std::uint64_t number) const noexcept {
    if (passed.empty() || number > newest || newest - number >= window || number == current)
      return false;
    const std::uint64_t bit = number % progress_slot::bits;
    return ((passed[bit / 64] >> (bit % 64)) & 1U) != 0;
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
  static constexpr std::size_t ring_offset = 4096;
  static constexpr std::size_t ring_bytes = std::size_t{1} << 20;
  static constexpr std::size_t outcomes_offset = ring_offset + ring_bytes;
  static constexpr std::size_t outcomes_bytes = std::size_t{256} << 10;
  static constexpr std::size_t total_bytes = outcomes_offset + outcomes_bytes;

  std::uint32_t magic;
  std::uint32_t version;
  std::uint64_t ring_start;  ///< ring_offset
  std::uint64_t ring_size;   ///< ring_bytes
  /// Written by the parent: counts up when the control socket holds something to read now.
  std::atomic<std::uint32_t> attention;
  /// Written by the parent: how many urgent messages it has put into the mailbox so far.
  std::atomic<std::uint32_t> urgent;
  /// Written by the parent before the process starts: whether it has time to get ready for any role
  /// before it gets one. `expected`: some 100 us; `kept`: nobody needs it yet.
  enum class spare_kind : std::uint32_t { none, expected, kept } spare;
  /// Likewise: not 0 in one that starts beside many others. Nobody hurries to answer it, so it
  /// leaves the core to them while it waits.
  std::uint32_t is_one_of_many;
  /// Likewise: not 0 in one that another is to replace at once, so that its death is to be known
  /// before its memory is free.
  std::uint32_t is_replaced_at_once;
  /// Written by the worker as it dies: not 0 when its stack was full.
  std::atomic<std::uint32_t> stack_overflow;
  /// Written by the worker: not 0 while a supervisor of its has others to end first, which SIGTERM
  /// would cut off.
  std::atomic<std::uint32_t> ends_others;
  alignas(64) std::atomic<std::uint64_t> origin;  ///< stream position that lies at ring position 0
  std::atomic<std::uint64_t> committed;           ///< bytes of whole frames given to the stream
  alignas(64) progress_slot progress;
  alignas(64) chunk_slot chunk;  ///< its outcomes lie at `outcomes_offset`
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

/// Of a process that lives, too: what it says then of a message that it has left stays true.
inline progress read_progress(const progress_slot& slot, std::uint64_t known, std::uint64_t sent) {
  constexpr int tries = 64;  // a peer may change it for ever
  for (int i = 0; i < tries; ++i) {
    progress p;
    const std::uint64_t turn = slot.turn.load(std::memory_order_acquire);
    const progress_record& record = slot.records[turn / 2 % 2];
    if (turn % 2 != 0) {
      p.begun = clamped(record.begun.load(std::memory_order_acquire), known, sent);
      p.current = record.current.load(std::memory_order_acquire);
      p.passed.reserve(std::size(slot.passed));
      for (const auto& word : slot.passed) p.passed.push_back(word.load(std::memory_order_acquire));
      if (p.current > p.begun) p.current = 0;
    } else {
      p.finished = slot.finished.load(std::memory_order_acquire);  // first: it only follows `begun`
      p.begun = clamped(slot.begun.load(std::memory_order_acquire), known, sent);
    }
    if (slot.turn.load(std::memory_order_relaxed) != turn) continue;
    p.newest = p.begun;
    while (p.begun > known && p.passed_over(p.begun)) --p.begun;
    if (turn % 2 != 0) p.finished = p.begun;
    return p;
  }
  return {};
}

}  // namespace troupe::wire
