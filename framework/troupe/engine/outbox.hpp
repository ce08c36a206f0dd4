#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>

#include "troupe/engine_api.hpp"
#include "troupe/wire/byte_queue.hpp"
#include "troupe/wire/envelope.hpp"

namespace troupe::engine {

/// Messages on their way to one worker. Each is kept until it can't be needed again: a request until
/// it is answered, a tell until the worker has begun it. So the outbox is the retransmission queue
/// and, after a crash, holds the message to blame. Pure: it never touches a descriptor.
class outbox {
public:
  static constexpr std::size_t max_messages = 16384;
  static constexpr std::size_t max_bytes = std::size_t{1} << 20;

  struct entry {
    answer_sink* sink = nullptr;  ///< null: nobody waits (any longer)
    std::uint64_t tag = 0;
    std::uint32_t bytes = 0;
    bool request = false;
    bool answered = false;
  };

  /// Whether a message of `bytes` may be added now. A message larger than the bound passes alone.
  [[nodiscard]] bool admits(std::size_t bytes) const noexcept {
    if (unsent_bytes() == 0) return true;  // what is sent is bounded by the pipe
    return entries_.size() < max_messages && queue_.size() + bytes <= max_bytes;
  }

  std::uint64_t add(wire::Envelope::Kind kind, std::uint64_t target, const payload_source& payload,
                    std::size_t room, answer_sink* sink, std::uint64_t tag) {
    const std::uint64_t number = first_ + entries_.size();
    const std::size_t bytes =
        writer_.write(queue_.reserve(room), room, kind, number, target, payload);
    queue_.commit(bytes);
    entries_.push_back({sink, tag, static_cast<std::uint32_t>(bytes),
                        kind == wire::Envelope::Kind::REQUEST, false});
    return number;
  }

  /// Adds a rare kind, whose body `fill` builds.
  template <class Fill>
  std::uint64_t add_built(wire::Envelope::Kind kind, std::uint64_t target, Fill fill) {
    const std::uint64_t number = first_ + entries_.size();
    const std::size_t before = queue_.size();
    wire::append_envelope(queue_, kind, number, target, fill);
    entries_.push_back({nullptr, 0, static_cast<std::uint32_t>(queue_.size() - before), false, false});
    return number;
  }

  [[nodiscard]] std::span<const std::byte> unsent() const noexcept {
    return queue_.view().subspan(sent_);
  }
  [[nodiscard]] std::size_t unsent_bytes() const noexcept { return queue_.size() - sent_; }
  /// The last message is the only one that waits.
  [[nodiscard]] bool holds_one_unsent() const noexcept {
    return !entries_.empty() && unsent_bytes() == entries_.back().bytes;
  }
  void sent(std::size_t bytes) noexcept { sent_ += bytes; }
  /// Everything is to be written again, to a new pipe.
  void rewind() noexcept { sent_ = 0; }

  /// The request that `number` names, if it was issued and is not answered yet; marks it answered.
  enum class match : std::uint8_t { taken, late, never_issued };
  match take(std::uint64_t number, entry& into) noexcept {
    if (number == 0 || number >= first_ + entries_.size()) return match::never_issued;
    if (number < first_) return match::late;
    entry& e = entries_[number - first_];
    if (!e.request) return match::never_issued;
    if (e.answered) return match::late;
    e.answered = true;
    into = e;
    return match::taken;
  }

  /// Drops from the front what is sent and settled; `begun` is how far the worker says it is.
  void settle(std::uint64_t begun) noexcept {
    std::size_t bytes = 0;
    while (!entries_.empty()) {
      const entry& e = entries_.front();
      if (!(e.request ? e.answered : first_ <= begun) || bytes + e.bytes > sent_) break;
      bytes += e.bytes;
      entries_.pop_front();
      ++first_;
    }
    if (bytes == 0) return;
    sent_ -= bytes;
    queue_.drop(bytes);
  }

  [[nodiscard]] std::uint64_t last_number() const noexcept { return first_ + entries_.size() - 1; }

  /// Calls `visit(number, entry, frame)` for all that is kept, oldest first.
  template <class Visit>
  void each(Visit visit) {
    std::size_t at = 0;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      visit(first_ + i, entries_[i], queue_.view().subspan(at, entries_[i].bytes));
      at += entries_[i].bytes;
    }
  }

  void forget(const answer_sink& sink) noexcept {
    for (auto& e : entries_)
      if (e.sink == &sink) e.sink = nullptr;
  }

private:
  wire::byte_queue queue_;
  wire::envelope_writer writer_;
  std::deque<entry> entries_;
  std::uint64_t first_ = 1;  ///< number of the front entry
  std::size_t sent_ = 0;     ///< bytes of the queue that the pipe has taken
};

}  // namespace troupe::engine
