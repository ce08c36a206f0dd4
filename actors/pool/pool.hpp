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

/// Calls of one client; waits by the runtime's own actor.
class pool_client {
  static constexpr std::size_t most_open = 256;
  auto request(const pool_call& call) const {
    return rt_.self()->request(caf::actor_cast<caf::actor>(to_), caf::infinite, call);
  }

public:
  pool_client(runtime& rt, pool_actor to) : rt_(rt), to_(std::move(to)) {}

  /// `f(arguments...)` in some worker of the pool.
  template <class F, class... Arguments>
  auto apply(F f, Arguments&&... arguments) const {
    return ask<F>(make_call(call_of(f, std::forward<Arguments>(arguments)...)));
  }
  /// The same before calls that are not urgent.
  template <class F, class... Arguments>
  auto apply_urgently(F f, Arguments&&... arguments) const {
    return ask<F>(make_call(call_of(f, std::forward<Arguments>(arguments)...), true));
  }
  /// `f(item)` for each; results in the order of the input. Up to 256 calls are under way at once.
  template <class F, std::ranges::input_range Items>
  auto map(F f, Items&& items) const {
    using type = typename callable::traits<F>::result;
    std::vector<result<type>> results;
    std::deque<decltype(request(std::declval<pool_call>()))> open;
    auto at = std::ranges::begin(items);
    const auto end = std::ranges::end(items);
    const auto take = [&] {
      results.push_back(wait<F>(open.front()));
      open.pop_front();
    };
    for (; at != end; ++at) {
      if (open.size() == most_open) take();
      open.push_back(request(make_call(call_of(f, *at))));
    }
    while (!open.empty()) take();
    return results;
  }
  [[nodiscard]] pool_progress progress() const;

private:
  template <class F, class Response>
  static auto wait(Response& response) {
    using type = typename callable::traits<F>::result;
    std::optional<result<type>> outcome;
    response.receive(
        [&](const pool_result& r) {
          const auto bytes = r->getValue();
          outcome.emplace(
              result_of_call<F>({reinterpret_cast<const char*>(bytes.begin()), bytes.size()}));
        },
        [&](caf::error& e) { outcome.emplace(std::move(e)); });
    return std::move(*outcome);
  }
  template <class F>
  auto ask(const pool_call& call) const {
    auto response = request(call);
    return wait<F>(response);
  }

  runtime& rt_;
  pool_actor to_;
};

}  // namespace troupe::actors
