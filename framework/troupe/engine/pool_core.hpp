#pragma once

#include <list>
#include <map>

#include "troupe/engine/interrupts.hpp"
#include "troupe/engine/pool_member.hpp"
#include "troupe/policy/start_failures.hpp"
#include "troupe/policy/token_bucket.hpp"
#include "troupe/policy/upkeep.hpp"

namespace troupe::engine {

/// Adds all counts but `total`, which means something for one input only.
void add(pool_progress& to, const pool_progress& what);

/// Worker processes that share the items of any number of calls.
///
/// When one dies it is replaced; what it had finished counts, what it had not begun goes elsewhere,
/// and only the item it was at has used up an attempt.
/// Owns: its processes, together with `core`. Runs in: the owner of the loop; input is pulled, and
/// functions of the user are called, in the thread that calls the pool.
/// Ends: the destructor stops the workers.
class pool_core final : public pool_process_owner,
                        public interrupt_listener,
                        public std::enable_shared_from_this<pool_core> {
public:
  pool_core(core& in, const pool_settings& how, std::string name, pool_process::calls calls);
  pool_core(const pool_core&) = delete;
  pool_core& operator=(const pool_core&) = delete;
  ~pool_core();

  [[nodiscard]] core& owner() const noexcept { return core_; }
  [[nodiscard]] const pool_settings& settings() const noexcept { return how_; }

  // --- calls ---
  job_ptr begin(const role& what, std::shared_ptr<job> items, const map_options& how);
  bool advance(const job_ptr& of, std::optional<clock::time_point> limit);
  void abandon(const job_ptr& which);
  bool cancel(const job_ptr& which, std::uint64_t index);
  void call_soon(std::function<void()> what);
  void close() { closed_ = true; }
  void terminate();
  bool join(std::optional<clock::time_point> limit);
  void resize(std::size_t workers);
  void end() noexcept;

  [[nodiscard]] std::vector<pool_member_view> members() const;
  [[nodiscard]] pool_progress progress() const;
  [[nodiscard]] pool_progress totals() const;
  [[nodiscard]] pool_report report(const job_ptr& of) const;
  [[nodiscard]] const std::vector<quarantined_item>& quarantine() const { return quarantine_; }
  void on_event(std::function<void(const pool_event&)> what) { events_ = std::move(what); }

  // --- for its members ---
  /// @throws start_refused
  [[nodiscard]] std::unique_ptr<pool_process> new_process();
  /// Null: the system has not got what it needs.
  [[nodiscard]] std::unique_ptr<pool_process> try_new_process();
  /// Until it is tried for the next time; nothing: the pool is broken.
  [[nodiscard]] std::optional<clock::duration> pause_after_refusal(unsigned n);
  std::unique_ptr<pool_chunk> new_chunk();
  void reuse(std::unique_ptr<pool_chunk> chunk);
  /// An item went wrong: again, later, or its outcome. `free`: this was no attempt.
  void item_failed(const job_ptr& of, pool_chunk&& item, item_fault how, const failure& why,
                   std::optional<std::chrono::nanoseconds> pause, bool free);
  /// A worker has ended by itself when this item was the next that it had to read.
  void item_unread(const job_ptr& of, pool_chunk&& item, const failure& why);
  void put_back(const job_ptr& of, pool_chunk&& rest);
  /// It may have items to give again.
  void list(const job_ptr& which);
  /// A worker has room again: others may go there.
  void feed_soon() noexcept { hungry_ = true; }
  /// Without pulling input.
  void feed_now();
  /// A chunk of this job has left a worker.
  void served(pool_member& by, const job_ptr& of);
  /// Whether a worker that dies now shall be replaced.
  [[nodiscard]] bool wants_replacement() const { return !draining_ && broken_.empty(); }
  /// One died; true: another shall take its place. `meant`: the pool killed it.
  bool replaces(const pool_process& dead, bool had_come_up, bool meant);
  void watch_deadlines(clock::time_point when) { wake_at(when); }
  void end_later(const job_ptr& which, std::optional<std::uint64_t> index);
  void dismissed(std::unique_ptr<pool_process> p);
  void tell(pool_event what);
  [[nodiscard]] bool is_stopping() const noexcept { return stopping_; }

  void on_interrupt(unsigned count) override;
  void on_up(pool_process& which) override;
  void on_death(pool_process&) override {}
  void on_ended(pool_process& which) override;

private:
  void feed(bool may_pull);
  void deal(bool may_pull);
  bool feed_one(pool_member& to, bool may_pull);
  std::optional<bool> feed_from(const job_ptr& from, pool_member& to, bool may_pull);
  job_ptr pick(const pool_member& to, bool may_pull);
  void put_off(const job_ptr& of, std::chrono::nanoseconds pause, pool_chunk&& item);
  void give_up(const job_ptr& of, const pool_chunk& item, const pool_job::history& history,
               const failure& why);
  bool spin_for_answers(pool_job& of);
  void settle(const job_ptr& which);
  void wake_at(clock::time_point when);
  void on_timer();
  [[nodiscard]] bool needs_upkeep() const;
  void look_after_members(clock::time_point now);
  void look_at_memory(clock::time_point now);
  void grow();
  void shrink(clock::time_point now);
  void keep_spares();
  [[nodiscard]] bool has_living_member() const;
  void break_down(std::string why, std::shared_ptr<const exit_report> report);
  void steal();
  [[nodiscard]] std::size_t running() const;
  void end_members();
  void drop_waiting();
  static failure not_begun();
  void reject_if_closed() const;

  core& core_;
  pool_settings how_;
  std::string name_;
  pool_process::calls calls_;
  policy::retirement retirement_;
  policy::token_bucket rate_;
  policy::start_failures start_failures_;
  std::vector<std::unique_ptr<pool_member>> members_;
  std::vector<std::unique_ptr<pool_process>> spares_;
  std::vector<std::unique_ptr<pool_process>> leaving_;
  std::vector<std::unique_ptr<pool_chunk>> free_chunks_;
  std::string broken_;   ///< why the workers can't be started
  std::string refusal_;  ///< what the system said last

  std::list<job_ptr> jobs_;        ///< all that are under way
  std::deque<job_ptr> listed_[2];  ///< those that may have items to give: urgent, others
  std::multimap<clock::time_point, std::weak_ptr<pool_job>> put_off_;  ///< of items that wait
  std::optional<clock::time_point> wake_;  ///< when the timer is set for
  core::timer_id timer_ = 0;
  std::size_t turn_ = 0;
  unsigned spins_ = 0;
  unsigned pulls_ = 0;                   ///< calls that run the loop in the thread that may pull
  loop_owner::thread_mark feeding_ = 0;  ///< who hands out chunks, and runs the input for that
  bool timer_missed_ = false;            ///< meanwhile
  std::size_t places_ = 0;               ///< that keys are spread over
  bool hungry_ = false;
  bool closed_ = false;
  bool stopping_ = false;
  bool draining_ = false;  ///< what has begun ends, nothing more begins
  std::shared_ptr<interrupts> interrupts_;
  bool memory_is_short_ = false;
  pool_progress total_;   ///< of jobs that have ended, and of workers
  pool_progress before_;  ///< the same until it last had nothing to do
  std::vector<quarantined_item> quarantine_;
  std::function<void(const pool_event&)> events_;
  clock::time_point first_up_{};
  clock::time_point made_ = clock::now();
};

}  // namespace troupe::engine
