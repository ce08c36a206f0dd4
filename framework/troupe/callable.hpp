#pragma once

#include <exception>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "troupe/codec.hpp"
#include "troupe/engine_api.hpp"

namespace troupe {

class runtime;

/// The runtime of this worker, for functions that take a `runtime&` first.
runtime& worker_runtime();

namespace callable {

/// Of a generic function nothing is known.
template <class F>
struct traits {};
template <class F>
requires requires {
  &F::operator();
}
struct traits<F> : traits<decltype(&F::operator())> {};
template <class R, class... A>
struct traits<R (*)(A...)> {
  using result = std::remove_cvref_t<R>;
  using arguments = std::tuple<std::remove_cvref_t<A>...>;
  using signature = result(std::remove_cvref_t<A>...);
  static constexpr bool takes_runtime = false;
};
template <class R, class... A>
struct traits<R (*)(runtime&, A...)> : traits<R (*)(A...)> {
  static constexpr bool takes_runtime = true;
};
template <class R, class... A>
struct traits<R (*)(A...) noexcept> : traits<R (*)(A...)> {};
template <class C, class R, class... A>
struct traits<R (C::*)(A...) const> : traits<R (*)(A...)> {};
template <class C, class R, class... A>
struct traits<R (C::*)(A...)> : traits<R (*)(A...)> {};
template <class C, class R, class... A>
struct traits<R (C::*)(A...) const noexcept> : traits<R (*)(A...)> {};

template <class F>
concept plain_function = std::is_pointer_v<F> && std::is_function_v<std::remove_pointer_t<F>>;

template <class F>
constexpr void check() {
  static_assert(plain_function<F> || (std::is_empty_v<F> && std::is_default_constructible_v<F>),
                "A function for another process is a plain function or a lambda without captures: "
                "captured values, an object of a member function and what a std::function holds "
                "live in this process only. Pass what it needs as arguments.");
}

/// Arguments as the function's parameters. A mistake is one sentence here, a page in std::tuple.
template <class Parameters, class... Arguments>
Parameters parameters_of(Arguments&&... arguments) {
  constexpr bool fit = std::is_constructible_v<Parameters, Arguments...>;
  static_assert(fit,
                "These arguments are not what the function takes: another number of them, or of "
                "types that do not convert to those of its parameters.");
  if constexpr (fit) return Parameters(std::forward<Arguments>(arguments)...);
}

/// Arguments as a payload: one `msg<T>` travels as that schema struct, all else as plain values.
template <class... A>
payload_source encoded(const std::tuple<A...>& arguments) {
  if constexpr (sizeof...(A) == 0) {
    return {};
  } else if constexpr (sizeof...(A) == 1) {
    return codec::source_of(std::get<0>(arguments));
  } else {
    return codec::source_of(arguments);
  }
}

template <class Tuple>
Tuple decoded(const payload_view& payload) {
  if constexpr (std::tuple_size_v<Tuple> == 0) {
    return {};
  } else if constexpr (std::tuple_size_v<Tuple> == 1) {
    return Tuple{codec::value_of<std::tuple_element_t<0, Tuple>>(payload)};
  } else {
    return codec::value_of<Tuple>(payload);
  }
}

template <class F, bool TakesRuntime, class Tuple>
decltype(auto) invoke(const void* function, Tuple& arguments) {
  F f = [&] {
    if constexpr (plain_function<F>) {
      return reinterpret_cast<F>(const_cast<void*>(function));
    } else {
      return F{};
    }
  }();
  return std::apply(
      [&](auto&... values) -> decltype(auto) {
        if constexpr (TakesRuntime) {
          return f(worker_runtime(), values...);
        } else {
          return f(values...);
        }
      },
      arguments);
}

/// Runs in the worker: decode, call, encode. A bad message and an exception become its failure.
template <class F, bool TakesRuntime, class Tuple>
void serve(const void* function, incoming_call& call) {
  try {
    Tuple arguments = decoded<Tuple>(call.arguments);
    try {
      using result = decltype(invoke<F, TakesRuntime>(function, arguments));
      if constexpr (std::is_void_v<result>) {
        invoke<F, TakesRuntime>(function, arguments);
        call.answer.payload({});
      } else {
        const std::remove_cvref_t<result> value = invoke<F, TakesRuntime>(function, arguments);
        call.answer.payload(codec::source_of(value));
      }
    } catch (const std::exception& e) {
      call.answer.fail(errc::exception, e.what());
    } catch (...) {
      call.answer.fail(errc::exception, "something that is no std::exception was thrown");
    }
  } catch (const codec::malformed& e) {
    call.answer.fail(errc::bad_message, e.what());
  } catch (const wrong_schema& e) {
    call.answer.fail(errc::unknown_message, e.what());
  }
}

void set_exit_code(int code);

/// The same for a process that runs one function to its end: an int is its exit code.
template <class F, bool TakesRuntime, class Tuple>
void run(const void* function, incoming_call& call) {
  try {
    Tuple arguments = decoded<Tuple>(call.arguments);
    using result = decltype(invoke<F, TakesRuntime>(function, arguments));
    if constexpr (std::is_integral_v<result>) {
      set_exit_code(static_cast<int>(invoke<F, TakesRuntime>(function, arguments)));
    } else {
      invoke<F, TakesRuntime>(function, arguments);
    }
    call.answer.payload({});
  } catch (const std::exception& e) {
    call.answer.fail(errc::exception, std::string{"ended by an exception: "} + e.what());
  } catch (...) {
    call.answer.fail(errc::exception, "ended by an exception that is no std::exception");
  }
}

/// A role out of a function, its parameter types given as a tuple.
template <class Tuple, bool TakesRuntime, class F>
engine::role role_of(F f, std::string name, bool once) {
  check<F>();
  engine::role role;
  role.name = std::move(name);
  role.once = once;
  role.stub = once ? &run<F, TakesRuntime, Tuple> : &serve<F, TakesRuntime, Tuple>;
  if constexpr (plain_function<F>) role.function = reinterpret_cast<const void*>(f);
  return role;
}

}  // namespace callable
}  // namespace troupe
