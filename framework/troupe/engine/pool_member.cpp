#include "troupe/engine/pool_member.hpp"

#include <algorithm>
#include <csignal>
#include <utility>

#include "troupe/engine/pool_core.hpp"

namespace troupe::engine {

pool_member::pool_member(pool_core& pool, std::size_t place, std::unique_ptr<pool_process> in)
    : pool_(pool), place_(place), process_(std::move(in)) {
  process_->belongs_to(*this);
}

pool_member::~pool_member() {
  pool_.owner().cancel(kill_timer_);
  pool_.owner().cancel(again_timer_);
  for (auto& s : sent_) s.of->given -= s.what->count() - s.what->settled;
  if (process_ != nullptr) process_->process().forget(*this);
}

std::uint64_t pool_member::quota() const {
  const std::uint64_t most = pool_.settings().max_tasks_per_child;
  return most == 0 ? most_items_in_chunk : most - std::min(most, given_);
}

bool pool_member::can_take() const {
  return !full && !closing && process_->is_prepared() && !process_->has_ended() &&
         !process_->retires && !waits_for_system() && quota() != 0 &&
         process_->process().has_room();
}

bool pool_member::give(const job_ptr& of, std::unique_ptr<pool_chunk> what) {
  if (waits_for_system()) {  // since the input, which may run the loop, was asked for it
    pool_.put_back(of, std::move(*what));
    return false;
  }
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
  auto fresh = pool_.try_new_process();
  if (fresh == nullptr) {  // its end leaves room for another
    renews_ = true;
    process_->leave();
    return;
  }
  auto old = std::exchange(process_, std::move(fresh));
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
  chunk_slot* const page = process_->process().chunk();
  bool any = false;
  for (const auto& s : sent_) {
    if (s.of != of || page == nullptr) continue;
    any = true;
    page->give_back.store(s.number, std::memory_order_release);
    if (const auto place = running_place(s))
      page->cancel.store(chunk_slot::item_id(s.number, *place), std::memory_order_release);
  }
  if (any) pool_.end_later(of, std::nullopt);
}

void pool_member::on_up(pool_process& which) {
  refused_ = false;
  pool_.on_up(which);
}

/// Items may be given ahead to who is coming up, but this may take for ever.
void pool_member::on_refused(pool_process& which) {
  if (!std::exchange(refused_, true))
    pool_.tell({pool_event::kind::worker_delayed,
                "a process for " + which.process().serves().name +
                    " can't be started now, the system refused what it needs and is asked again; "
                    "`troupe doctor` tells the limits"});
  take_back();
  pool_.feed_now();
}

/// A worker that had come up is replaced at once, before the dead one is cleaned up.
void pool_member::on_death(pool_process& which) {
  if (which.is_up() && pool_.wants_replacement()) next_ = pool_.try_new_process();
}

void pool_member::on_ended(pool_process& which) {
  while (!sent_.empty()) {  // what it answered made no sense
    const auto report = which.process().report();
    died(take_out(sent_.front().tag), {errc::worker_lost, report->sentence(), report, {}});
  }
  pool_.owner().cancel(std::exchange(kill_timer_, 0));
  const bool meant = intent_.has_value() || std::exchange(renews_, false);
  intent_.reset();
  given_ = 0;
  if (pool_.replaces(which, next_ != nullptr, meant)) replace();
}

/// Until there is another the dead one stays, and takes nothing.
void pool_member::replace() {
  again_timer_ = 0;
  if (!pool_.wants_replacement()) return;
  auto fresh = next_ != nullptr ? std::move(next_) : pool_.try_new_process();
  if (fresh == nullptr) {
    const auto pause = pool_.pause_after_refusal(++refusals_);
    if (pause) again_timer_ = pool_.owner().after(*pause, [this] { replace(); });
    return;
  }
  refusals_ = 0;
  process_ = std::move(fresh);
  process_->belongs_to(*this);
  refused_ = waits_for_system();  // until there is one: the next is likely to be refused, too
  pool_.feed_soon();
  pool_.feed_now();
}

}  // namespace troupe::engine
