// The engine's entry points for the templates of pools.
#include <stdexcept>

#include "troupe/engine/pool_core.hpp"
#include "troupe/os/machine.hpp"

namespace troupe::engine {

loop_guard::loop_guard(const pool_core& of) : loop_guard(of.owner()) {}

std::shared_ptr<pool_core> make_pool(core& in, const pool_settings& how, std::string name,
                                     std::optional<role> initializer,
                                     std::optional<role> finalizer) {
  pool_settings checked = how;
  const std::size_t cpus = os::usable_cpus();
  if (checked.workers == 0) checked.workers = cpus;
  if (checked.least_workers > checked.workers)
    throw std::invalid_argument{"a pool of at most " + std::to_string(checked.workers) +
                                " workers can't keep " + std::to_string(checked.least_workers)};
  const double rate = checked.items_per_second;
  if (!(rate >= 0 && rate <= 1e9))  // NaN, too
    throw std::invalid_argument{"items_per_second is " + std::to_string(rate) +
                                ", and must be from 0 (no limit) to 1,000,000,000"};
  if (!checked.allow_many) {
    const auto why = policy::storm_guard::refuse(checked.workers + checked.spares, cpus,
                                                 in.options().path.size());
    if (!why.empty()) throw std::invalid_argument{why};
    if (policy::storm_guard::warn(checked.workers, cpus))
      in.pass_on_error_line("troupe: a pool of " + std::to_string(checked.workers) +
                            " workers on " + std::to_string(cpus) + " CPUs\n");
  }
  const core::guard mine{in};
  return std::make_shared<pool_core>(
      in, checked, std::move(name),
      pool_process::calls{std::move(initializer), std::move(finalizer), checked.stop_grace,
                          checked.start_limit});
}

job_ptr begin(pool_core& pool, const role& what, std::shared_ptr<job> items,
              const map_options& how) {
  const loop_guard mine{pool};
  return pool.begin(what, std::move(items), how);
}
bool advance(pool_core& pool, const job_ptr& of, std::optional<clock::time_point> limit) {
  const loop_guard mine{pool};
  return pool.advance(of, limit);
}
void has_read(pool_core& pool, const job_ptr& of) {
  pool.list(of);
}
void abandon(pool_core& pool, const job_ptr& which) {
  const loop_guard mine{pool};
  pool.abandon(which);
}
bool cancel(pool_core& pool, const job_ptr& which, std::uint64_t index) {
  const loop_guard mine{pool};
  return pool.cancel(which, index);
}
void call_soon(pool_core& pool, std::function<void()> what) {
  const loop_guard mine{pool};
  pool.call_soon(std::move(what));
}
void close(pool_core& pool) {
  const loop_guard mine{pool};
  pool.close();
}
void terminate(pool_core& pool) {
  const loop_guard mine{pool};
  pool.terminate();
}
bool join(pool_core& pool, std::optional<clock::time_point> limit) {
  const loop_guard mine{pool};
  return pool.join(limit);
}
void end(pool_core& pool) noexcept {
  const loop_guard mine{pool};
  pool.end();
}
void resize(pool_core& pool, std::size_t workers) {
  if (workers == 0) throw std::invalid_argument{"a pool needs at least one worker"};
  const loop_guard mine{pool};
  pool.resize(workers);
}
std::vector<pool_member_view> members(const pool_core& pool) {
  const loop_guard mine{pool};
  return pool.members();
}
pool_progress progress(const pool_core& pool) {
  const loop_guard mine{pool};
  return pool.progress();
}
pool_progress totals(const pool_core& pool) {
  const loop_guard mine{pool};
  return pool.totals();
}
pool_progress progress(const pool_core& pool, const job_ptr& of) {
  const loop_guard mine{pool};
  return of->progress();
}
pool_report report(const pool_core& pool, const job_ptr& of) {
  const loop_guard mine{pool};
  return pool.report(of);
}
std::vector<quarantined_item> quarantine(const pool_core& pool) {
  const loop_guard mine{pool};
  return pool.quarantine();
}
void on_event(pool_core& pool, std::function<void(const pool_event&)> what) {
  const loop_guard mine{pool};
  pool.on_event(std::move(what));
}

}  // namespace troupe::engine
