#pragma once

#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "troupe/pool_mapping.hpp"
#include "troupe/pool_settings.hpp"
#include "troupe/result_stream.hpp"
#include "troupe/task.hpp"

namespace troupe {

struct encoded_value;

/// What `pool::map_reduce` comes to.
template <class T>
struct reduction {
  T total;
  std::vector<std::pair<std::size_t, caf::error>> failed;  ///< index and reason
};

/// One worker of a pool, at this moment.
struct pool_worker {
  troupe::process process;
  bool ready = false;               ///< it has come up
  std::optional<std::size_t> item;  ///< index of the item it works on
  unsigned failed_attempts = 0;     ///< the most that any item it holds has cost already
};

/// How a pool is made: its settings, and functions for the beginning and the end of each worker.
struct pool_options : pool_settings {
  pool_options() = default;
  explicit pool_options(std::size_t count) { workers = count; }
  std::string name = "pool worker";  ///< in reports and logs

  /// Runs in each worker before its first item. Failing three times in a row breaks the pool.
  template <class F>
  pool_options& initializer(F f) {
    initialize = plain_role(f, "initializer");
    return *this;
  }
  /// Runs in each worker that ends in good order, within `stop_grace`.
  template <class F>
  pool_options& finalizer(F f) {
    finalize = plain_role(f, "finalizer");
    return *this;
  }

  std::optional<engine::role> initialize = {};
  std::optional<engine::role> finalize = {};

private:
  template <class F>
  static engine::role plain_role(F f, const char* name) {
    using traits = callable::traits<F>;
    static_assert(std::tuple_size_v<typename traits::arguments> == 0,
                  "an initializer or finalizer takes no arguments: write what it needs into it, or "
                  "into a file that it reads");
    return callable::role_of<std::tuple<>, traits::takes_runtime>(f, name, false);
  }
};

/// Worker processes that share the items of any number of calls.
///
/// Functions and lambdas without captures need no registration; they may take a `runtime&` first.
/// A worker that dies is replaced, any number of times. What it had finished counts; what it had
/// not begun goes to another; the item it was at is run again, `map_options::on_crash.attempts`
/// times in all (3), then its result is `worker_lost` with the report, it is in `quarantine()`, and
/// the others go on. Three workers in a row that die before they come up end the calls with that
/// reason.
/// The first Ctrl-C lets what has begun end: a map then has `stopped` for the rest, a stream ends
/// early, further calls throw `interrupted`. The second stops the workers, the third the program.
/// Its exit code is 130, unless its own is another one than 0. Move-only. Runs in: the thread of
/// its runtime. Ends: the destructor is `terminate` and `join`, within `stop_grace` and a second.
class pool {
public:
  explicit pool(std::shared_ptr<engine::pool_core> core) : core_(std::move(core)) {}
  pool(pool&&) noexcept = default;
  pool& operator=(pool&& other) noexcept {
    end();
    core_ = std::move(other.core_);
    usual_ = other.usual_;
    return *this;
  }
  ~pool() { end(); }

  /// How often an item whose worker dies is begun at most, in calls without options of their own;
  /// 1: never again, for functions with effects.
  pool& attempts(unsigned most) {
    usual_.on_crash.attempts = std::max(1U, most);
    return *this;
  }
  /// For calls without options of their own.
  pool& use(const map_options& options) {
    usual_ = options;
    return *this;
  }
  [[nodiscard]] const map_options& usual() const noexcept { return usual_; }

