#pragma once

#include <deque>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "troupe/pool_item.hpp"

namespace troupe {

/// The outcome of one item, with its place in the input.
template <class R>
struct item_result : result<R> {
  item_result(std::size_t at, result<R> what) : result<R>(std::move(what)), index(at) {}
  std::size_t index;
};

namespace detail {

/// Outcomes on their way to a reader, in the order of the input or as they come.
template <class R>
class outcomes {
public:
  explicit outcomes(bool ordered) : ordered_(ordered) {}
  void add(std::uint64_t index, result<R>&& what, std::size_t bytes) {
    const auto at = static_cast<std::size_t>(index);
    bytes_ += bytes;
    if (ordered_ && at != next_) {
      early_.emplace(at, waiting{{at, std::move(what)}, bytes});
      return;
    }
    ready_.push_back({{at, std::move(what)}, bytes});
    if (!ordered_) return;
    for (++next_; !early_.empty() && early_.begin()->first == next_; ++next_) {
      ready_.push_back(std::move(early_.begin()->second));
      early_.erase(early_.begin());
    }
  }
  [[nodiscard]] bool empty() const noexcept { return ready_.empty(); }
  [[nodiscard]] unread_results unread() const noexcept {
    return {ready_.size() + early_.size(), bytes_};
  }
  item_result<R> take() {
    waiting first = std::move(ready_.front());
    ready_.pop_front();
    bytes_ -= first.bytes;
    return std::move(first.what);
  }

private:
  struct waiting {
    item_result<R> what;
    std::size_t bytes;
  };
  bool ordered_;
  std::size_t next_ = 0;
  std::uint64_t bytes_ = 0;
  std::deque<waiting> ready_;
  std::map<std::size_t, waiting> early_;
};

}  // namespace detail

/// Results as they come. An input range, read once: `for (auto& r : pool.imap(f, items))`.
/// Destroying it early ends the work: what has not begun never does, and a worker that is still at
/// an item of it after `kill_grace` is ended.
template <class R>
class result_stream {
public:
  class iterator {
  public:
    using iterator_concept = std::input_iterator_tag;
    using difference_type = std::ptrdiff_t;
    using value_type = item_result<R>;
    iterator() = default;
    explicit iterator(result_stream* of) : of_(of) {}
    item_result<R>& operator*() const { return *of_->current_; }
    item_result<R>* operator->() const { return &*of_->current_; }
    iterator& operator++() {
      of_->advance();
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const iterator& i, std::default_sentinel_t) { return i.of_->ended(); }

  private:
    result_stream* of_ = nullptr;
  };

  result_stream(std::shared_ptr<engine::pool_core> pool, std::shared_ptr<detail::outcomes<R>> ready,
                engine::job_ptr job)
      : pool_(std::move(pool)), ready_(std::move(ready)), job_(std::move(job)) {}
  result_stream(result_stream&&) noexcept = default;
  result_stream& operator=(result_stream&&) = delete;
  ~result_stream() {
    if (pool_) engine::abandon(*pool_, job_);
  }

  iterator begin() {
    if (!current_) advance();
    return iterator{this};
  }
  std::default_sentinel_t end() const noexcept { return {}; }
  /// Whether every item has had its outcome and each was read.
  [[nodiscard]] bool ended() const noexcept { return exhausted_ && !current_; }

  /// The next result; empty when there is none, or `limit` passed first (`ended()` tells).
  std::optional<item_result<R>> next(std::chrono::nanoseconds limit) {
    if (!current_) wait(engine::deadline(limit));
    return std::exchange(current_, std::nullopt);
  }
  /// The outcome of that item is `cancelled`, told when it is pulled from the input if it was not
  /// yet. False when it has one, or the input is known to have no such item.
  bool cancel(std::size_t index) { return engine::cancel(*pool_, job_, index); }
  [[nodiscard]] pool_progress progress() const { return engine::progress(*pool_, job_); }
  /// What has come and was not read.
  [[nodiscard]] unread_results unread() const {
    const engine::loop_guard mine{*pool_};
    return ready_->unread();
  }
  [[nodiscard]] pool_report report() const { return engine::report(*pool_, job_); }

private:
  void advance() {
    current_.reset();
    wait(std::nullopt);
  }
  void wait(std::optional<engine::clock::time_point> limit) {
    const engine::loop_guard mine{*pool_};  // results come while the reader computes, too
    while (ready_->empty() && !exhausted_) {
      if (limit && engine::clock::now() >= *limit) return;
      exhausted_ = !engine::advance(*pool_, job_, limit);
    }
    if (ready_->empty()) return;
    current_.emplace(ready_->take());
    engine::has_read(*pool_, job_);
  }

  std::shared_ptr<engine::pool_core> pool_;
  std::shared_ptr<detail::outcomes<R>> ready_;
  engine::job_ptr job_;
  std::optional<item_result<R>> current_;
  bool exhausted_ = false;
};

}  // namespace troupe
