#pragma once

#include <actors/pool/pool.capnp.h>

#include <deque>
#include <optional>
#include <ranges>
#include <troupe/troupe.hpp>
#include <utility>
#include <vector>

/// A pool that several clients share, also from other processes: an actor in a process of its own
/// whose workers carry out calls of functions of this program.
///
///     auto shared = rt.spawn(troupe::actors::pool, std::uint64_t{4});
///     auto client = troupe::actors::pool_client{rt, shared};
///     client.apply(square, 7).value();
///
/// The handle may be sent to other processes, which make clients of their own of it.
namespace troupe::actors {

using pool_call = msg<pool_messages::Call>;
using pool_result = msg<pool_messages::Result>;
using pool_ask = msg<pool_messages::Ask>;
using pool_state = msg<pool_messages::State>;

using pool_actor = caf::typed_actor<caf::replies_to<pool_call>::with<pool_result>,
                                    caf::replies_to<pool_ask>::with<pool_state>>;

/// The actor. `workers` 0: the CPUs that it may use. A call that fails is answered with its error.
pool_actor::behavior_type pool(pool_actor::pointer self, runtime& rt, std::uint64_t workers);

/// The message for a call.
pool_call make_call(const call_data& call, bool urgent = false);

namespace detail {

inline auto request(runtime& rt, const pool_actor& to, const pool_call& call) {
  return rt.self()->request(caf::actor_cast<caf::actor>(to), caf::infinite, call);
}
using response = decltype(request(std::declval<runtime&>(), std::declval<const pool_actor&>(),
                                  std::declval<const pool_call&>()));

template <class F>
using result_of = result<typename callable::traits<F>::result>;
template <class F>
result_of<F> decoded(const pool_result& r) {
  const auto bytes = r->getValue();
  return result_of_call<F>({reinterpret_cast<const char*>(bytes.begin()), bytes.size()});
}

/// What became of the call of that index.
struct answer {
  std::uint64_t index = 0;
  pool_result value;
  caf::error error;  ///< none: it has a value

  template <class F>
  [[nodiscard]] result_of<F> as() const {
    if (error) return error;
    return decoded<F>(value);
  }
};
answer wait_for(response& from, std::uint64_t index);

/// Calls under way, answered in the order in which they were asked.
class in_order {
public:
  in_order(runtime& rt, pool_actor to) : rt_(rt), to_(std::move(to)) {}
  [[nodiscard]] std::size_t open() const noexcept { return open_.size(); }
  void ask(const pool_call& call) { open_.push_back(request(rt_, to_, call)); }
  answer next();

private:
  runtime& rt_;
  pool_actor to_;
  std::deque<response> open_;
  std::uint64_t first_ = 0;
};

/// The same in the order in which they come: an actor of this process asks for them.
class as_they_come {
public:
  as_they_come(runtime& rt, const pool_actor& to);
  as_they_come(const as_they_come&) = delete;
  as_they_come& operator=(const as_they_come&) = delete;
  ~as_they_come();
  [[nodiscard]] std::size_t open() const noexcept { return open_; }
  void ask(const pool_call& call);
  answer next();

private:
  runtime& rt_;
  caf::actor asker_;
  std::uint64_t asked_ = 0;
  std::size_t open_ = 0;
};

}  // namespace detail

/// A call that an actor has not made yet.
template <class F>
class [[nodiscard]] actor_call {
public:
  actor_call(caf::event_based_actor* self, pool_actor to, pool_call call)
      : self_(self), to_(std::move(to)), call_(std::move(call)) {}
  /// Makes it; `what` gets its result, in that actor.
  template <class What>
  void then(What what) {
    self_->request(to_, caf::infinite, call_)
        .then(
            [what](const pool_result& r) mutable {
              auto value = detail::decoded<F>(r);
              what(value);
            },
            [what](caf::error& e) mutable {
              detail::result_of<F> failed{std::move(e)};
              what(failed);
            });
  }

private:
  caf::event_based_actor* self_;
  pool_actor to_;
  pool_call call_;
};

/// Calls of one client; waits by the runtime's own actor.
class pool_client {
  static constexpr std::size_t most_open = 256;
  using response = detail::response;
  template <class F>
  using result_of = detail::result_of<F>;

public:
  pool_client(runtime& rt, pool_actor to) : rt_(rt), to_(std::move(to)) {}

  /// A call that is under way. Dropping it forgets the result, not the work.
  template <class F>
  class [[nodiscard]] task {
  public:
    explicit task(response from) : from_(std::move(from)) {}
    /// Waits for its result.
    result_of<F>& get() {
      if (!outcome_) outcome_.emplace(detail::wait_for(from_, 0).template as<F>());
      return *outcome_;
    }

  private:
    response from_;
    std::optional<result_of<F>> outcome_;
  };