  /// Applies `f` to each item; results in the order of the input. Blocks, running the loop.
  /// @throws what the input's iterators throw; std::runtime_error when no worker can be started.
  template <class F, std::ranges::input_range Items>
  auto map(F f, Items&& items, const map_options& how) {
    return all<false>(f, std::forward<Items>(items), how);
  }
  template <class F, std::ranges::input_range Items>
  auto map(F f, Items&& items) {
    return map(f, std::forward<Items>(items), usual_);
  }
  template <class F, class T>
  auto map(F f, std::initializer_list<T> items) {
    return map(f, std::views::all(items), usual_);
  }
  template <class F, class T>
  auto map(F f, std::initializer_list<T> items, const map_options& how) {
    return map(f, std::views::all(items), how);
  }
  /// As `map` for items that are tuples: `f(parts...)`.
  template <class F, std::ranges::input_range Items>
  auto starmap(F f, Items&& items, const map_options& how) {
    return all<true>(f, std::forward<Items>(items), how);
  }
  template <class F, std::ranges::input_range Items>
  auto starmap(F f, Items&& items) {
    return starmap(f, std::forward<Items>(items), usual_);
  }

  /// Applies `f` to each item; results as they come. The input is pulled as the workers need it, so
  /// it may be endless.
  template <class F, std::ranges::input_range Items>
  auto imap_unordered(F f, Items&& items, const map_options& how) {
    return stream<false>(f, std::forward<Items>(items), how);
  }
  template <class F, std::ranges::input_range Items>
  auto imap_unordered(F f, Items&& items) {
    return imap_unordered(f, std::forward<Items>(items), usual_);
  }
  template <class F, class T>
  auto imap_unordered(F f, std::initializer_list<T> items) {
    return imap_unordered(f, std::vector<T>(items));
  }
  /// The same in the order of the input. A result waits for those before it, the input for them.
  template <class F, std::ranges::input_range Items>
  auto imap(F f, Items&& items, const map_options& how) {
    return stream<true>(f, std::forward<Items>(items), how);
  }
  template <class F, std::ranges::input_range Items>
  auto imap(F f, Items&& items) {
    return imap(f, std::forward<Items>(items), usual_);
  }
  template <class F, class T>
  auto imap(F f, std::initializer_list<T> items) {
    return imap(f, std::vector<T>(items));
  }

  /// One call of `f`, in some worker, without waiting for it.
  template <class F, class... Arguments>
  requires(!std::is_same_v<F, map_options>) auto submit(F f, Arguments&&... arguments) {
    return submit(usual_, f, std::forward<Arguments>(arguments)...);
  }
  template <class F, class... Arguments>
  auto submit(const map_options& how, F f, Arguments&&... arguments) {
    using traits = callable::traits<F>;
    static_assert(
        requires { typename traits::arguments; },
        "What a generic lambda takes can't be told here: give its parameters types.");
    using result = typename traits::result;
    using tuple = typename traits::arguments;
    auto call = std::make_shared<detail::single_call<result, tuple>>(
        core_, callable::parameters_of<tuple>(std::forward<Arguments>(arguments)...));
    auto role = callable::chunk_role_of<tuple, traits::takes_runtime, true>(f, "submit");
    call->under_way(engine::begin(*core_, role, call, how));
    return task<result>{std::move(call)};
  }
  /// The same for those who look for it: `pool.apply_async(f, 1).then([](auto& result) {...})`.
  template <class F, class... Arguments>
  auto apply_async(F f, Arguments&&... arguments) {
    return submit(f, std::forward<Arguments>(arguments)...);
  }
  /// One call of `f`; waits for its result.
  template <class F, class... Arguments>
  auto apply(F f, Arguments&&... arguments) {
    return submit(f, std::forward<Arguments>(arguments)...).get();
  }

  /// See call_data.hpp.
  task<encoded_value> submit_encoded(const engine::role& what, std::string arguments,
                                     const map_options& how);

  /// Applies `f` to each item in the workers, and `into(total, result)` here to each result, as
  /// they come, so its order must not matter. Items that failed are in `failed`.
  template <class T, class F, class Into, std::ranges::input_range Items>
  reduction<T> map_reduce(F f, Into into, Items&& items, T total, const map_options& how) {
    reduction<T> sum{std::move(total), {}};
    for (auto& r : imap_unordered(f, std::forward<Items>(items), how)) {
      if (r) {
        into(sum.total, std::move(*r));
      } else {
        sum.failed.emplace_back(r.index, r.error());
      }
    }
    return sum;
  }
  template <class T, class F, class Into, std::ranges::input_range Items>
  reduction<T> map_reduce(F f, Into into, Items&& items, T total) {
    return map_reduce(f, into, std::forward<Items>(items), std::move(total), usual_);
  }

