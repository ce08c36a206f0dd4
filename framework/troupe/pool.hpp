#pragma once

#include <deque>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <ranges>
#include <string>
#include <utility>
#include <vector>

#include "troupe/process.hpp"

namespace troupe {

/// What a pool is doing, for progress lines.
using pool_progress = engine::pool_progress;

/// One worker of a pool, at this moment.
struct pool_worker {
  troupe::process process;
  bool ready = false;               ///< it has come up
  std::optional<std::size_t> item;  ///< index of the item it works on
  unsigned failed_attempts = 0;     ///< the most that any item it holds has cost already
};

/// The outcome of one item, with its place in the input.
template <class R>
struct item_result : result<R> {
  item_result(std::size_t at, result<R> what) : result<R>(std::move(what)), index(at) {}
  std::size_t index;
};

namespace detail {

/// Items out of a range, results into a container; the types that the engine doesn't see.
template <class R, class A, class View, class Store>
class mapping : public engine::job {
public:
  mapping(View view, Store store)
      : view_(std::move(view)), at_(std::ranges::begin(view_)), store_(std::move(store)) {}

  std::optional<payload_source> next() override {
    if (started_) ++at_;
    started_ = true;
    if (at_ == std::ranges::end(view_)) {
      started_ = false;
      return std::nullopt;
    }
    current_.emplace(static_cast<A>(*at_));
    return codec::source_of(*current_);
  }
  void done(std::uint64_t index, const payload_view& answer) override {
    store_(index, result_of<R>(answer));
  }
  void failed(std::uint64_t index, const engine::failure& why) override {
    store_(index, result<R>{error_of(why)});
  }

private:
  View view_;
  std::ranges::iterator_t<View> at_;
  Store store_;
  bool started_ = false;
  std::optional<A> current_;
};

/// The one parameter of F, or the range's values where F is generic.
template <class F, class T>
struct item_of {
  using argument = T;
  using result = std::remove_cvref_t<std::invoke_result_t<F, T&>>;
  static constexpr bool takes_runtime = false;
};
template <class F, class T>
requires requires {
  typename callable::traits<F>::arguments;
}
struct item_of<F, T> {
  using arguments = typename callable::traits<F>::arguments;
  static_assert(std::tuple_size_v<arguments> == 1,
                "a function for map takes one item; give it a tuple for more");
  using argument = std::tuple_element_t<0, arguments>;
  using result = typename callable::traits<F>::result;
  static constexpr bool takes_runtime = callable::traits<F>::takes_runtime;
};

}  // namespace detail

/// Results as they come. An input range, read once: `for (auto& r : pool.imap_unordered(f,
/// items))`. Destroying it early ends the work: what has not begun never does.
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

  result_stream(std::shared_ptr<engine::pool_core> pool,
                std::shared_ptr<std::deque<item_result<R>>> ready, std::unique_ptr<engine::job> job)
      : pool_(std::move(pool)), ready_(std::move(ready)), job_(std::move(job)) {}
  result_stream(result_stream&&) noexcept = default;
  result_stream& operator=(result_stream&&) = delete;
  ~result_stream() {
    if (pool_ && !exhausted_) engine::abandon(*pool_);
  }

  iterator begin() {
    if (!current_) advance();
    return iterator{this};
  }
  std::default_sentinel_t end() const noexcept { return {}; }
  /// Whether every item has had its outcome and each was read.
  [[nodiscard]] bool ended() const noexcept { return exhausted_ && !current_; }

private:
  void advance() {
    const engine::loop_guard mine{*pool_};  // results come while the reader computes, too
    current_.reset();
    while (ready_->empty() && !exhausted_) exhausted_ = !engine::advance(*pool_);
    if (ready_->empty()) return;
    current_.emplace(std::move(ready_->front()));
    ready_->pop_front();
  }

  std::shared_ptr<engine::pool_core> pool_;
  std::shared_ptr<std::deque<item_result<R>>> ready_;
  std::unique_ptr<engine::job> job_;
  std::optional<item_result<R>> current_;
  bool exhausted_ = false;
};

/// Worker processes that share the items of one call at a time.
///
/// A worker that dies is replaced, any number of times. What it had finished counts; what it had
/// not begun goes to another; the item it was running is run again, `attempts` times in all (3),
/// then its result is `worker_lost` with the report and the others go on. Three workers in a row
/// that die before they come up end the call with that reason. Runs in: the thread of its runtime.
/// Ends: the destructor stops the workers, within 3 s.
class pool {
public:
  explicit pool(std::shared_ptr<engine::pool_core> core) : core_(std::move(core)) {}

  /// How often an item is begun at most; 1: never again, for functions with effects.
  pool& attempts(unsigned most) {
    engine::set_attempts(*core_, most);
    return *this;
  }

  /// Applies `f` to each item; results in the order of the input. Blocks, running the loop.
  /// @throws what the input's iterators throw; std::runtime_error when no worker can be started.
  template <class F, std::ranges::input_range Items>
  auto map(F f, Items&& items) {
    using item = detail::item_of<F, std::ranges::range_value_t<Items>>;
    std::vector<result<typename item::result>> results;
    if constexpr (std::ranges::sized_range<Items>) results.reserve(std::ranges::size(items));
    auto store = [&results](std::uint64_t index, result<typename item::result> what) {
      while (results.size() <= index) results.emplace_back(caf::error{});
      results[index] = std::move(what);
    };
    auto job = mapping_of<F>(std::views::all(std::forward<Items>(items)), std::move(store));
    engine::begin(*core_, role_of<F, item>(f), *job);
    try {
      while (engine::advance(*core_)) {
      }
    } catch (...) {
      engine::abandon(*core_);
      throw;
    }
    return results;
  }
  template <class F, class T>
  auto map(F f, std::initializer_list<T> items) {
    return map(f, std::views::all(items));
  }

  /// Applies `f` to each item; results as they come. The input is pulled as the workers need it, so
  /// it may be endless.
  template <class F, std::ranges::input_range Items>
  auto imap_unordered(F f, Items&& items) {
    using item = detail::item_of<F, std::ranges::range_value_t<Items>>;
    using outcome = item_result<typename item::result>;
    auto ready = std::make_shared<std::deque<outcome>>();
    auto store = [ready](std::uint64_t index, result<typename item::result> what) {
      ready->emplace_back(index, std::move(what));
    };
    auto job = mapping_of<F>(std::views::all(std::forward<Items>(items)), std::move(store));
    engine::begin(*core_, role_of<F, item>(f), *job);
    return result_stream<typename item::result>{core_, std::move(ready), std::move(job)};
  }
  template <class F, class T>
  auto imap_unordered(F f, std::initializer_list<T> items) {
    return imap_unordered(f, std::vector<T>(items));
  }

  [[nodiscard]] std::vector<pool_worker> workers() const;
  [[nodiscard]] pool_progress progress() const { return engine::progress(*core_); }

private:
  template <class F, class View, class Store>
  static auto mapping_of(View view, Store store) {
    using item = detail::item_of<F, std::ranges::range_value_t<View>>;
    using mapping = detail::mapping<typename item::result, typename item::argument, View, Store>;
    return std::make_unique<mapping>(std::move(view), std::move(store));
  }
  template <class F, class Item>
  static engine::role role_of(F f) {
    return callable::role_of<std::tuple<typename Item::argument>, Item::takes_runtime>(f, "map",
                                                                                       false);
  }

  std::shared_ptr<engine::pool_core> core_;
};

}  // namespace troupe
