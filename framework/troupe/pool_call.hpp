#pragma once

#include <deque>
#include <iterator>
#include <map>
#include <memory>
#include <ranges>
#include <utility>
#include <vector>

#include "troupe/chunk_server.hpp"
#include "troupe/pool_api.hpp"
#include "troupe/process.hpp"

/// What calls of a pool give and take.
namespace troupe {

/// The outcome of one item, with its place in the input.
template <class R>
struct item_result : result<R> {
  item_result(std::size_t at, result<R> what) : result<R>(std::move(what)), index(at) {}
  std::size_t index;
};

/// What `pool::map_reduce` comes to.
template <class T>
struct reduction {
  T total;
  std::vector<std::pair<std::size_t, caf::error>> failed;  ///< index and reason
};

/// An item whose key says which worker gets it: the same key, the same worker, as long as the pool
/// has the same number of them and none dies. A range of these is an input like any other.
template <class T>
struct keyed {
  std::uint64_t key = 0;
  T item;
};

namespace detail {

template <class T>
struct unkeyed {
  using type = T;
  static constexpr bool has_key = false;
};
template <class T>
struct unkeyed<keyed<T>> {
  using type = T;
  static constexpr bool has_key = true;
};

/// The one parameter of F, or the range's values where F is generic.
template <class F, class T, bool Star>
struct item_of {
  using argument = typename unkeyed<T>::type;
  static decltype(auto) call(F& f, argument& item) {
    if constexpr (Star) {
      return std::apply(f, item);
    } else {
      return f(item);
    }
  }
  using result = std::remove_cvref_t<decltype(call(std::declval<F&>(), std::declval<argument&>()))>;
  static engine::role role(F f, const char* name) {
    return callable::chunk_role_of<argument, false, Star>(f, name);
  }
};
template <class F, class T, bool Star>
requires requires {
  typename callable::traits<F>::arguments;
}
struct item_of<F, T, Star> {
  using traits = callable::traits<F>;
  using arguments = typename traits::arguments;
  static_assert(Star || std::tuple_size_v<arguments> == 1,
                "a function for map takes one item; use starmap with tuples for more");
  template <bool S, class Arguments>
  struct argument_of {
    using type = Arguments;
  };
  template <class Arguments>
  struct argument_of<false, Arguments> {
    using type = std::tuple_element_t<0, Arguments>;
  };
  using argument = typename argument_of<Star, arguments>::type;
  using result = typename traits::result;
  static engine::role role(F f, const char* name) {
    return callable::chunk_role_of<argument, traits::takes_runtime, Star>(f, name);
  }
};

/// Encodes one item at the end of a block.
template <class A>
void encode_item(item_block& to, A& item) {
  codec::measure size;
  codec::apply(size, item);
  codec::writer out{to.bytes.grow(size.bytes)};
  codec::apply(out, item);
  to.ends.push_back(static_cast<std::uint32_t>(to.bytes.size()));
  ++to.count;
}

/// A value that a worker sent.
template <class R>
result<R> value_from(std::span<const std::byte> bytes) {
  if constexpr (std::is_void_v<R>) {
    return {};
  } else if constexpr (callable::has_fixed_size<R>) {
    if (bytes.size() != sizeof(R))
      return make_error(errc::bad_message, "the answer has another size than its type");
    R value;
    std::memcpy(&value, bytes.data(), sizeof value);
    return value;
  } else {
    try {
      return callable::item_from<R>(bytes);
    } catch (const std::exception& e) {
      return make_error(errc::bad_message, std::string{"the answer can't be read: "} + e.what());
    }
  }
}

struct nothing_unread {
  std::optional<unread_results> operator()() const { return std::nullopt; }
};

/// Items out of a range, results into a container; the types that the engine doesn't see.
template <class Item, class View, class Store, class Unread>
class mapping final : public engine::job {
public:
  using argument = typename Item::argument;
  using value_type = typename Item::result;

  static_assert(
      unkeyed<std::ranges::range_value_t<View>>::has_key ||
          std::is_same_v<std::ranges::range_value_t<View>, argument> ||
          requires(View & v) { static_cast<argument>(*std::ranges::begin(v)); },
      "The function takes something else than these items: an item must convert to its parameter, "
      "for starmap the parts of an item to its parameters.");

  mapping(View view, Store store, Unread unread)
      : view_(std::move(view)), store_(std::move(store)), unread_(std::move(unread)) {
    if constexpr (std::ranges::sized_range<View>)
      total_ = static_cast<std::uint64_t>(std::ranges::size(view_));
  }

