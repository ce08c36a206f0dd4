// What a pool does as time goes by: deadlines, replacing workers, their number, memory.
#include <algorithm>

#include "troupe/engine/pool_core.hpp"
#include "troupe/os/machine.hpp"
#include "troupe/policy/delays.hpp"

namespace troupe::engine {

using namespace std::chrono_literals;

namespace {

constexpr auto upkeep_every = 100ms;

}  // namespace

void pool_core::wake_at(clock::time_point when) {
  if (wake_ && *wake_ <= when) return;
  core_.cancel(timer_);
  wake_ = when;
  timer_ = core_.at(when, [this] {
    timer_ = 0;
    wake_.reset();
    on_timer();
  });
}

/// Nothing of this is done from within an outcome, so a member may go here; but not while one of
/// them is being given something, and the input has run the loop.
void pool_core::on_timer() {
  const auto now = clock::now();
  if (stopping_) return;
  if (feeding_ != 0) {
    timer_missed_ = true;
    return;
  }
  while (!put_off_.empty() && put_off_.begin()->first <= now) {
    const job_ptr of = put_off_.extract(put_off_.begin()).mapped().lock();
    if (of == nullptr) continue;
    of->wake(now);
    list(of);
  }
  if (!put_off_.empty()) wake_at(put_off_.begin()->first);
  for (const auto& m : members_)
    if (const auto next = m->check_deadline(now)) wake_at(*next);
  if (needs_upkeep()) look_after_members(now);
  shrink(now);
  keep_spares();
  feed_now();
}

bool pool_core::needs_upkeep() const {
  return how_.max_growth_bytes != 0 || how_.max_age.count() != 0 || how_.memory_free != 0;
}

void pool_core::look_after_members(clock::time_point now) {
  wake_at(now + upkeep_every);
  if (how_.memory_free != 0) look_at_memory(now);
  for (const auto& m : members_) {
    pool_process& p = m->process();
    if (!p.is_up() || p.retires) continue;
    policy::retirement::worker w;
    w.items = 0;
    if (how_.max_growth_bytes != 0 && p.items != 0) {
      w.bytes = os::resident_bytes_of(p.process().pid());
      if (p.first_bytes == 0) p.first_bytes = w.bytes;
      w.first_bytes = p.first_bytes;
    }
    w.age = now - p.born();
    w.random = p.random();
    if (!retirement_.due(w)) continue;
    p.retires = true;
    m->take_back();
    m->give_back_rest();
    if (!m->idle()) continue;  // when the item in progress has ended
    ++total_.recycled;
    tell({pool_event::kind::worker_ended, "replaced while idle, as its settings say: process " +
                                              std::to_string(p.process().pid())});
    m->renew();
  }
}

void pool_core::look_at_memory(clock::time_point now) {
  const std::uint64_t available =
      how_.available_memory ? how_.available_memory() : os::available_memory();
  const auto state = policy::judge_memory(available, how_.memory_free, running());
  memory_is_short_ = state != policy::memory_state::enough;
  if (memory_is_short_) wake_at(now + upkeep_every);
  if (state != policy::memory_state::kill_youngest) return;
  pool_member* youngest = nullptr;
  std::optional<pool_member::running> its;
  for (const auto& m : members_) {
    const auto at = m->now_at();
    if (!at || (its && m->busy_since() <= youngest->busy_since())) continue;
    youngest = m.get();
    its = at;
  }
  if (youngest == nullptr) return;
  tell({pool_event::kind::memory_short,
        "memory is short, item " + std::to_string(its->index) + " waits", its->index});
  youngest->end_item(pool_member::purpose::memory, its->index, its->of->how().kill_grace);
}

/// One more worker for what waits, if all are busy and there may be more.
void pool_core::grow() {
  if (how_.least_workers == 0 && members_.size() >= how_.workers) return;
  while (members_.size() < how_.workers && wants_replacement()) {
    const bool all_busy =
        std::all_of(members_.begin(), members_.end(), [](const auto& m) { return !m->idle(); });
    const bool waits = std::any_of(jobs_.begin(), jobs_.end(), [this](const job_ptr& j) {
      return j->has_some(members_.size(), pulls_ != 0);
    });
    if (!all_busy || !waits) return;
    auto fresh = try_new_process();
    if (fresh == nullptr) return;
    members_.push_back(std::make_unique<pool_member>(*this, members_.size(), std::move(fresh)));
    if (!feed_one(*members_.back(), pulls_ != 0)) return;
  }
}

void pool_core::shrink(clock::time_point now) {
  const std::size_t least = how_.least_workers != 0 ? how_.least_workers : how_.workers;
  std::size_t over = members_.size() - std::min(members_.size(), how_.workers);
  for (std::size_t i = members_.size(); i > 0 && members_.size() > least; --i) {
    pool_member& m = *members_[i - 1];
    if (over > 0 && !m.idle()) {
      m.take_back();
      m.give_back_rest();
      m.closing = true;
      --over;
    }
    if (!m.idle()) continue;
    const auto due = policy::later(m.idle_since(), how_.idle_timeout);
    if (over == 0 && !m.closing && now < due) {
      wake_at(due);
      continue;
    }
    dismissed(m.dismiss());
    members_.erase(members_.begin() + static_cast<std::ptrdiff_t>(i - 1));
    over -= over > 0 ? 1 : 0;
  }
  for (std::size_t i = 0; i < members_.size(); ++i) members_[i]->move_to(i);
}

void pool_core::resize(std::size_t workers) {
  reject_if_closed();
  how_.workers = workers;
  how_.least_workers = std::min(how_.least_workers, workers);
  while (how_.least_workers == 0 && members_.size() < workers)
    members_.push_back(std::make_unique<pool_member>(*this, members_.size(), new_process()));
  for (const auto& m : members_) m->closing = false;
  wake_at(clock::now());
  feed_now();
}

}  // namespace troupe::engine
