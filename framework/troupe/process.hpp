#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

#include "troupe/callable.hpp"
#include "troupe/result.hpp"

namespace troupe {

/// What a process is started with beside its function.
struct process_options {
  std::string name = "function";  ///< in reports and logs
};

/// A program of its own that speaks the protocol of docs/wire.md, instead of a function.
struct executable {
  std::string path;
  std::vector<std::string> arguments = {};
};

/// A process that this one started. A handle: copies mean the same process; it outlives the process
/// and may be dropped before it. Runs in: the thread of its runtime.
class process {
public:
  process() = default;
  explicit process(engine::link_ptr link) : link_(std::move(link)) {}

  /// Its process id; waits until the system has started it. Never -1, which kill(2) takes for
  /// everybody. @throws troupe::failure when it could not be started.
  [[nodiscard]] int pid() const;
  /// Whether its end has not been seen yet.
  [[nodiscard]] bool running() const;
  [[nodiscard]] const engine::link_ptr& link() const noexcept { return link_; }

  friend bool operator==(const process& a, const process& b) noexcept { return a.link_ == b.link_; }

private:
  engine::link_ptr link_;
};

namespace detail {

inline caf::error error_of(const engine::failure& why) {
  return make_error(why.code, why.text, why.report);
}

template <class R>
result<R> result_of(const payload_view& answer) {
  try {
    if constexpr (std::is_void_v<R>) {
      return {};
    } else {
      return codec::value_of<R>(answer);
    }
  } catch (const std::exception& e) {
    return make_error(errc::bad_message, std::string{"the answer can't be read: "} + e.what());
  }
}

/// Waits for one answer.
template <class R>
class reply_sink final : public engine::answer_sink {
public:
  void answered(std::uint64_t, const payload_view& answer) override {
    value.emplace(result_of<R>(answer));
    done = true;
  }
  void failed(std::uint64_t, const engine::failure& why) override {
    value.emplace(error_of(why));
    done = true;
  }

  std::optional<result<R>> value;
  bool done = false;
};

/// Takes back the sink of a wait that ends without its answer: by its limit, or because the loop
/// ran a handler that threw.
class awaited {
public:
  awaited(const engine::link_ptr& from, engine::answer_sink& sink) : from_(from), sink_(sink) {}
  awaited(const awaited&) = delete;
  awaited& operator=(const awaited&) = delete;
  ~awaited() {
    if (!answered_) engine::abandon(from_, sink_);
  }
  bool wait(const bool& done, std::optional<engine::clock::time_point> limit) {
    return answered_ = engine::wait(from_, done, limit);
  }

private:
  const engine::link_ptr& from_;
  engine::answer_sink& sink_;
  bool answered_ = false;
};

caf::error timed_out(const engine::link_ptr& by);

}  // namespace detail

/// An answer that is still to come. Move-only; dropping it forgets the answer, not the work.
template <class R>
class [[nodiscard]] pending {
public:
  pending(engine::link_ptr from, std::unique_ptr<detail::reply_sink<R>> sink)
      : from_(std::move(from)), sink_(std::move(sink)) {}
  pending(pending&&) noexcept = default;
  pending& operator=(pending&&) noexcept = default;
  ~pending() {
    if (sink_ && !ready()) engine::abandon(from_, *sink_);
  }

  [[nodiscard]] bool ready() const { return engine::is_done(from_, sink_->done); }

  /// Waits for the outcome, running the loop. Call once.
  result<R> get() {
    engine::wait(from_, sink_->done, std::nullopt);
    return std::move(*sink_->value);
  }
  /// As `get`, but caf::sec::request_timeout when `limit` passes first; the work goes on.
  result<R> get_within(std::chrono::nanoseconds limit) {
    if (!engine::wait(from_, sink_->done, engine::deadline(limit))) {
      engine::abandon(from_, *sink_);
      return detail::timed_out(from_);
    }
    return std::move(*sink_->value);
  }

private:
  engine::link_ptr from_;
  std::unique_ptr<detail::reply_sink<R>> sink_;
};

/// A process that serves one function: each message is a call.
///
/// Requests are handled in order, one at a time. Each gets exactly one outcome; an error says
/// whether the work may have happened. A full mailbox (16,384 messages or 1 MiB) blocks the caller,
/// who runs the loop meanwhile.
template <class Signature>
class worker;

template <class R, class... A>
class worker<R(A...)> : public process {
public:
  using process::process;

  /// Calls the function and waits for its answer.
  result<R> ask(const A&... arguments) const { return ask_until(std::nullopt, arguments...); }

  /// As `ask`, but caf::sec::request_timeout when `limit` passes first; the work goes on.
  result<R> ask_within(std::chrono::nanoseconds limit, const A&... arguments) const {
    return ask_until(engine::deadline(limit), arguments...);
  }

  /// Calls the function without waiting for its answer.
  pending<R> submit(const A&... arguments) const {
    auto sink = std::make_unique<detail::reply_sink<R>>();
    const std::tuple<A...> values{arguments...};
    if (const auto failed = engine::send(link(), callable::encoded(values), sink.get(), 0))
      sink->failed(0, *failed);
    return {link(), std::move(sink)};
  }

  /// Calls the function for its effect: no answer comes, an exception goes to the worker's stderr.
  /// Many in a row leave in large writes; the last of them at the latest when the loop runs next.
  /// An error means that it was not sent.
  result<void> tell(const A&... arguments) const {
    const std::tuple<const A&...> values{arguments...};
    const auto failed = engine::send(link(), encoded_references(values), nullptr, 0);
    if (failed) return detail::error_of(*failed);
    engine::tell_soon(link());
    return {};
  }

private:
  static payload_source encoded_references(const std::tuple<const A&...>& values) {
    return callable::encoded(values);
  }

  result<R> ask_until(std::optional<engine::clock::time_point> limit, const A&... arguments) const {
    detail::reply_sink<R> sink;
    const std::tuple<const A&...> values{arguments...};
    if (const auto failed = engine::send(link(), encoded_references(values), &sink, 0))
      return detail::error_of(*failed);
    detail::awaited answer{link(), sink};
    if (answer.wait(sink.done, limit)) return std::move(*sink.value);
    return detail::timed_out(link());
  }
};

}  // namespace troupe
