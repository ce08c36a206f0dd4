#pragma once

#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/spawn_options.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <functional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "troupe/callable.hpp"
#include "troupe/message_types.hpp"
#include "troupe/process.hpp"

/// How a CAF behaviour gets into a process of its own.
namespace troupe {

/// `rt.spawn(in_process, behaviour)` runs it in the calling process: for a debugger, and for tests.
struct in_process_t {};
constexpr in_process_t in_process{};

namespace detail {

template <class T>
constexpr bool is_actor_pointer = false;
template <class T>
constexpr bool is_actor_pointer<T*> = std::is_base_of_v<caf::local_actor, T>;

template <class T>
constexpr bool is_behavior = std::is_same_v<T, caf::behavior>;
template <class... Signatures>
constexpr bool is_behavior<caf::typed_behavior<Signatures...>> = true;

/// The parameters of a behaviour's function that a caller gives.
template <class Arguments>
struct actor_arguments {
  using type = Arguments;
  static constexpr bool takes_self = false;
};
template <class First, class... Rest>
requires is_actor_pointer<First>
struct actor_arguments<std::tuple<First, Rest...>> {
  using type = std::tuple<Rest...>;
  static constexpr bool takes_self = true;
  static_assert(
      !std::is_base_of_v<caf::blocking_actor, std::remove_pointer_t<First>>,
      "a blocking actor needs a thread: spawn a function that takes a troupe::runtime& and "
      "use rt.self() in it");
};

/// Without the runtime, which the process itself gives.
template <class Arguments>
struct own_arguments {
  using type = Arguments;
  static constexpr bool takes_runtime = false;
};
template <class... Rest>
struct own_arguments<std::tuple<std::reference_wrapper<runtime>, Rest...>> {
  using type = std::tuple<Rest...>;
  static constexpr bool takes_runtime = true;
};

template <class F>
struct behavior_traits;
template <class F>
requires requires {
  &F::operator();
}
struct behavior_traits<F> : behavior_traits<decltype(&F::operator())> {};
template <class R, class... A>
struct behavior_traits<R (*)(A...)> {
  using result = std::remove_cvref_t<R>;
  /// A parameter as it is kept: by value, the runtime by reference.
  template <class T>
  using kept = std::conditional_t<std::is_same_v<T, runtime&>, std::reference_wrapper<runtime>,
                                  std::remove_cvref_t<T>>;
  using all = actor_arguments<std::tuple<kept<A>...>>;
  using own = own_arguments<typename all::type>;
  using arguments = typename own::type;
  static constexpr bool takes_runtime = own::takes_runtime;
  static constexpr bool is_actor = is_behavior<std::remove_cvref_t<R>> || all::takes_self;
};
template <class R, class... A>
struct behavior_traits<R (*)(A...) noexcept> : behavior_traits<R (*)(A...)> {};
template <class C, class R, class... A>
struct behavior_traits<R (C::*)(A...) const> : behavior_traits<R (*)(A...)> {};
template <class C, class R, class... A>
struct behavior_traits<R (C::*)(A...)> : behavior_traits<R (*)(A...)> {};

template <class F>
concept has_behavior_traits = requires {
  behavior_traits<F>::is_actor;
};

template <class F>
concept actor_function = has_behavior_traits<F> && behavior_traits<F>::is_actor;

template <class C>
concept actor_class = std::is_base_of_v<caf::local_actor, C>;

/// Whether these arguments say how to start the actor, before its own.
template <class... Arguments>
constexpr bool begins_with_options = false;
template <class First, class... Rest>
constexpr bool begins_with_options<First, Rest...> =
    std::is_same_v<std::remove_cvref_t<First>, process_options> ||
    std::is_same_v<std::remove_cvref_t<First>, in_process_t>;

using make_actor_function = std::function<caf::strong_actor_ptr(caf::actor_system&)>;

/// In the new process: makes the actor, which then has the process.
void become_actor(incoming_call& call, const make_actor_function& make);

/// `f`'s actor in `system`; `get_runtime` is called for one that takes it.
template <caf::spawn_options Options, class F, class Tuple, class Get>
auto make_behavior_actor(caf::actor_system& system, F f, Tuple& values, Get get_runtime) {
  using traits = behavior_traits<F>;
  if constexpr (traits::takes_runtime) {  // CAF binds no references
    using self = caf::infer_impl_from_fun_t<F>;
    return system.spawn<Options>([f, &rt = get_runtime(), values = std::move(values)](
                                     self* me) mutable -> typename traits::result {
      return std::apply(
          [&](auto&... value) {
            if constexpr (traits::all::takes_self) {
              return f(me, rt, std::move(value)...);
            } else {
              return f(rt, std::move(value)...);
            }
          },
          values);
    });
  } else {
    return std::apply([&](auto&... value) { return system.spawn<Options>(f, std::move(value)...); },
                      values);
  }
}

template <class F, class Tuple>
void host_behavior(const void* function, incoming_call& call) {
  become_actor(call, [&](caf::actor_system& system) {
    auto values = callable::decoded<Tuple>(call.arguments);
    F f = [&] {
      if constexpr (callable::plain_function<F>) {
        return reinterpret_cast<F>(const_cast<void*>(function));
      } else {
        return F{};
      }
    }();
    return caf::actor_cast<caf::strong_actor_ptr>(
        make_behavior_actor<caf::lazy_init>(system, f, values, worker_runtime));
  });
}

template <class C, class Tuple>
void host_class(const void*, incoming_call& call) {
  become_actor(call, [&](caf::actor_system& system) {
    auto values = callable::decoded<Tuple>(call.arguments);
    return std::apply(
        [&](auto&... value) {
          return caf::actor_cast<caf::strong_actor_ptr>(
              system.spawn<C, caf::lazy_init>(std::move(value)...));
        },
        values);
  });
}

/// A process for `f`'s actor, and for one of class C.
template <class F>
engine::role actor_role(std::string name, F f) {
  callable::check<F>();
  handle_types<caf::infer_handle_from_fun_t<F>>::know_all();
  engine::role role;
  role.name = std::move(name);
  role.actor = true;
  role.stub = &host_behavior<F, typename behavior_traits<F>::arguments>;
  if constexpr (callable::plain_function<F>) role.function = reinterpret_cast<const void*>(f);
  return role;
}
template <class C, class Tuple>
engine::role class_role(std::string name) {
  handle_types<caf::infer_handle_from_class_t<C>>::know_all();
  engine::role role;
  role.name = std::move(name);
  role.actor = true;
  role.stub = &host_class<C, Tuple>;
  return role;
}

/// What travels for a constructor's argument.
template <class T>
using constructor_argument = std::conditional_t<std::is_convertible_v<std::decay_t<T>, const char*>,
                                                std::string, std::decay_t<T>>;

}  // namespace detail
}  // namespace troupe