  /// Results as an input range. Up to 256 calls are under way at once: the input may be endless.
  template <class F, class View, bool Star, class Order = detail::in_order>
  class stream {
  public:
    using value_type = item_result<typename callable::traits<F>::result>;
    class iterator {
    public:
      using iterator_concept = std::input_iterator_tag;
      using difference_type = std::ptrdiff_t;
      using value_type = stream::value_type;
      iterator() = default;
      explicit iterator(stream* of) : of_(of) {}
      value_type& operator*() const { return *of_->current_; }
      value_type* operator->() const { return &*of_->current_; }
      iterator& operator++() {
        of_->advance();
        return *this;
      }
      void operator++(int) { ++*this; }
      friend bool operator==(const iterator& i, std::default_sentinel_t) { return i.of_->ended(); }

    private:
      stream* of_ = nullptr;
    };

    stream(const pool_client& of, F f, View items)
        : f_(f), items_(std::move(items)), calls_(of.rt_, of.to_) {}
    iterator begin() {
      if (!at_) {
        at_.emplace(std::ranges::begin(items_));
        advance();
      }
      return iterator{this};
    }
    std::default_sentinel_t end() const noexcept { return {}; }
    /// Whether each result was read.
    [[nodiscard]] bool ended() const noexcept { return !current_.has_value(); }

  private:
    void advance() {
      for (; calls_.open() < most_open && *at_ != std::ranges::end(items_); ++*at_)
        calls_.ask(make_call(call_for(**at_)));
      current_.reset();
      if (calls_.open() == 0) return;
      const detail::answer next = calls_.next();
      current_.emplace(next.index, next.as<F>());
    }
    template <class Item>
    call_data call_for(Item&& item) const {
      if constexpr (Star) {
        return std::apply([this](const auto&... parts) { return call_of(f_, parts...); }, item);
      } else {
        return call_of(f_, std::forward<Item>(item));
      }
    }

    F f_;
    View items_;
    Order calls_;
    std::optional<std::ranges::iterator_t<View>> at_;
    std::optional<value_type> current_;
  };

  /// `f(arguments...)` in some worker of the pool, without waiting for it.
  template <class F, class... Arguments>
  auto submit(F f, Arguments&&... arguments) const {
    return task<F>{
        detail::request(rt_, to_, make_call(call_of(f, std::forward<Arguments>(arguments)...)))};
  }
  /// The same, and waits for its result.
  template <class F, class... Arguments>
  auto apply(F f, Arguments&&... arguments) const {
    return submit(f, std::forward<Arguments>(arguments)...).get();
  }
  /// The same before calls that are not urgent.
  template <class F, class... Arguments>
  auto apply_urgently(F f, Arguments&&... arguments) const {
    const auto call = make_call(call_of(f, std::forward<Arguments>(arguments)...), true);
    return task<F>{detail::request(rt_, to_, call)}.get();
  }
  /// `f(item)` for each, read as they come in the order of the input.
  template <class F, std::ranges::input_range Items>
  auto imap(F f, Items&& items) const {
    using view = std::views::all_t<Items>;
    return stream<F, view, false>{*this, f, std::views::all(std::forward<Items>(items))};
  }
  /// The same, read in the order in which they come; each has the index of its item.
  template <class F, std::ranges::input_range Items>
  auto imap_unordered(F f, Items&& items) const {
    using view = std::views::all_t<Items>;
    return stream<F, view, false, detail::as_they_come>{
        *this, f, std::views::all(std::forward<Items>(items))};
  }
  /// For an event-based actor, which can't wait: `apply_async(self, f, 1).then([](auto& result)
  /// {...})`.
  template <class F, class... Arguments>
  auto apply_async(caf::event_based_actor* self, F f, Arguments&&... arguments) const {
    return actor_call<F>{self, to_, make_call(call_of(f, std::forward<Arguments>(arguments)...))};
  }
  /// `f(item)` for each; results in the order of the input.
  template <class F, std::ranges::input_range Items>
  auto map(F f, Items&& items) const {
    return all<false>(f, std::forward<Items>(items));
  }
  /// As `map` for items that are tuples: `f(parts...)`.
  template <class F, std::ranges::input_range Items>
  auto starmap(F f, Items&& items) const {
    return all<true>(f, std::forward<Items>(items));
  }
  /// `into(total, result)` here for each result; items that failed are in `failed`.
  template <class T, class F, class Into, std::ranges::input_range Items>
  reduction<T> map_reduce(F f, Into into, Items&& items, T total) const {
    reduction<T> sum{std::move(total), {}};
    for (auto& r : imap(f, std::forward<Items>(items))) {
      if (r) {
        into(sum.total, std::move(*r));
      } else {
        sum.failed.emplace_back(r.index, r.error());
      }
    }
    return sum;
  }
  /// Of all calls of all clients.
  [[nodiscard]] pool_progress progress() const;

private:
  template <bool Star, class F, class Items>
  auto all(F f, Items&& items) const {
    using view = std::views::all_t<Items>;
    std::vector<result_of<F>> results;
    for (auto& r : stream<F, view, Star>{*this, f, std::views::all(std::forward<Items>(items))})
      results.push_back(std::move(r));
    return results;
  }

  runtime& rt_;
  pool_actor to_;
};

}  // namespace troupe::actors
