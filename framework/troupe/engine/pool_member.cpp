#include "troupe/engine/pool_member.hpp"

#include <algorithm>
#include <csignal>
#include <utility>

#include "troupe/engine/pool_core.hpp"

namespace troupe::engine {

namespace {

/// An outcome that is no value.
struct fault_text {
  std::uint64_t number = 0;
  std::string text;
};

/// Goes through outcomes as a worker wrote them. @throws kj::Exception when they make no sense.
class outcome_reader {
public:
  outcome_reader(std::span<const std::byte> bytes, const outcome_head& head)
      : rest_(bytes), lead_(head.timed != 0 ? 1 + sizeof(std::uint64_t) : 1), head_(head) {}

  [[nodiscard]] std::size_t lead() const noexcept { return lead_; }
  [[nodiscard]] const std::byte* at() const noexcept { return rest_.data(); }
  [[nodiscard]] outcome_kind kind() const {
    need(lead_);
    const auto kind = static_cast<std::uint8_t>(rest_[0]);
    KJ_REQUIRE(kind <= static_cast<std::uint8_t>(outcome_kind::snooze), "an unknown outcome");
    return static_cast<outcome_kind>(kind);
  }
  [[nodiscard]] std::chrono::nanoseconds time() const {
    std::uint64_t ns = 0;
    if (lead_ > 1) std::memcpy(&ns, rest_.data() + 1, sizeof ns);
    return std::chrono::nanoseconds{static_cast<std::int64_t>(ns & (~std::uint64_t{0} >> 1))};
  }
  /// Values from here on, `most` at most, where all have one size and no time.
  std::size_t skip_values(std::size_t most) {
    const std::size_t each = lead_ + static_cast<std::size_t>(head_.value_bytes);
    most = std::min(most, rest_.size() / each);
    std::size_t count = 0;
    while (count < most && rest_[count * each] == std::byte{0}) ++count;
    rest_ = rest_.subspan(count * each);
    return count;
  }
  void skip_value() {
    rest_ = rest_.subspan(lead_);
    std::size_t size = static_cast<std::size_t>(head_.value_bytes);
    if (head_.value_bytes == size_varies) size = read<std::uint32_t>();
    need(size);
    rest_ = rest_.subspan(size);
  }
  fault_text take_fault() {
    rest_ = rest_.subspan(lead_);
    fault_text f;
    f.number = read<std::uint64_t>();
    const std::size_t size = read<std::uint32_t>();
    need(size);
    f.text.assign(reinterpret_cast<const char*>(rest_.data()), size);
    rest_ = rest_.subspan(size);
    return f;
  }

private:
  void need(std::size_t bytes) const { KJ_REQUIRE(rest_.size() >= bytes, "outcomes end too soon"); }
  template <class T>
  T read() {
    need(sizeof(T));
    T value;
    std::memcpy(&value, rest_.data(), sizeof value);
    rest_ = rest_.subspan(sizeof value);
    return value;
  }

