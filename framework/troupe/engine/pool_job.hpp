#pragma once

#include <deque>
#include <exception>
#include <list>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include "troupe/engine/pool_chunk.hpp"
#include "troupe/policy/chunking.hpp"
#include "troupe/policy/credit.hpp"
#include "troupe/policy/median.hpp"
#include "troupe/policy/sampling.hpp"

namespace troupe::engine {

/// One call of a pool: its input, what waits to be given out, and what each item has cost.
///
/// Runs in: the owner of the loop; `pull` in the thread that called the pool.
class pool_job {
public:
  pool_job(const role& what, std::shared_ptr<job> items, const map_options& how)
      : role_(what), items_(std::move(items)), how_(how), sizes_(how.chunk_size) {
    if (items_ != nullptr) progress_.total = items_->total();
  }

  [[nodiscard]] const role& what() const noexcept { return role_; }
  [[nodiscard]] const map_options& how() const noexcept { return how_; }
  [[nodiscard]] policy::chunking& sizes() noexcept { return sizes_; }
  [[nodiscard]] pool_progress& progress() noexcept { return progress_; }
  [[nodiscard]] bool abandoned() const noexcept { return items_ == nullptr; }
  [[nodiscard]] bool timed() const noexcept {
    return how_.soft_deadline.count() > 0 || how_.hard_deadline.count() > 0 ||
           how_.percent_of_median != 0;
  }
  [[nodiscard]] std::optional<std::chrono::nanoseconds> hard_deadline() const;

  /// Whether something could be given to the worker in this place of the pool now.
  [[nodiscard]] bool has_some(std::size_t place, bool may_pull) const;
  /// What the worker in place `place` of `places` may have.
  struct portion {
    std::size_t place;
    std::size_t places;
    std::size_t most;  ///< items
    bool may_pull;
  };
  /// The next chunk for it, into an empty one; false when there is none after all.
  bool next(const portion& of, pool_chunk& into);
  /// Has not begun, or not finished: others shall have it.
  void put_back(pool_chunk&& rest, bool in_front);
  void put_off(clock::time_point until, pool_chunk&& item);
  /// Moves what is due to what waits.
  void wake(clock::time_point now);

  /// The pool has so many places from now on: keyed items that wait find theirs anew.
  void spread_keys(std::size_t places);

  /// Pulls all of an input that is known to be short.
  void pull_all();
  /// Nothing of it will wait here again, unless something comes back.
  [[nodiscard]] bool exhausted() const noexcept {
    return abandoned() || (input_ended_ && again_.empty() && keyed_waiting_ == 0);
  }
  /// It gives nothing, whoever asks, until `given` or what its reader has not read becomes less, or
  /// something comes back.
  [[nodiscard]] bool rests() const { return !keyed_ && !has_some(0, true); }
  /// Its items choose their workers: nobody else may have them.
  [[nodiscard]] bool is_keyed() const noexcept { return keyed_; }
  std::list<std::shared_ptr<pool_job>>::iterator position{};  ///< where the pool lists it
  bool listed = false;   ///< among those that are asked for items
  bool settled = false;  ///< it has ended, and is counted

  /// With workers, or waiting there.
  std::size_t given = 0;
  std::uint64_t delivered = 0;

  [[nodiscard]] bool done() const noexcept {
    return abandoned() ||
           (input_ended_ && given == 0 && again_.empty() && later_.empty() && keyed_waiting_ == 0);
  }
  /// It has ended: what its items and outcomes were belongs to others now.
  void let_go() noexcept { items_ = nullptr; }
  /// Nothing of it is given out or delivered any more; what was waiting is returned as dropped.
  void abandon();
  /// What waits fails, each item by `why`; the input counts as ended.
  void drop_waiting(const failure& why);
  std::exception_ptr take_input_error() { return std::exchange(input_error_, nullptr); }

  void deliver(const value_run& some);
  void deliver(std::uint64_t index, const failure& why);
  /// An item that was not pulled yet is not wanted. False: it was pulled, or there is none.
  bool cancel_ahead(std::uint64_t index);
  /// An item that waits here is no more wanted. False: it is elsewhere.
  bool withdraw(std::uint64_t index);
  /// The outcome of one that was cancelled.
  static failure cancelled(std::uint64_t index);
  /// Its outcome is delivered already: what comes yet is ignored.
  void settle_early(std::uint64_t index) { early_.insert(index); }
  [[nodiscard]] bool any_settled_early() const noexcept { return !early_.empty(); }
  [[nodiscard]] bool is_settled_early(std::uint64_t index) const {
    return !early_.empty() && early_.count(index) != 0;
  }
  void note_time(std::chrono::nanoseconds took) { median_.add(took); }
  /// The pool's rate holds its items back from now on, or lets some go.
  void note_limit(bool holds, clock::time_point now) {
    held_back_ = held_back(now);
    held_since_ = holds ? now : clock::time_point{};
  }
  /// How long it has done so.
  [[nodiscard]] std::chrono::nanoseconds held_back(clock::time_point now) const {
    return held_since_ == clock::time_point{} ? held_back_ : held_back_ + (now - held_since_);
  }

  /// What one item has cost so far.
  struct history {
    std::array<unsigned, 3> faults{};  ///< by item_fault
    unsigned total = 0;
    unsigned unread = 0;  ///< ends of workers that were about to read it
    std::vector<std::shared_ptr<const exit_report>> reports;
  };
  history& history_of(std::uint64_t index) { return history_[index]; }
  [[nodiscard]] unsigned attempts_of(std::uint64_t index) const {
    const auto found = history_.find(index);
    return found == history_.end() ? 0 : found->second.total;
  }
  void forget_history(std::uint64_t index) {
    if (!history_.empty()) history_.erase(index);
  }

  // For the report.
  clock::time_point began = clock::now();
  clock::time_point ended{};
  std::chrono::nanoseconds compute{};
  std::chrono::nanoseconds encode{};
  std::chrono::nanoseconds decode{};
  std::uint64_t chunks = 0;
  policy::sampling measured;
  /// Of chunks that were measured, for each of their items.
  std::chrono::nanoseconds queued{};
  std::uint64_t queued_items = 0;

private:
  [[nodiscard]] std::size_t credit() const;
  void take(const portion& of, pool_chunk& into);
  bool pull(pool_chunk& to, std::size_t most);
  void pull_by_key(std::size_t places);
  void queue_by_key(const pool_chunk& some, std::size_t places);
  void next_by_key(const portion& of, std::size_t wanted, pool_chunk& into);
  void drop_settled(pool_chunk& from);

  role role_;
  std::shared_ptr<job> items_;
  map_options how_;
  policy::chunking sizes_;
  policy::median median_;
  pool_progress progress_;
  bool input_ended_ = false;
  std::exception_ptr input_error_;
  std::chrono::nanoseconds held_back_{};
  clock::time_point held_since_{};  ///< zero: it is not
  std::uint64_t next_index_ = 0;
  std::deque<pool_chunk> again_;
  using put_off_items = std::multimap<clock::time_point, pool_chunk>;
  put_off_items later_;
  std::unordered_map<std::uint64_t, put_off_items::iterator> later_of_;  ///< by index
  bool keyed_ = false;
  std::vector<std::deque<pool_chunk>> by_key_;
  std::size_t keyed_waiting_ = 0;
  std::unordered_map<std::uint64_t, history> history_;
  std::unordered_set<std::uint64_t> early_;            ///< told before they came back
  std::unordered_set<std::uint64_t> cancelled_ahead_;  ///< not pulled yet
};

}  // namespace troupe::engine
