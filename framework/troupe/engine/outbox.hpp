#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <map>
#include <span>
#include <vector>

#include "troupe/engine_api.hpp"
#include "troupe/wire/byte_queue.hpp"
#include "troupe/wire/envelope.hpp"
#include "troupe/wire/shared_page.hpp"

namespace troupe::engine {

/// Messages on their way to one worker. Each is kept until it can't be needed again: a request
/// until it is answered or its handler has returned, a tell until its handler has. So the
/// outbox is the retransmission queue and, after a crash, holds the message to blame. Pure: it
/// never touches a descriptor.
class outbox {
public:
  static constexpr std::size_t max_messages = 16384;
  static constexpr std::size_t max_bytes = std::size_t{1} << 20;

  enum class type : std::uint8_t { tell, request, answer, order };

  struct entry {
    answer_sink* sink = nullptr;  ///< null: nobody waits (any longer)
    std::uint64_t tag = 0;
    std::uint32_t bytes = 0;
    type is = type::tell;
    bool answered = false;
    bool watches = false;  ///< a request for an end, which no handler ever sees
  };

  /// Whether a message of `bytes` may be added now. A message larger than the bound passes alone.
  [[nodiscard]] bool admits(std::size_t bytes) const noexcept {
    if (unsent_bytes() == 0) return true;  // what is sent is bounded by the pipe
    return entries_.size() - answers_ + parked_ < max_messages &&
           queue_.size() - answer_bytes_ + parked_bytes_ + bytes <= max_bytes;
  }

  /// Adds a message; an answer keeps the number it has, every other gets the next.
  std::uint64_t add(wire::header head, const payload_source& payload, std::size_t room,
                    answer_sink* sink, std::uint64_t tag) {
    const std::uint64_t number = first_ + entries_.size();
    const bool answers = head.kind == wire::Envelope::Kind::ANSWER;
    if (!answers) head.number = number;
    const std::size_t bytes = writer_.write(queue_.reserve(room), room, head, payload);
    queue_.commit(bytes);
    entries_.push_back({sink, tag, static_cast<std::uint32_t>(bytes),
                        answers                                   ? type::answer
                        : head.kind == wire::Envelope::Kind::TELL ? type::tell
                                                                  : type::request,
                        false, head.kind == wire::Envelope::Kind::WATCH});
    count(entries_.back(), true);
    return number;
  }

  /// Adds a rare kind, whose body `fill` builds.
  template <class Fill>
  std::uint64_t add_built(wire::Envelope::Kind kind, std::uint64_t target, Fill fill,
                          std::uint64_t answered_number = 0) {
    const std::uint64_t number = first_ + entries_.size();
    const std::size_t before = queue_.size();
    wire::append_envelope(queue_, kind, answered_number == 0 ? number : answered_number, target,
                          fill);
    entries_.push_back({nullptr, 0, static_cast<std::uint32_t>(queue_.size() - before),
                        answered_number == 0 ? type::order : type::answer, false});
    count(entries_.back(), true);
    return number;
  }

