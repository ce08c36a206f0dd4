// What came of a member's items: by its answers, or by the shared page of a worker that died.
#include <algorithm>
#include <csignal>
#include <cstring>
#include <utility>

#include "troupe/engine/outcome_reader.hpp"
#include "troupe/engine/pool_core.hpp"
#include "troupe/engine/pool_member.hpp"

namespace troupe::engine {

namespace {

/// Users know items, not messages.
std::string end_at_item(exit_report report, std::uint64_t index) {
  report.in_progress = false;
  return report.sentence() + " while it worked on item " + std::to_string(index);
}

/// It did so by itself, or for its memory, and while it was at no message.
bool ended_at_rest(const exit_report& report) {
  if (report.in_progress) return false;
  switch (report.cause) {
    case exit_cause::exited:
      return !report.success();
    case exit_cause::signaled:
      return report.maybe_out_of_memory ||
             (report.signal != SIGKILL && report.signal != SIGTERM && report.signal != SIGINT);
    default:
      return report.cause == exit_cause::out_of_memory;
  }
}

errc code_of_number(std::uint64_t number) {
  return number >= 1 && number <= static_cast<std::uint64_t>(errc::discarded)
             ? static_cast<errc>(number)
             : errc::exception;
}

}  // namespace

/// Where outcomes lie in their chunk. `in_page`: as the page says; their head doesn't know yet.
outcome_head pool_member::head_of(std::span<const std::byte> bytes,
                                  const std::optional<places>& in_page, const pool_chunk& chunk) {
  outcome_head head;
  KJ_REQUIRE(bytes.size() >= sizeof head, "outcomes without their head");
  std::memcpy(&head, bytes.data(), sizeof head);
  if (in_page) {
    head.first = in_page->kept;
    head.count = in_page->done - in_page->kept;
  }
  KJ_REQUIRE(head.first <= chunk.count() && head.count <= chunk.count() - head.first,
             "outcomes of items that were never sent");
  return head;
}

void pool_member::take_outcomes(sent& s, std::span<const std::byte> bytes,
                                const std::optional<places>& in_page) {
  pool_chunk& chunk = *s.what;
  const outcome_head head = head_of(bytes, in_page, chunk);
  if (head.first + head.count <= chunk.settled) return;  // known already
  KJ_REQUIRE(head.first == chunk.settled, "outcomes out of their order");
  const auto weight = s.of->measured.weight(static_cast<std::size_t>(head.count));
  const auto begin = weight != 0 ? clock::now() : clock::time_point{};
  outcome_reader in{bytes.subspan(sizeof head), head};
  const std::size_t last = chunk.settled + static_cast<std::size_t>(head.count);
  while (chunk.settled < last)
    if (!take_values(s, in, last)) take_fault(s, in);
  if (weight != 0) s.of->decode += (clock::now() - begin) * weight;
  if (in_page) return;
  const std::chrono::nanoseconds took{static_cast<std::int64_t>(head.compute_ns)};
  s.of->compute += took;
  chunk.compute += took;
  s.of->sizes().finished(static_cast<std::size_t>(head.count), took, bytes.size());
}

/// Those that come next, up to the chunk's item `last`. False: there are none.
bool pool_member::take_values(sent& s, outcome_reader& in, std::size_t last) {
  const outcome_head& head = in.head();
  pool_chunk& chunk = *s.what;
  const bool one_by_one = s.of->any_settled_early();
  value_run run{in.at(),
                in.lead(),
                head.value_bytes,
                0,
                chunk.index(chunk.settled),
                chunk.indexes.empty() ? nullptr : chunk.indexes.data() + chunk.settled};
  if (!one_by_one && head.timed == 0 && head.value_bytes != size_varies)
    run.count = in.skip_values(last - chunk.settled);
  while (chunk.settled + run.count < last && in.kind() == outcome_kind::value) {
    if (head.timed != 0) s.of->note_time(in.time());
    in.skip_value();
    ++run.count;
    if (one_by_one) break;
  }
  if (run.count == 0) return false;
  const bool wanted = !one_by_one || !s.of->is_settled_early(run.index);
  settled(run.count);
  s.of->given -= run.count;
  chunk.settled += run.count;
  if (wanted) s.of->deliver(run);
  return true;
}

/// The item failed, or asks for another attempt.
void pool_member::take_fault(sent& s, outcome_reader& in) {
  pool_chunk& chunk = *s.what;
  const outcome_kind kind = in.kind();
  const fault_text fault = in.take_fault();
  const std::size_t place = chunk.settled++;
  settled(1);
  --s.of->given;
  failure why{errc::exception, fault.text, nullptr, {}};
  std::optional<std::chrono::nanoseconds> pause;
  if (kind == outcome_kind::retry_after || kind == outcome_kind::snooze) {
    pause = std::chrono::nanoseconds{
        std::max<std::int64_t>(static_cast<std::int64_t>(fault.number), 0)};
  } else {
    why.code = code_of_number(fault.number & ~memory_ran_out);
    if ((fault.number & memory_ran_out) != 0) process_->retires = true;
  }
  if (kind == outcome_kind::discard || why.code == errc::too_large || why.code == errc::cancelled) {
    if (!s.of->is_settled_early(chunk.index(place))) s.of->deliver(chunk.index(place), why);
    return;
  }
  const auto how = why.code == errc::deadline ? item_fault::deadline : item_fault::exception;
  pool_.item_failed(s.of, chunk.slice(place, place + 1), how, why, pause,
                    kind == outcome_kind::snooze);
}

void pool_member::settled(std::size_t items) {
  held_ -= items;
  process_->items += items;
}

void pool_member::part(std::uint64_t tag, const payload_view& answer) {
  sent* const s = find(tag);
  if (s == nullptr) return;
  take_outcomes(*s, answer.plain, std::nullopt);
  pool_.list(s->of);
}

void pool_member::answered(std::uint64_t tag, const payload_view& answer) {
  sent* const known = find(tag);
  if (known == nullptr) return;  // taken back
  take_outcomes(*known, answer.plain, std::nullopt);
  finished(tag);
}

void pool_member::finished(std::uint64_t tag) {
  sent s = take_out(tag);
  const job_ptr of = s.of;
  if (s.what->sent != clock::time_point{}) {
    of->queued += (clock::now() - s.what->sent - s.what->compute) *
                  static_cast<std::int64_t>(s.what->count());
    of->queued_items += s.what->count();
  }
  release(std::move(s));
  pool_.served(*this, of);
}

void pool_member::failed(std::uint64_t tag, const failure& why) {
  if (find(tag) == nullptr) return;
  sent s = take_out(tag);
  const job_ptr of = s.of;
  if (why.report != nullptr && why.code == errc::worker_lost) {
    died(std::move(s), why);
  } else if (why.report != nullptr && why.report != judged_ && ended_at_rest(*why.report)) {
    unread(std::move(s), why);
  } else if (why.report != nullptr || why.code == errc::stopped) {
    release(std::move(s));  // not begun
  } else {                  // the worker could not make sense of it
    const std::size_t rest = s.what->count() - s.what->settled;
    for (std::size_t i = s.what->settled; i < s.what->count(); ++i)
      if (!of->is_settled_early(s.what->index(i))) of->deliver(s.what->index(i), why);
    s.what->settled = s.what->count();
    held_ -= rest;
    of->given -= rest;
    release(std::move(s));
  }
  pool_.served(*this, of);
}

std::optional<pool_member::outcomes_in_page> pool_member::look_at_page(const sent& s) const {
  const chunk_slot* const page = process_->process().chunk();
  if (page == nullptr || page->number.load(std::memory_order_acquire) != s.number)
    return std::nullopt;
  const std::uint64_t done = page->done.load(std::memory_order_acquire);
  const std::uint64_t kept = page->kept.load(std::memory_order_acquire);
  const std::uint64_t bytes = page->bytes.load(std::memory_order_acquire);
  const auto room = process_->process().outcomes();
  if (kept != s.what->settled || done <= kept || done > s.what->count() || bytes > room.size())
    return std::nullopt;
  return outcomes_in_page{{kept, done}, room.first(static_cast<std::size_t>(bytes))};
}

/// Of a dead worker.
void pool_member::take_last_outcomes(sent& s) {
  const auto left = look_at_page(s);
  if (!left) return;
  try {
    take_outcomes(s, left->bytes, left->at);
  } catch (const kj::Exception&) {
    // it wrote there what it should not; what was read counts
  }
}

bool pool_member::take_finished() {
  if (sent_.empty()) return false;
  sent& s = sent_.front();
  const chunk_slot* const page = process_->process().chunk();
  if (page == nullptr || page->number.load(std::memory_order_acquire) != s.number ||
      page->done.load(std::memory_order_acquire) != s.what->count())
    return false;
  try {
    if (const auto all = look_at_page(s)) {
      take_outcomes(s, all->bytes, std::nullopt);
      finished(s.tag);
      return true;
    }
  } catch (const kj::Exception&) {
    // it wrote there what it should not, which its answer will show
  }
  return process_->process().read_answers();
}

/// Its worker spent it on items that it can't account for any more. A dead worker's page may be
/// spoilt: nothing was begun before the member got it.
void pool_member::count_last_time(const sent& s) const {
  const chunk_slot* const page = process_->process().chunk();
  if (page == nullptr || page->number.load(std::memory_order_acquire) != s.number) return;
  const std::uint64_t told = page->since.load(std::memory_order_acquire);
  if (told == 0) return;
  const clock::time_point since{std::chrono::nanoseconds{static_cast<std::int64_t>(told)}};
  const auto took = clock::now() - std::max(since, busy_since_);
  s.of->compute += std::max(took, clock::duration{});
}

void pool_member::died(sent&& s, const failure& why) {
  count_last_time(s);
  take_last_outcomes(s);
  const std::size_t place = s.what->settled;
  if (place < s.what->count()) {
    ++s.what->settled;
    --held_;
    --s.of->given;
    blame(s, place, why);
  }
  release(std::move(s));
}

/// Most likely that ended its worker. Of many items nobody knows which, so halves go on.
void pool_member::unread(sent&& s, const failure& why) {
  judged_ = why.report;
  const std::size_t count = s.what->count();
  held_ -= count;
  s.of->given -= count;
  if (count == 1) {
    pool_.item_unread(s.of, s.what->slice(0, 1), why);
  } else {
    pool_.put_back(s.of, s.what->slice(count / 2, count));
    pool_.put_back(s.of, s.what->slice(0, count / 2));
  }
  s.what->settled = count;
  release(std::move(s));
}

void pool_member::blame(sent& s, std::size_t place, const failure& why) {
  pool_chunk item = s.what->slice(place, place + 1);
  const std::uint64_t index = item.index(0);
  if (intent_ && intent_->killing) {  // by the pool itself
    const bool meant = intent_->tag == s.tag && intent_->place == place;
    if (meant && intent_->why == purpose::deadline) {
      failure late = why;
      late.code = errc::deadline;
      late.text =
          "item " + std::to_string(index) +
          " took longer than it may, its worker was ended: " + end_at_item(*why.report, index);
      pool_.item_failed(s.of, std::move(item), item_fault::deadline, late, std::nullopt, false);
    } else if (!meant || intent_->why == purpose::memory) {
      pool_.put_back(s.of, std::move(item));  // no fault of its own
    }
    return;
  }
  if (pool_.is_stopping()) {
    failure stopped = why;
    stopped.code = errc::stopped;
    if (!s.of->is_settled_early(index)) s.of->deliver(index, stopped);
    return;
  }
  failure lost = why;
  lost.text =
      end_at_item(*why.report, index) +
      "; it may have been carried out, wholly or in part: repeat it only if that does no harm";
  pool_.item_failed(s.of, std::move(item), item_fault::crash, lost, std::nullopt, false);
}

}  // namespace troupe::engine
