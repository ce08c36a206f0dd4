// Who of a pool gets which items.
#include <algorithm>
#include <utility>

#include "troupe/engine/pool_core.hpp"

namespace troupe::engine {

using namespace std::chrono_literals;

namespace {

constexpr std::chrono::nanoseconds worth_stealing = 200us;

}  // namespace

void pool_core::feed_now() {
  if (pulls_ == 0) feed(false);  // else the call that runs the loop does, and pulls, too
}

/// Hands out chunks, one to each worker in turn, the idle ones first.
void pool_core::feed(bool may_pull) {
  if (draining_ || feeding_ != 0 || !broken_.empty()) return;
  deal(may_pull);
  if (std::exchange(timer_missed_, false)) wake_at(clock::now());
  steal();
}

void pool_core::deal(bool may_pull) {
  struct feeding {
    loop_owner::thread_mark& by;
    explicit feeding(loop_owner::thread_mark& b) : by(b) { by = loop_owner::this_thread(); }
    ~feeding() { by = 0; }
  } const now{feeding_};
  if (places_ != members_.size()) {  // keys find new places
    places_ = members_.size();
    for (const auto& j : jobs_) {
      j->spread_keys(places_);
      list(j);
    }
  }
  if (how_.memory_free != 0) look_at_memory(clock::now());
  for (const auto& m : members_) m->full = false;
  do {
    hungry_ = false;
    for (const auto& m : members_) m->filling = false;
    for (bool any = true; any;) {
      any = false;
      for (const bool idle_ones : {true, false})
        for (std::size_t i = 0; i < members_.size(); ++i) {
          pool_member& m = *members_[(turn_ + i) % members_.size()];
          if (m.idle() != idle_ones || !m.can_take()) continue;
          any = feed_one(m, may_pull) || any;
        }
      ++turn_;
    }
  } while (hungry_);
  grow();
}

bool pool_core::feed_one(pool_member& to, bool may_pull) {
  for (std::size_t jobs = listed_[0].size() + listed_[1].size(); jobs > 0; --jobs) {
    const job_ptr from = pick(to, may_pull);
    if (from == nullptr) return false;
    if (const auto fed = feed_from(from, to, may_pull)) return *fed;
    settle(from);  // all that was left of it was cancelled
  }
  return false;
}

/// Empty when the job has nothing after all.
std::optional<bool> pool_core::feed_from(const job_ptr& from, pool_member& to, bool may_pull) {
  const auto& sizes = from->sizes();
  const std::size_t chunks = to.chunks();
  if (memory_is_short_ && running() != 0) return false;
  if (!to.filling) {
    if (!sizes.wants_more(to.held(), chunks, how_.prefetch)) return false;
    to.filling = true;
  } else if (chunks > how_.prefetch && !sizes.has_place(to.held(), how_.prefetch)) {
    return false;
  }
  std::size_t most = static_cast<std::size_t>(std::min<std::uint64_t>(to.quota(), 65536));
  if (rate_.limits()) {
    const auto now = clock::now();
    most = rate_.take(most, now);
    from->note_limit(most == 0, now);
    if (most == 0) {
      wake_at(rate_.next(now));
      return false;
    }
  }
  auto chunk = new_chunk();
  const bool some = from->next({to.place(), members_.size(), most, may_pull}, *chunk);
  if (rate_.limits()) rate_.give_back(most - chunk->count());
  if (!some) {
    reuse(std::move(chunk));
    return std::nullopt;
  }
  return to.give(from, std::move(chunk));
}

/// Jobs take turns; urgent ones go first. Those that have nothing to give are not asked again
/// before they may have some.
job_ptr pool_core::pick(const pool_member& to, bool may_pull) {
  for (auto& queue : listed_) {
    if (queue.size() == 1 && queue.front()->has_some(to.place(), may_pull)) return queue.front();
    for (std::size_t left = queue.size(); left > 0; --left) {
      job_ptr front = std::move(queue.front());
      queue.pop_front();
      if (front->has_some(to.place(), may_pull)) {
        queue.push_back(front);
        return front;
      }
      front->listed = !front->exhausted() && !front->rests();
      if (front->listed) queue.push_back(std::move(front));
    }
  }
  return nullptr;
}

/// Somebody is idle and nothing waits: what others have not begun goes there.
void pool_core::steal() {
  if (members_.size() < 2 || draining_) return;
  const auto idle = std::find_if(members_.begin(), members_.end(), [](const auto& m) {
    return m->idle() && m->can_take() && m->process().is_up();
  });
  if (idle == members_.end()) return;
  pool_member* richest = nullptr;
  const auto worth = static_cast<double>(worth_stealing.count());
  double most = worth;
  for (const auto& m : members_) {
    if (m->held() < 2 || m->process().has_ended()) continue;
    if (m->chunks() == 1 && m->gives_back()) continue;  // all that can be had
    const double left = m->nanoseconds_left();
    // Not worth it yet; nobody else may look again while its item lasts.
    if (left > 0 && left <= worth) wake_at(clock::now() + worth_stealing);
    if (left <= most) continue;
    most = left;
    richest = m.get();
  }
  if (richest == nullptr) return;
  if (richest->chunks() > 1) {
    if (richest->take_back(1) != 0) feed(false);
  } else {
    richest->give_back_rest();
  }
}

}  // namespace troupe::engine
