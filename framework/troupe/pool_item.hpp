#pragma once

#include <cstring>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>

#include "troupe/chunk_server.hpp"
#include "troupe/pool_api.hpp"
#include "troupe/process.hpp"

/// How one item of a pool becomes bytes, and the bytes of an outcome a value.
namespace troupe {

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

}  // namespace detail

}  // namespace troupe