  [[nodiscard]] bool empty() const noexcept {
    return entries_.empty() && open_.empty() && passed_.empty();
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
  /// The worker that it was sent to never read it.
  void offer_again() noexcept { sent_ = 0; }

  /// The request that `number` names, if it was issued and is not answered yet; marks it answered.
  /// What is no request counts as answered: nothing is kept to tell the two apart once it is done.
  enum class match : std::uint8_t { taken, late, never_issued };
  match take(std::uint64_t number, entry& into) {
    if (number == 0 || number >= first_ + entries_.size()) return match::never_issued;
    const auto late = passed_.find(number);
    if (number < first_ && late == passed_.end()) {
      const auto found = open_.find(number);
      if (found == open_.end()) return match::late;
      into = found->second;
      open_.erase(found);
      return match::taken;
    }
    entry& e = number < first_ ? late->second.about : entries_[number - first_];
    if (e.is != type::request || e.answered) return match::late;
    e.answered = true;
    into = e;
    return match::taken;
  }

  /// The request that `number` names, if it is issued and not answered; else null.
  [[nodiscard]] const entry* find_open(std::uint64_t number) const {
    const auto late = passed_.find(number);
    if (number < first_ && late == passed_.end()) {
      const auto found = open_.find(number);
      return found != open_.end() ? &found->second : nullptr;
    }
    if (number >= first_ + entries_.size()) return nullptr;
    const entry& e = number < first_ ? late->second.about : entries_[number - first_];
    return e.is == type::request && !e.answered ? &e : nullptr;
  }

  /// Drops from the front what is sent and settled. What was passed over does not hold up the rest;
  /// nor does what is there for long while answers go by: a handler may ask any number of times.
  void settle(const wire::progress& worker) {
    if (worker.begun != 0) settle_passed(worker);
    const bool parks =
        worker.begun != 0 && (answers_ > max_messages / 2 || answer_bytes_ > max_bytes);
    std::size_t bytes = 0;
    while (!entries_.empty()) {
      const entry& e = entries_.front();
      if (bytes + e.bytes > sent_) break;
      if (settled(e, first_, worker)) {
        if (e.is == type::request && !e.answered) open_.emplace(first_, e);
      } else if (const bool over = worker.passed_over(first_); over || parks) {
        passed_.emplace(first_,
                        passed_message{e, copy_of(queue_.view().subspan(bytes, e.bytes)), !over});
        parked_ += over ? 0 : 1;
        parked_bytes_ += over ? 0 : e.bytes;
      } else {
        break;
      }
      bytes += e.bytes;
      count(e, false);
      entries_.pop_front();
      ++first_;
    }
    if (bytes == 0) return;
    sent_ -= bytes;
    queue_.drop(bytes);
  }
  /// Kept though the pipe has taken it.
  [[nodiscard]] std::size_t sent_bytes() const noexcept { return sent_; }

  /// Of the oldest message that is kept whole.
  [[nodiscard]] std::uint64_t first_number() const noexcept {
    return passed_.empty() ? first_ : passed_.begin()->first;
  }
  [[nodiscard]] std::uint64_t last_number() const noexcept { return first_ + entries_.size() - 1; }

  /// Messages that `worker` has not begun; what only this process has to say (answers, orders) is
  /// none.
  [[nodiscard]] std::size_t not_begun(const wire::progress& worker) const {
    const std::uint64_t known =
        worker.passed.empty() ? worker.begun
                              : worker.newest - std::min(worker.newest, wire::progress::window);
    const std::uint64_t from = std::max(known, first_);
    std::size_t count = 0;
    for (const auto& [n, p] : passed_)
      if (!worker.has_begun(n)) ++count;
    for (std::uint64_t n = from; n < first_ + entries_.size(); ++n) {
      const type is = entries_[n - first_].is;
      if ((is == type::tell || is == type::request) && !worker.has_begun(n)) ++count;
    }
    return count;
  }

  /// Calls `visit(number, entry, frame)` for all that is kept, oldest first; the frame of a request
  /// whose handler has returned is empty.
  template <class Visit>
  void each(Visit visit) {
    for (const auto& [number, e] : open_) visit(number, e, std::span<const std::byte>{});
    for (const auto& [number, p] : passed_)
      visit(number, p.about, std::as_bytes(std::span{p.frame}));
    std::size_t at = 0;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      visit(first_ + i, entries_[i], queue_.view().subspan(at, entries_[i].bytes));
      at += entries_[i].bytes;
    }
  }

  void forget(const answer_sink& sink) noexcept {
    for (auto& e : entries_)
      if (e.sink == &sink) e.sink = nullptr;
    for (auto& [number, e] : open_)
      if (e.sink == &sink) e.sink = nullptr;
    for (auto& [number, p] : passed_)
      if (p.about.sink == &sink) p.about.sink = nullptr;
  }

private:
  using words = std::vector<std::uint64_t>;
  struct passed_message {
    entry about;
    words frame;
    bool parked;  ///< not passed over by the worker: it still counts for what is admitted
  };

  void count(const entry& e, bool added) noexcept {
    if (e.is != type::answer) return;
    answers_ += added ? 1 : std::size_t{0} - 1;
    answer_bytes_ += added ? e.bytes : std::size_t{0} - e.bytes;
  }

  static words copy_of(std::span<const std::byte> frame) {
    words copy(frame.size() / sizeof(std::uint64_t));
    std::memcpy(copy.data(), frame.data(), frame.size());
    return copy;
  }
  void settle_passed(const wire::progress& worker) {
    if (++looks_ * 8 < passed_.size()) return;  // there may be thousands
    looks_ = 0;
    for (auto p = passed_.begin(); p != passed_.end();) {
      const auto& [number, what] = *p;
      if (!settled(what.about, number, worker)) {
        ++p;
        continue;
      }
      if (what.about.is == type::request && !what.about.answered) open_.emplace(number, what.about);
      parked_ -= what.parked ? 1 : 0;
      parked_bytes_ -= what.parked ? what.about.bytes : 0;
      p = passed_.erase(p);
    }
  }

  static bool settled(const entry& e, std::uint64_t number, const wire::progress& worker) noexcept {
    switch (e.is) {
      case type::answer:
        return true;
      case type::request:
        return e.answered || worker.has_left(number);
      default:
        return worker.has_left(number);  // one that is begun may yet be skipped
    }
  }

  wire::byte_queue queue_;
  wire::envelope_writer writer_;
  std::deque<entry> entries_;
  std::map<std::uint64_t, entry> open_;  ///< requests that their handlers have not answered yet
  std::map<std::uint64_t, passed_message>
      passed_;               ///< those before the front entry that are not settled
  std::size_t answers_ = 0;  ///< among the entries, and their bytes
  std::size_t answer_bytes_ = 0;
  std::size_t parked_ = 0;  ///< among the passed ones, and their bytes
  std::size_t parked_bytes_ = 0;
  std::size_t looks_ = 0;    ///< since they were gone through
  std::uint64_t first_ = 1;  ///< number of the front entry
  std::size_t sent_ = 0;     ///< bytes of the queue that the pipe has taken
};

}  // namespace troupe::engine
