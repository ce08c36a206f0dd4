#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "troupe/pool_item.hpp"

namespace troupe {

namespace detail {

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
