#pragma once

#include "troupe/engine_api.hpp"
#include "troupe/pool_settings.hpp"

/// What the templates of pool.hpp need of the engine; no types of users.
namespace troupe::engine {

class pool_job;
using job_ptr = std::shared_ptr<pool_job>;

/// Where the items of one call come from and its outcomes go to.
class job {
public:
  virtual ~job() = default;
  /// Appends items until there are `most_items`, or at least `most_bytes`; at least one, if there
  /// is one. False: the input has ended. Only in the thread that called the pool.
  virtual bool fill(item_block& to, std::size_t most_items, std::size_t most_bytes) = 0;
  [[nodiscard]] virtual std::optional<std::uint64_t> total() const { return std::nullopt; }
  /// Outcomes that wait for a reader, if there is one who reads them as they come.
  [[nodiscard]] virtual std::optional<unread_results> unread() const { return std::nullopt; }
  virtual void values(const value_run& some) = 0;
  virtual void failed(std::uint64_t index, const failure& why) = 0;
};

struct pool_member_view {
  link_ptr process;
  bool ready = false;                 ///< it has said hello
  std::optional<std::uint64_t> item;  ///< index of the item it works on
  unsigned failed_attempts = 0;       ///< the most that any item it holds has cost already
};

/// @throws std::invalid_argument for settings that make no sense.
std::shared_ptr<pool_core> make_pool(core& in, const pool_settings& how, std::string name,
                                     std::optional<role> initializer,
                                     std::optional<role> finalizer);
/// Runs on its own as far as its input is known. The job is kept until its end, or `abandon`.
job_ptr begin(pool_core& pool, const role& what, std::shared_ptr<job> items,
              const map_options& how);
/// Runs the loop until an outcome was delivered; false when every item has had its own.
/// @throws what the input threw; std::runtime_error when no worker can be started.
bool advance(pool_core& pool, const job_ptr& of, std::optional<clock::time_point> limit);
/// A result of it was read, which makes room for more.
void has_read(pool_core& pool, const job_ptr& of);
/// Ends the job early: what has not begun never does.
void abandon(pool_core& pool, const job_ptr& which);
/// The item's outcome is `cancelled`, now. What has begun is asked to end, then its worker is.
/// False: it has its outcome already.
bool cancel(pool_core& pool, const job_ptr& which, std::uint64_t index);
/// In the thread that waits next, once the loop runs there.
void call_soon(pool_core& pool, std::function<void()> what);

/// No more calls.
void close(pool_core& pool);
/// No more calls; what has not begun never does, what runs is stopped.
void terminate(pool_core& pool);
/// After `close`: waits until all is done and the workers have ended; false when `limit` passes.
bool join(pool_core& pool, std::optional<clock::time_point> limit);
/// `terminate`, and `join` in bounded time.
void end(pool_core& pool) noexcept;
void resize(pool_core& pool, std::size_t workers);

std::vector<pool_member_view> members(const pool_core& pool);
pool_progress progress(const pool_core& pool);
pool_progress totals(const pool_core& pool);
pool_progress progress(const pool_core& pool, const job_ptr& of);
pool_report report(const pool_core& pool, const job_ptr& of);
std::vector<quarantined_item> quarantine(const pool_core& pool);
void on_event(pool_core& pool, std::function<void(const pool_event&)> what);

}  // namespace troupe::engine