  /// Takes no more calls; those under way go on.
  void close() { engine::close(*core_); }
  /// Takes no more calls; what has not begun fails with `stopped`, what runs is ended by the steps
  /// of `runtime::stop`.
  void terminate() { engine::terminate(*core_); }
  /// After one of them: waits until all calls have their outcomes and the workers have ended.
  /// @throws std::logic_error while the pool takes calls.
  void join() { engine::join(*core_, std::nullopt); }
  /// False when `limit` passes first.
  [[nodiscard]] bool join(std::chrono::nanoseconds limit) {
    return engine::join(*core_, engine::deadline(limit));
  }
  /// As many workers from now on; those over it end after the item they are at.
  void resize(std::size_t workers) { engine::resize(*core_, workers); }

  [[nodiscard]] std::vector<pool_worker> workers() const;
  /// Of all calls since it last had nothing to do.
  [[nodiscard]] pool_progress progress() const { return engine::progress(*core_); }
  /// Of all calls since it was made.
  [[nodiscard]] pool_progress totals() const { return engine::totals(*core_); }
  /// Where the time of the last map, starmap or stream went.
  [[nodiscard]] pool_report report() const;
  /// Items that were given up because they ended whoever ran them, the first 1,000.
  [[nodiscard]] std::vector<quarantined_item> quarantine() const {
    return engine::quarantine(*core_);
  }
  /// Is told of deaths, replacements, items given up and interrupts, in the thread that waits next
  /// for anything of this runtime.
  void on_event(std::function<void(const pool_event&)> what) {
    engine::on_event(*core_, std::move(what));
  }

private:
  template <bool Star, class F, class Items>
  auto all(F f, Items&& items, const map_options& how) {
    using item = detail::item_of<F, std::ranges::range_value_t<Items>, Star>;
    std::vector<result<typename item::result>> results;
    if constexpr (std::ranges::sized_range<Items>)
      results.reserve(static_cast<std::size_t>(std::ranges::size(items)));
    const detail::in_order<typename item::result> store{&results};
    auto call = detail::mapping_of<item>(std::views::all(std::forward<Items>(items)), store);
    const auto core = core_;  // a callback may end this pool meanwhile
    const auto job = last_ = engine::begin(*core, item::role(f, "map"), call, how);
    const detail::abandoned_at_end guard{*core, job};
    while (engine::advance(*core, job, std::nullopt)) {
    }
    if (call->stored() != results.size())
      throw std::logic_error{"a map lost a result: this is a fault of the pool"};
    if (const auto total = call->total(); total && results.size() < *total)  // it was interrupted
      results.resize(static_cast<std::size_t>(*total),
                     result<typename item::result>{
                         make_error(errc::stopped, "the pool was stopped before this item began")});
    return results;
  }
  template <bool Ordered, class F, class Items>
  auto stream(F f, Items&& items, const map_options& how) {
    using item = detail::item_of<F, std::ranges::range_value_t<Items>, false>;
    using results = result_stream<typename item::result>;
    auto ready = std::make_shared<detail::outcomes<typename item::result>>(Ordered);
    auto store = [ready](std::uint64_t index, result<typename item::result>&& what,
                         std::size_t bytes) { ready->add(index, std::move(what), bytes); };
    auto call = detail::mapping_of<item>(std::views::all(std::forward<Items>(items)), store,
                                         [ready] { return ready->unread(); });
    last_ = engine::begin(*core_, item::role(f, "imap"), call, how);
    return results{core_, std::move(ready), last_};
  }
  void end() {
    if (core_ == nullptr) return;
    engine::end(*core_);
    core_ = nullptr;
  }

  std::shared_ptr<engine::pool_core> core_;
  engine::job_ptr last_;
  map_options usual_;
};

}  // namespace troupe