  bool fill(item_block& to, std::size_t most_items, std::size_t most_bytes) override {
    if (!at_) at_.emplace(std::ranges::begin(view_));
    const auto end = std::ranges::end(view_);
    auto& at = *at_;
    if constexpr (fixed) {
      to.item_bytes = sizeof(argument);
      std::size_t most = std::max<std::size_t>(most_bytes / sizeof(argument), 1);
      if (most > most_items) most = most_items;
      if constexpr (as_they_lie) {
        const std::size_t count = std::min(most - to.count, static_cast<std::size_t>(end - at));
        if (count != 0)
          std::memcpy(to.bytes.grow(count * sizeof(argument)), std::to_address(at),
                      count * sizeof(argument));
        to.count += count;
        at += static_cast<std::ranges::range_difference_t<View>>(count);
        return at != end;
      }
      if (total_) to.bytes.reserve(std::min<std::size_t>(most, *total_) * sizeof(argument));
      while (to.count < most && step(at, end)) {
        const auto item = static_cast<argument>(*at);
        std::memcpy(to.bytes.grow(sizeof item), &item, sizeof item);
        ++to.count;
      }
      return !ended_;
    } else {
      while (to.count < most_items && to.bytes.size() < most_bytes && step(at, end)) {
        if constexpr (unkeyed<std::ranges::range_value_t<View>>::has_key) {
          std::ranges::range_value_t<View> one = *at;
          to.keys.push_back(one.key);
          argument item(std::move(one.item));
          encode_item(to, item);
        } else if constexpr (std::is_lvalue_reference_v<std::ranges::range_reference_t<View>> &&
                             std::is_same_v<std::ranges::range_value_t<View>, argument>) {
          encode_item(to, const_cast<argument&>(static_cast<const argument&>(*at)));
        } else {
          argument item = static_cast<argument>(*at);
          encode_item(to, item);
        }
      }
      return !ended_;
    }
  }
  [[nodiscard]] std::optional<std::uint64_t> total() const override { return total_; }
  [[nodiscard]] std::optional<unread_results> unread() const override { return unread_(); }
  void values(const value_run& some) override {
    stored_ += some.count;
    if constexpr (callable::has_fixed_size<value_type> && requires { store_.run(some); })
      if (some.value_bytes == sizeof(value_type) && some.indexes == nullptr)
        return store_.run(some);
    some.each([this](std::uint64_t index, std::span<const std::byte> bytes) {
      store_(index, value_from<value_type>(bytes), bytes.size());
    });
  }
  void failed(std::uint64_t index, const engine::failure& why) override {
    ++stored_;
    store_(index, result<value_type>{error_of(why)}, why.text.size());
  }
  /// Outcomes so far.
  [[nodiscard]] std::size_t stored() const noexcept { return stored_; }

private:
  static constexpr bool as_they_lie = std::ranges::contiguous_range<View> &&
                                      std::ranges::sized_range<View> &&
                                      std::is_same_v<std::ranges::range_value_t<View>, argument>;
  static constexpr bool fixed =
      callable::has_fixed_size<argument> && !unkeyed<std::ranges::range_value_t<View>>::has_key;

  /// To the next item; the iterator moves only when it is wanted. False: there is none.
  template <class Iterator, class End>
  bool step(Iterator& at, const End& end) {
    if (ended_) return false;
    if (started_) ++at;
    started_ = true;
    ended_ = at == end;
    return !ended_;
  }

  View view_;
  std::optional<std::ranges::iterator_t<View>> at_;
  std::optional<std::uint64_t> total_;
  Store store_;
  Unread unread_;
  std::size_t stored_ = 0;
  bool started_ = false;
  bool ended_ = false;
};

template <class Item, class View, class Store, class Unread = nothing_unread>
auto mapping_of(View view, Store store, Unread unread = {}) {
  return std::make_shared<mapping<Item, View, Store, Unread>>(std::move(view), std::move(store),
                                                              std::move(unread));
}

/// Outcomes in the order of the input, as many as have come; a hole is an empty error, or among
/// values of fixed size a cheap one of them.
template <class R>
struct in_order {
  std::vector<result<R>>* to;

