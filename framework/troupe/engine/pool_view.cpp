// What is seen of a pool from outside.
#include <algorithm>

#include "troupe/engine/pool_core.hpp"

namespace troupe::engine {

void add(pool_progress& to, const pool_progress& what) {
  to.taken += what.taken;
  to.done += what.done;
  to.failed += what.failed;
  to.retried += what.retried;
  to.restarts += what.restarts;
  to.recycled += what.recycled;
}

std::size_t pool_core::running() const {
  return static_cast<std::size_t>(
      std::count_if(members_.begin(), members_.end(), [](const auto& m) { return !m->idle(); }));
}

std::vector<pool_member_view> pool_core::members() const {
  std::vector<pool_member_view> all;
  for (const auto& m : members_) {
    pool_member_view one{m->process().handle(), m->process().is_up(), std::nullopt, 0};
    if (const auto at = m->now_at()) one.item = at->index;
    m->each_item([&](const job_ptr& of, std::uint64_t index) {
      one.failed_attempts = std::max(one.failed_attempts, of->attempts_of(index));
    });
    all.push_back(std::move(one));
  }
  return all;
}

pool_progress pool_core::progress() const {
  pool_progress sum = total_;
  sum.total = jobs_.empty() ? std::nullopt : std::optional{total_.taken};
  for (const auto& j : jobs_) {
    const auto& p = j->progress();
    sum.total = sum.total && p.total ? std::optional{*sum.total + *p.total} : std::nullopt;
    add(sum, p);
  }
  return sum;
}

pool_progress pool_core::totals() const {
  pool_progress sum = progress();
  add(sum, before_);
  sum.total = std::nullopt;
  return sum;
}

pool_report pool_core::report(const job_ptr& of) const {
  pool_report r;
  r.progress = of->progress();
  r.progress.restarts = total_.restarts;
  r.progress.recycled = total_.recycled;
  r.workers = how_.workers;
  const auto end = of->ended == clock::time_point{} ? clock::now() : of->ended;
  r.wall = end - of->began;
  r.compute = of->compute;
  r.encode = of->encode;
  r.decode = of->decode;
  if (of->queued_items != 0)
    r.queue = std::max(of->queued / static_cast<std::int64_t>(of->queued_items),
                       std::chrono::nanoseconds{});
  r.held_back = of->held_back(end);
  r.chunks = of->chunks;
  r.chunk_size = of->sizes().last();
  r.why = of->sizes().why();
  r.idle = std::max(r.wall * static_cast<std::int64_t>(r.workers) - r.compute,
                    std::chrono::nanoseconds{});
  if (first_up_ != clock::time_point{}) r.start = first_up_ - made_;
  return r;
}

}  // namespace troupe::engine
