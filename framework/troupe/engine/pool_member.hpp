#pragma once

#include <deque>

#include "troupe/engine/pool_job.hpp"
#include "troupe/engine/pool_process.hpp"

namespace troupe::engine {

class outcome_reader;
class pool_core;

/// One place in a pool: the process in it changes when it dies or has served long enough. Keeps
/// the chunks that the process has, takes their outcomes, and knows at a death which item was in
/// progress. Runs in: the owner of the loop.
class pool_member final : public answer_sink, public pool_process_owner {
public:
  pool_member(pool_core& pool, std::size_t place, std::unique_ptr<pool_process> in);
  ~pool_member();
  pool_member(const pool_member&) = delete;
  pool_member& operator=(const pool_member&) = delete;

  [[nodiscard]] std::size_t place() const noexcept { return place_; }
  void move_to(std::size_t place) noexcept { place_ = place; }
  [[nodiscard]] pool_process& process() const noexcept { return *process_; }
  [[nodiscard]] std::size_t held() const noexcept { return held_; }
  [[nodiscard]] std::size_t chunks() const noexcept { return sent_.size(); }
  [[nodiscard]] bool idle() const noexcept { return sent_.empty(); }
  [[nodiscard]] clock::time_point idle_since() const noexcept { return idle_since_; }
  [[nodiscard]] clock::time_point busy_since() const noexcept { return busy_since_; }
  /// What it holds, and others might have, will take about so long.
  [[nodiscard]] double nanoseconds_left() const;
  /// Items that it may still get before it is replaced.
  [[nodiscard]] std::uint64_t quota() const;
  [[nodiscard]] bool can_take() const;

  /// Sends a chunk; what can't be sent is put back, or fails. False: it takes no more now.
  bool give(const job_ptr& of, std::unique_ptr<pool_chunk> what);

  /// The item in progress; empty when there is none.
  struct running {
    job_ptr of;
    std::uint64_t index = 0;
    clock::time_point began{};  ///< zero when it is not timed
  };
  [[nodiscard]] std::optional<running> now_at() const;
  template <class Visit>
  void each_item(Visit visit) const {
    for (const auto& s : sent_)
      for (std::size_t i = s.what->settled; i < s.what->count(); ++i) visit(s.of, s.what->index(i));
  }

  /// Takes back what it has not begun, but the first `keep` chunks; others shall have it. Returns
  /// how many items.
  std::size_t take_back(std::size_t keep = 0);
  /// As `take_back` of one job's.
  void drop(const job_ptr& of);
  /// The rest of the chunk that it works on comes back after the item in progress.
  void give_back_rest();
  /// It has been asked to, and has not done it yet.
  [[nodiscard]] bool gives_back() const;
  /// Why its process is killed, and what that means for the item in progress.
  enum class purpose : std::uint8_t { deadline, cancel, memory };
  /// Ends its process if it still is at that item: asks the item first, then SIGTERM, then SIGKILL.
  void end_item(purpose why, std::uint64_t index, std::chrono::nanoseconds grace);
  void ask_to_end(std::uint64_t index);
  /// It gets more now, until it has what its job wants it to have.
  bool filling = false;
  bool full = false;     ///< its mailbox took no more
  bool closing = false;  ///< its place goes when it is idle

  /// Looks whether its chunk is done, and takes the outcomes from the shared page: its answer is on
  /// its way, and tells nothing new. True: there were some.
  bool take_finished();
  /// Looks whether the item in progress is overdue; the time for the next look.
  std::optional<clock::time_point> check_deadline(clock::time_point now);
  /// Replaces its process, between two items.
  void renew();
  /// The process ends, at once or by the steps of `stop`; what it is at fails.
  void stop();
  /// The process ends, after its finalizer; gives it away.
  std::unique_ptr<pool_process> dismiss();

  void part(std::uint64_t tag, const payload_view& answer) override;
  void answered(std::uint64_t tag, const payload_view& answer) override;
  void failed(std::uint64_t tag, const failure& why) override;
  void on_up(pool_process& which) override;
  void on_death(pool_process& which) override;
  void on_ended(pool_process& which) override;
  void on_refused(pool_process& which) override;

private:
  struct sent {
    std::uint64_t tag = 0;
    std::uint64_t number = 0;
    job_ptr of;
    std::unique_ptr<pool_chunk> what;
  };
  struct intent {
    purpose why;
    std::uint64_t tag;
    std::size_t place;
    bool killing = false;
  };

  sent* find(std::uint64_t tag);
  sent take_out(std::uint64_t tag);
  void release(sent&& s);
  struct places {
    std::uint64_t kept;
    std::uint64_t done;
  };
  static outcome_head head_of(std::span<const std::byte> bytes,
                              const std::optional<places>& in_page, const pool_chunk& chunk);
  void take_outcomes(sent& s, std::span<const std::byte> bytes,
                     const std::optional<places>& in_page);
  bool take_values(sent& s, outcome_reader& in, std::size_t last);
  void take_fault(sent& s, outcome_reader& in);
  /// Outcomes that the worker has not sent yet.
  struct outcomes_in_page {
    places at;
    std::span<const std::byte> bytes;
  };
  [[nodiscard]] std::optional<outcomes_in_page> look_at_page(const sent& s) const;
  void take_last_outcomes(sent& s);
  void finished(std::uint64_t tag);
  void died(sent&& s, const failure& why);
  void count_last_time(const sent& s) const;
  void unread(sent&& s, const failure& why);
  void blame(sent& s, std::size_t place, const failure& why);
  void settled(std::size_t items);
  [[nodiscard]] std::optional<std::size_t> running_place(const sent& s) const;
  void replace();
  /// The system has refused this place a process, and none has been made since.
  [[nodiscard]] bool waits_for_system() const { return refused_ && process_->process().pid() < 0; }

  pool_core& pool_;
  std::size_t place_;
  std::unique_ptr<pool_process> process_;
  std::unique_ptr<pool_process> next_;  ///< started at the death of the one before
  std::deque<sent> sent_;
  std::size_t held_ = 0;
  std::uint64_t next_tag_ = 1;
  std::uint64_t given_ = 0;  ///< items to this process
  clock::time_point idle_since_ = clock::now();
  clock::time_point busy_since_{};
  std::optional<intent> intent_;
  std::shared_ptr<const exit_report> judged_;  ///< of the end for which something was blamed
  core::timer_id kill_timer_ = 0;
  bool renews_ = false;             ///< its process was told to end, for another
  bool refused_ = false;            ///< by the system, a process for this place
  unsigned refusals_ = 0;           ///< by the system, in a row
  core::timer_id again_timer_ = 0;  ///< set: another process will be tried again
};

}  // namespace troupe::engine
