#include "troupe/engine/pool_job.hpp"

#include <algorithm>

namespace troupe::engine {

namespace {

constexpr std::size_t input_bytes_at_once = policy::chunking::most_bytes;
constexpr std::size_t keyed_ahead = 64;  ///< items for each worker

}  // namespace

std::optional<std::chrono::nanoseconds> pool_job::hard_deadline() const {
  std::optional<std::chrono::nanoseconds> limit;
  if (how_.hard_deadline.count() > 0) limit = how_.hard_deadline;
  if (how_.percent_of_median != 0)
    if (const auto middle = median_.value()) {
      const auto by_median = *middle * how_.percent_of_median / 100;
      limit = limit ? std::min(*limit, by_median) : by_median;
    }
  return limit;
}

/// Items that may be pulled now: an endless input runs in bounded memory however slow its reader,
/// or its first item, is.
std::size_t pool_job::credit() const {
  const std::size_t most =
      how_.ahead != 0 ? how_.ahead : std::max<std::size_t>(1024, 16 * sizes_.last());
  const auto unread = items_->unread();
  if (!unread) return most - std::min(most, given + keyed_waiting_);  // its results are kept anyway
  const auto under_way =
      static_cast<std::size_t>(progress_.taken - std::min(progress_.taken, delivered));
  return policy::credit{most, how_.ahead_bytes}.left(
      {under_way, unread->items, unread->bytes, sizes_.mean_bytes()});
}

bool pool_job::has_some(std::size_t place, bool may_pull) const {
  if (abandoned()) return false;
  if (!again_.empty()) return true;
  if (keyed_ && place < by_key_.size() && !by_key_[place].empty()) return true;
  if (keyed_ && keyed_waiting_ >= keyed_ahead * by_key_.size()) return false;
  return may_pull && !input_ended_ && credit() != 0;
}

bool pool_job::next(const portion& of, pool_chunk& into) {
  while (into.count() == 0 && has_some(of.place, of.may_pull)) {
    into.clear();
    take(of, into);
    if (!early_.empty()) drop_settled(into);
  }
  if (into.count() > of.most) {
    pool_chunk rest = into.slice(of.most, into.count());
    into = into.slice(0, of.most);
    put_back(std::move(rest), true);
  }
  return into.count() != 0;
}

void pool_job::take(const portion& of, pool_chunk& into) {
  std::optional<std::uint64_t> left;
  if (progress_.total) left = *progress_.total - std::min(*progress_.total, progress_.taken);
  if (!again_.empty()) {
    into = std::move(again_.front());
    again_.pop_front();
    // Others wait for some of it, too.
    const std::uint64_t waits = into.count() + left.value_or(0);
    const std::size_t share =
        std::max((into.count() + of.places - 1) / of.places, sizes_.next(waits, of.places));
    if (into.count() > share && !sizes_.is_fixed()) {
      again_.push_front(into.slice(share, into.count()));
      into = into.slice(0, share);
    }
  } else {
    const std::size_t wanted = std::min(sizes_.next(left, of.places), of.most);
    if (of.may_pull && !keyed_ && !input_ended_) {
      if (!pull(into, std::min(wanted, credit()))) return;
      if (!into.items.keys.empty()) {  // its first items tell that it has keys
        keyed_ = true;
        by_key_.resize(of.places);
        queue_by_key(into, of.places);
        into.clear();
      }
    }
    if (keyed_) next_by_key(of, wanted, into);
  }
}

void pool_job::spread_keys(std::size_t places) {
  if (!keyed_ || by_key_.size() == places) return;
  std::vector<std::deque<pool_chunk>> old(places);
  old.swap(by_key_);
  keyed_waiting_ = 0;
  for (const auto& queue : old)
    for (const auto& one : queue) queue_by_key(one, places);
}

void pool_job::next_by_key(const portion& of, std::size_t wanted, pool_chunk& into) {
  spread_keys(of.places);
  if (of.may_pull && !input_ended_) pull_by_key(of.places);
  auto& queue = by_key_[of.place];
  for (; !queue.empty() && into.count() < wanted; --keyed_waiting_) {
    const pool_chunk& one = queue.front();
    if (into.count() == 0) into.items.item_bytes = one.items.item_bytes;
    into.append(one.index(0), one.items.item(0));
    into.items.keys.push_back(one.items.keys[0]);
    queue.pop_front();
  }
}

void pool_job::queue_by_key(const pool_chunk& some, std::size_t places) {
  for (std::size_t i = 0; i < some.count(); ++i) {
    pool_chunk one = some.slice(i, i + 1);
    by_key_[static_cast<std::size_t>(some.items.keys[i] % places)].push_back(std::move(one));
    ++keyed_waiting_;
  }
}

/// Without the items that were cancelled while they waited.
void pool_job::drop_settled(pool_chunk& from) {
  pool_chunk left;
  left.items.item_bytes = from.items.item_bytes;
  for (std::size_t i = 0; i < from.count(); ++i)
    if (early_.erase(from.index(i)) == 0) {
      left.append(from.index(i), from.items.item(i));
      if (!from.items.keys.empty()) left.items.keys.push_back(from.items.keys[i]);
    }
  if (left.count() != from.count()) from = std::move(left);
}

bool pool_job::pull(pool_chunk& to, std::size_t most) {
  const auto weight = measured.weight(most);
  const auto begin = weight != 0 ? clock::now() : clock::time_point{};
  const std::size_t before = to.count();
  if (before == 0) to.first = next_index_;
  try {
    if (!items_->fill(to.items, most, input_bytes_at_once)) input_ended_ = true;
  } catch (...) {
    input_ended_ = true;
    input_error_ = std::current_exception();
  }
  next_index_ += to.count() - before;
  progress_.taken += to.count() - before;
  for (std::size_t i = before; i < to.count() && !cancelled_ahead_.empty(); ++i)
    if (cancelled_ahead_.erase(to.index(i)) != 0) {
      early_.insert(to.index(i));
      deliver(to.index(i), cancelled(to.index(i)));
    }
  if (weight != 0) encode += (clock::now() - begin) * weight;
  return to.count() != 0;
}

void pool_job::pull_all() {
  pool_chunk all;
  while (!input_ended_) pull(all, most_items_in_chunk);
  if (all.count() != 0) again_.push_back(std::move(all));
}

void pool_job::pull_by_key(std::size_t places) {
  while (!input_ended_ && keyed_waiting_ < keyed_ahead * places) {
    const std::size_t most = std::min(keyed_ahead, credit());
    pool_chunk some;
    if (most == 0 || !pull(some, most)) return;
    queue_by_key(some, places);
  }
}

void pool_job::put_back(pool_chunk&& rest, bool in_front) {
  if (rest.settled != 0) {
    pool_chunk left = rest.slice(rest.settled, rest.count());
    rest = std::move(left);
  }
  if (rest.count() == 0) return;
  if (keyed_) {  // to the same worker
    for (std::size_t i = rest.count(); i > 0; --i, ++keyed_waiting_)
      by_key_[static_cast<std::size_t>(rest.items.keys[i - 1] % by_key_.size())].push_front(
          rest.slice(i - 1, i));
    return;
  }
  if (in_front) {
    again_.push_front(std::move(rest));
  } else {
    again_.push_back(std::move(rest));
  }
}

void pool_job::put_off(clock::time_point until, pool_chunk&& item) {
  const std::uint64_t index = item.index(0);
  later_of_[index] = later_.emplace(until, std::move(item));
}

void pool_job::wake(clock::time_point now) {
  while (!later_.empty() && later_.begin()->first <= now) {
    later_of_.erase(later_.begin()->second.index(0));
    put_back(std::move(later_.begin()->second), false);
    later_.erase(later_.begin());
  }
}

void pool_job::abandon() {
  const auto keep = std::exchange(items_, nullptr);
  input_ended_ = true;
  again_.clear();
  later_.clear();
  later_of_.clear();
  by_key_.clear();
  keyed_ = false;
  keyed_waiting_ = 0;
}

void pool_job::drop_waiting(const failure& why) {
  input_ended_ = true;
  std::vector<pool_chunk> all;
  for (auto& c : again_) all.push_back(std::move(c));
  for (auto& [when, c] : later_) all.push_back(std::move(c));
  for (auto& queue : by_key_)
    for (auto& c : queue) all.push_back(std::move(c));
  again_.clear();
  later_.clear();
  later_of_.clear();
  by_key_.clear();
  keyed_ = false;
  keyed_waiting_ = 0;
  for (const auto& c : all)
    for (std::size_t i = 0; i < c.count(); ++i)
      if (!is_settled_early(c.index(i))) deliver(c.index(i), why);
}

void pool_job::deliver(const value_run& some) {
  if (abandoned()) return;
  delivered += some.count;
  progress_.done += some.count;
  if (!history_.empty()) some.each([this](std::uint64_t index, auto) { forget_history(index); });
  const auto keep = items_;
  keep->values(some);
}

void pool_job::deliver(std::uint64_t index, const failure& why) {
  if (abandoned()) return;
  ++delivered;
  ++progress_.failed;
  forget_history(index);
  const auto keep = items_;
  keep->failed(index, why);
}

failure pool_job::cancelled(std::uint64_t index) {
  return {errc::cancelled, "item " + std::to_string(index) + " was cancelled", nullptr, {}};
}

/// Its outcome comes when it is pulled: there may be none of that index.
bool pool_job::cancel_ahead(std::uint64_t index) {
  if (index < next_index_ || input_ended_ || (progress_.total && index >= *progress_.total))
    return false;
  return cancelled_ahead_.insert(index).second;
}

bool pool_job::withdraw(std::uint64_t index) {
  if (const auto off = later_of_.find(index); off != later_of_.end()) {
    later_.erase(off->second);  // nobody shall wait for its time
    later_of_.erase(off);
    return true;
  }
  bool here = false;
  for (const auto& c : again_) here = here || c.has(index);
  for (const auto& queue : by_key_)
    for (const auto& c : queue) here = here || c.has(index);
  return here && early_.insert(index).second;
}

}  // namespace troupe::engine