  void operator()(std::uint64_t index, result<R>&& what, std::size_t) const {
    const auto at = static_cast<std::size_t>(index);
    if (at == to->size()) {
      to->push_back(std::move(what));
      return;
    }
    if (at > to->size()) to->resize(at + 1, result<R>{caf::error{}});
    (*to)[at] = std::move(what);
  }
  /// Neighbours, of a fixed size.
  void run(const value_run& some) const requires callable::has_fixed_size<R> {
    const std::byte* from = some.at + some.lead;
    auto at = static_cast<std::size_t>(some.index);
    while (to->size() < at) to->emplace_back(R{});
    for (const std::size_t end = at + some.count; at < end; ++at) {
      R value;
      std::memcpy(&value, from, sizeof value);
      from += some.lead + sizeof value;
      if (at == to->size()) {
        to->emplace_back(value);
      } else {
        (*to)[at] = value;
      }
    }
  }
};

/// A job that must not outlive the call that made it.
class abandoned_at_end {
public:
  abandoned_at_end(engine::pool_core& pool, engine::job_ptr which)
      : pool_(pool), which_(std::move(which)) {}
  abandoned_at_end(const abandoned_at_end&) = delete;
  abandoned_at_end& operator=(const abandoned_at_end&) = delete;
  ~abandoned_at_end() { engine::abandon(pool_, which_); }

private:
  engine::pool_core& pool_;
  engine::job_ptr which_;
};

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

/// One call of a function, and its result when it has come.
template <class R, class Arguments>
class single_call;

template <class R>
class call_state : public engine::job {
public:
  explicit call_state(std::shared_ptr<engine::pool_core> pool) : pool_(std::move(pool)) {}

  void under_way(engine::job_ptr as) { as_ = std::move(as); }
  [[nodiscard]] engine::pool_core& pool() const noexcept { return *pool_; }
  [[nodiscard]] const engine::job_ptr& as() const noexcept { return as_; }
  [[nodiscard]] bool ready() const {
    const engine::loop_guard mine{*pool_};
    return value_.has_value();
  }
  result<R>& value() { return *value_; }
  void then(std::function<void(result<R>&)> what, std::shared_ptr<call_state> self) {
    const engine::loop_guard mine{*pool_};
    if (value_.has_value()) {
      engine::call_soon(*pool_, [what = std::move(what), self] { what(self->value()); });
    } else {
      after_.push_back([what = std::move(what)](result<R>& r) { what(r); });
    }
  }

  std::optional<std::uint64_t> total() const override { return 1; }
  void values(const value_run& some) override {
    some.each(
        [this](std::uint64_t, std::span<const std::byte> bytes) { settle(value_from<R>(bytes)); });
  }
  void failed(std::uint64_t, const engine::failure& why) override { settle(error_of(why)); }

protected:
  std::weak_ptr<call_state> self_;

private:
  void settle(result<R> what) {
    if (value_.has_value()) return;
    value_.emplace(std::move(what));
    for (auto& callback : std::exchange(after_, {}))
      engine::call_soon(*pool_, [callback = std::move(callback), self = self_.lock()] {
        callback(self->value());
      });
  }

  std::shared_ptr<engine::pool_core> pool_;
  engine::job_ptr as_;
  std::optional<result<R>> value_;
  std::vector<std::function<void(result<R>&)>> after_;
};

template <class R, class Arguments>
class single_call final : public call_state<R>,
                          public std::enable_shared_from_this<single_call<R, Arguments>> {
public:
  single_call(std::shared_ptr<engine::pool_core> pool, Arguments arguments)
      : call_state<R>(std::move(pool)), arguments_(std::move(arguments)) {}

  bool fill(item_block& to, std::size_t, std::size_t) override {
    this->self_ = this->shared_from_this();
    encode_item(to, arguments_);
    return false;
  }

private:
  Arguments arguments_;
};

}  // namespace detail

/// Results as they come. An input range, read once: `for (auto& r : pool.imap(f, items))`.
/// Destroying it early ends the work: what has not begun never does.
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
  /// The outcome of that item is `cancelled`; false when it has one.
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

/// A result that is still to come. Copies mean the same call; dropping it forgets the result, not
/// the work.
template <class R>
class [[nodiscard]] task {
public:
  explicit task(std::shared_ptr<detail::call_state<R>> state) : state_(std::move(state)) {}

  [[nodiscard]] bool ready() const { return state_->ready(); }
  /// Waits for the outcome, running the loop.
  const result<R>& get() const {
    while (!state_->ready()) {
      if (!engine::advance(state_->pool(), state_->as(), std::nullopt)) break;
    }
    return state_->value();
  }
  /// As `get`; empty when `limit` passes first: the work goes on.
  std::optional<result<R>> get_within(std::chrono::nanoseconds limit) const {
    const auto end = engine::deadline(limit);
    while (!state_->ready()) {
      if (engine::clock::now() >= end) return std::nullopt;
      if (!engine::advance(state_->pool(), state_->as(), end)) break;
    }
    return state_->value();
  }
  /// The outcome is `cancelled`, now: what has begun is asked to end, then its worker is. False
  /// when it has an outcome.
  bool cancel() const { return engine::cancel(state_->pool(), state_->as(), 0); }
  /// Calls `what` with the outcome, in the thread that waits next for anything of this runtime,
  /// even if the outcome has come. What it throws goes to stderr.
  template <class F>
  const task& then(F what) const {
    state_->then(std::move(what), state_);
    return *this;
  }

private:
  std::shared_ptr<detail::call_state<R>> state_;
};

}  // namespace troupe