  std::span<const std::byte> rest_;
  std::size_t lead_;
  const outcome_head& head_;
};

/// Users know items, not messages.
std::string end_at_item(exit_report report, std::uint64_t index) {
  report.in_progress = false;
  return report.sentence() + " while it worked on item " + std::to_string(index);
}

errc code_of_number(std::uint64_t number) {
  return number >= 1 && number <= static_cast<std::uint64_t>(errc::discarded)
             ? static_cast<errc>(number)
             : errc::exception;
}

}  // namespace

pool_member::pool_member(pool_core& pool, std::size_t place, std::unique_ptr<pool_process> in)
    : pool_(pool), place_(place), process_(std::move(in)) {
  process_->belongs_to(*this);
}

pool_member::~pool_member() {
  pool_.owner().cancel(kill_timer_);
  for (auto& s : sent_) s.of->given -= s.what->count() - s.what->settled;
  if (process_ != nullptr) process_->process().forget(*this);
}

std::uint64_t pool_member::quota() const {
  const std::uint64_t most = pool_.settings().max_tasks_per_child;
  return most == 0 ? most_items_in_chunk : most - std::min(most, given_);
}

bool pool_member::can_take() const {
  return !full && !closing && process_->is_prepared() && !process_->has_ended() &&
         !process_->retires && quota() != 0 && process_->process().has_room();
}

bool pool_member::give(const job_ptr& of, std::unique_ptr<pool_chunk> what) {
  link& to = process_->process();
  const wire::header head{wire::Envelope::Kind::REQUEST, 0, process_->target_of(of->what())};
  const chunk_head about{what->count(), what->items.item_bytes, of->timed() ? 1U : 0U,
                         static_cast<std::uint64_t>(of->how().soft_deadline.count())};
  const std::uint64_t tag = next_tag_++;
  auto failed = to.post(head, what->source(about), this, tag);
  if (failed && failed->code == errc::mailbox_full) {
    to.flush();  // now its room is the pipe's to tell
    failed = to.post(head, what->source(about), this, tag);
  }
  if (!failed) {
    if (sent_.empty()) busy_since_ = clock::now();
    what->sent = of->measured.weight(what->count()) != 0 ? clock::now() : clock::time_point{};
    what->compute = {};
    held_ += what->count();
    given_ += what->count();
    of->given += what->count();
    ++of->chunks;
    sent_.push_back({tag, to.last_number(), of, std::move(what)});
    if (const auto limit = of->hard_deadline()) pool_.watch_deadlines(deadline(*limit));
    return true;
  }
  if (failed->code == errc::too_large && what->count() == 1) {
    of->deliver(what->index(0), *failed);
    return true;
  }
  if (failed->code == errc::too_large) {  // one by one they may fit
    const std::size_t half = what->count() / 2;
    pool_.put_back(of, what->slice(half, what->count()));
    pool_.put_back(of, what->slice(0, half));
    return true;
  }
  full = true;
  pool_.put_back(of, std::move(*what));
  return false;
}

pool_member::sent* pool_member::find(std::uint64_t tag) {
  const auto found =
      std::find_if(sent_.begin(), sent_.end(), [tag](const sent& s) { return s.tag == tag; });
  return found != sent_.end() ? &*found : nullptr;
}

pool_member::sent pool_member::take_out(std::uint64_t tag) {
  const auto found =
      std::find_if(sent_.begin(), sent_.end(), [tag](const sent& s) { return s.tag == tag; });
  sent s = std::move(*found);
  if (found == sent_.begin()) {
    sent_.pop_front();
  } else {
    sent_.erase(found);
  }
  if (sent_.empty()) idle_since_ = clock::now();
  return s;
}

/// What has no outcome yet goes back to where items wait.
void pool_member::release(sent&& s) {
  const std::size_t rest = s.what->count() - s.what->settled;
  held_ -= rest;
  s.of->given -= rest;
  if (rest != 0) pool_.put_back(s.of, std::move(*s.what));
  pool_.list(s.of);
  pool_.reuse(std::move(s.what));
  pool_.feed_soon();
}

/// `in_page`: where they begin and end, as the page says; their head doesn't know yet.
void pool_member::take_outcomes(sent& s, std::span<const std::byte> bytes,
                                const std::optional<places>& in_page) {
  outcome_head head;
  KJ_REQUIRE(bytes.size() >= sizeof head, "outcomes without their head");
  std::memcpy(&head, bytes.data(), sizeof head);
  if (in_page) {
    head.first = in_page->kept;
    head.count = in_page->done - in_page->kept;
  }
  pool_chunk& chunk = *s.what;
  KJ_REQUIRE(head.first <= chunk.count() && head.count <= chunk.count() - head.first,
             "outcomes of items that were never sent");
  if (head.first + head.count <= chunk.settled) return;  // known already
  KJ_REQUIRE(head.first == chunk.settled, "outcomes out of their order");
  const auto weight = s.of->measured.weight(static_cast<std::size_t>(head.count));
  const auto begin = weight != 0 ? clock::now() : clock::time_point{};
  outcome_reader in{bytes.subspan(sizeof head), head};
  const std::size_t last = chunk.settled + static_cast<std::size_t>(head.count);
  const bool one_by_one = s.of->any_settled_early();
  while (chunk.settled < last) {
    value_run run{in.at(),
                  in.lead(),
                  head.value_bytes,
                  0,
                  chunk.index(chunk.settled),
                  chunk.indexes.empty() ? nullptr : chunk.indexes.data() + chunk.settled};
    outcome_kind kind = outcome_kind::value;
    if (!one_by_one && head.timed == 0 && head.value_bytes != size_varies)
      run.count = in.skip_values(last - chunk.settled);
    while (chunk.settled + run.count < last && (kind = in.kind()) == outcome_kind::value) {
      if (head.timed != 0) s.of->note_time(in.time());
      in.skip_value();
      ++run.count;
      if (one_by_one) break;
    }
    if (run.count != 0) {
      const bool wanted = !one_by_one || !s.of->is_settled_early(run.index);
      settled(run.count);
      s.of->given -= run.count;
      chunk.settled += run.count;
      if (wanted) s.of->deliver(run);
      continue;
    }
    const fault_text fault = in.take_fault();
    const std::size_t place = chunk.settled++;
    settled(1);
    --s.of->given;
    failure why{errc::exception, fault.text, nullptr, {}};
    std::optional<std::chrono::nanoseconds> pause;
    item_fault how = item_fault::exception;
    if (kind == outcome_kind::retry_after || kind == outcome_kind::snooze) {
      pause = std::chrono::nanoseconds{
          static_cast<std::int64_t>(fault.number & (~std::uint64_t{0} >> 1))};
    } else {
      why.code = code_of_number(fault.number & ~memory_ran_out);
      if ((fault.number & memory_ran_out) != 0) process_->retires = true;
      if (why.code == errc::deadline) how = item_fault::deadline;
    }
    if (kind == outcome_kind::discard || why.code == errc::too_large ||
        why.code == errc::cancelled) {
      if (!s.of->is_settled_early(chunk.index(place))) s.of->deliver(chunk.index(place), why);
    } else {
      pool_.item_failed(s.of, chunk.slice(place, place + 1), how, why, pause,
                        kind == outcome_kind::snooze);
    }
  }
  if (weight != 0) s.of->decode += (clock::now() - begin) * weight;
  if (in_page) return;
  const std::chrono::nanoseconds took{static_cast<std::int64_t>(head.compute_ns)};
  s.of->compute += took;
  chunk.compute += took;
  s.of->sizes().finished(static_cast<std::size_t>(head.count), took, bytes.size());
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

void pool_member::died(sent&& s, const failure& why) {
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

std::optional<std::size_t> pool_member::running_place(const sent& s) const {
  const chunk_slot* const page = process_->process().chunk();
  if (page == nullptr || page->number.load(std::memory_order_acquire) != s.number)
    return std::nullopt;
  const std::uint64_t done = page->done.load(std::memory_order_acquire);
  if (done < s.what->settled || done >= s.what->count()) return std::nullopt;
  return static_cast<std::size_t>(done);
}

std::optional<pool_member::running> pool_member::now_at() const {
  if (process_->has_ended()) return std::nullopt;
  for (const auto& s : sent_) {
    const auto place = running_place(s);
    if (!place) continue;
    const std::uint64_t began = process_->process().chunk()->began.load(std::memory_order_acquire);
    return running{s.of, s.what->index(*place),
                   clock::time_point{std::chrono::nanoseconds{static_cast<std::int64_t>(began)}}};
  }
  return std::nullopt;
}

/// Both sides write, then read what the other wrote, so one of them sees the other: what this sees
/// as not begun will not begin.
std::size_t pool_member::take_back(std::size_t keep) {
  if (sent_.size() <= keep || process_->has_ended()) return 0;
  link& l = process_->process();
  chunk_slot* const page = l.chunk();
  if (page == nullptr) return 0;
  std::uint64_t begun = l.progress().begun;
  const auto first =
      std::find_if(sent_.begin(), sent_.end(), [&](const sent& s) { return s.number > begun; });
  if (first == sent_.end()) return 0;
  revoked_range range{static_cast<std::uint32_t>(first->number),
                      static_cast<std::uint32_t>(sent_.back().number)};
  const auto before = revoked_range::of(page->revoked.load(std::memory_order_relaxed));
  // Those of an earlier time must stay revoked until the worker has gone past them; the one that it
  // has begun may not have looked yet.
  if (before.word() != 0 &&
      static_cast<std::int32_t>(before.last - static_cast<std::uint32_t>(begun)) >= 0)
    range.first = before.first;
  page->revoked.store(range.word(), std::memory_order_seq_cst);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  begun = std::max(l.progress().begun, first->number - 1);
  std::size_t taken = 0;
  while (!sent_.empty() && sent_.back().number > begun) {
    sent s = std::move(sent_.back());
    sent_.pop_back();
    taken += s.what->count();
    given_ -= std::min<std::uint64_t>(given_, s.what->count());
    release(std::move(s));
  }
  if (sent_.empty()) idle_since_ = clock::now();
  return taken;
}

void pool_member::give_back_rest() {
  chunk_slot* const page = process_->process().chunk();
  for (const auto& s : sent_)
    if (running_place(s)) page->give_back.store(s.number, std::memory_order_release);
}

bool pool_member::gives_back() const {
  const chunk_slot* const page = process_->process().chunk();
  return page != nullptr && std::any_of(sent_.begin(), sent_.end(), [&](const sent& s) {
           return page->give_back.load(std::memory_order_relaxed) == s.number;
         });
}

void pool_member::ask_to_end(std::uint64_t index) {
  for (const auto& s : sent_) {
    const auto place = running_place(s);
    if (place && s.what->index(*place) == index)
      process_->process().chunk()->cancel.store(chunk_slot::item_id(s.number, *place),
                                                std::memory_order_release);
  }
}

/// Its worker may be done with it by now, and must not be hit while it is at another.
void pool_member::end_item(purpose why, std::uint64_t index, std::chrono::nanoseconds grace) {
  if (intent_ || process_->has_ended()) return;
  take_back();
  give_back_rest();
  std::atomic_thread_fence(std::memory_order_seq_cst);
  for (const auto& s : sent_) {
    const auto place = running_place(s);
    if (!place || s.what->index(*place) != index) continue;
    intent_ = {why, s.tag, *place, true};
    process_->process().signal(SIGTERM);
    process_->process().signal(SIGCONT);
    kill_timer_ = pool_.owner().after(grace, [this] {
      kill_timer_ = 0;
      process_->process().signal(SIGKILL);
    });
    return;
  }
}

std::optional<clock::time_point> pool_member::check_deadline(clock::time_point now) {
  if (sent_.empty() || intent_ || process_->has_ended()) return std::nullopt;
  std::optional<clock::time_point> next;
  for (const auto& s : sent_)
    if (const auto limit = s.of->hard_deadline())
      next = std::min(next.value_or(clock::time_point::max()), deadline(*limit));
  const auto at = now_at();
  if (!at || at->began == clock::time_point{}) return next;
  const auto limit = at->of->hard_deadline();
  if (!limit) return next;
  if (now - at->began < *limit) return deadline(*limit - (now - at->began));
  end_item(purpose::deadline, at->index, at->of->how().kill_grace);
  return next;
}

void pool_member::renew() {
  process_->process().forget(*this);
  auto old = std::exchange(process_, pool_.new_process());
  process_->belongs_to(*this);
  given_ = 0;
  pool_.dismissed(std::move(old));
}

double pool_member::nanoseconds_left() const {
  double left = 0;
  for (const auto& s : sent_)
    if (s.of->is_keyed()) return 0;
  for (const auto& s : sent_)
    left += s.of->sizes().mean_ns() * static_cast<double>(s.what->count() - s.what->settled);
  // Many of a time that is not known yet: it may be long.
  const auto since = static_cast<double>((clock::now() - busy_since_).count());
  return sent_.empty() ? 0 : std::max(left, since);
}

void pool_member::stop() {
  if (idle()) {
    process_->leave();
  } else {
    process_->process().stop(pool_.settings().stop_grace);
  }
}

std::unique_ptr<pool_process> pool_member::dismiss() {
  take_back();
  process_->process().forget(*this);
  return std::move(process_);
}

void pool_member::drop(const job_ptr& of) {
  const bool has =
      std::any_of(sent_.begin(), sent_.end(), [&](const sent& s) { return s.of == of; });
  if (!has) return;
  take_back();
  for (const auto& s : sent_) {
    if (s.of != of) continue;
    const auto place = running_place(s);
    if (!place) continue;
    process_->process().chunk()->give_back.store(s.number, std::memory_order_release);
    process_->process().chunk()->cancel.store(chunk_slot::item_id(s.number, *place),
                                              std::memory_order_release);
  }
}

void pool_member::on_up(pool_process& which) {
  pool_.on_up(which);
}

/// A worker that had come up is replaced at once, before the dead one is cleaned up.
void pool_member::on_dying(pool_process& which) {
  if (which.is_up() && pool_.wants_replacement()) next_ = pool_.new_process();
}

void pool_member::on_ended(pool_process& which) {
  while (!sent_.empty()) {  // what it answered made no sense
    const auto report = which.process().report();
    died(take_out(sent_.front().tag), {errc::worker_lost, report->sentence(), report, {}});
  }
  pool_.owner().cancel(std::exchange(kill_timer_, 0));
  const bool meant = intent_.has_value();
  intent_.reset();
  given_ = 0;
  if (!pool_.replaces(which, next_ != nullptr, meant)) return;
  process_ = next_ != nullptr ? std::move(next_) : pool_.new_process();
  process_->belongs_to(*this);
  pool_.feed_soon();
  pool_.feed_now();
}

}  // namespace troupe::engine
