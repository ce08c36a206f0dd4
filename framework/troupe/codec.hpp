#pragma once

#include <caf/meta/annotation.hpp>

#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "troupe/message.hpp"

/// Plain C++ values as bytes: numbers, enums, strings, containers, tuples, optionals, `msg<T>`, and
/// types with a CAF `inspect`. Little-endian, no padding, counts as 64 bits: docs/wire.md has it
/// all.
namespace troupe::codec {

static_assert(std::endian::native == std::endian::little, "the plain encoding is little-endian");

/// The bytes are not what the type needs.
struct malformed : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Containers inside one another. Deeper values are refused, sent or received: reading one takes
/// stack for each level, and whoever sends it must not choose how much.
constexpr unsigned max_depth = 1000;

/// Adds up sizes. @throws malformed when the value is nested too deeply.
struct measure {
  static constexpr bool loads = false;
  std::size_t bytes = 0;
  unsigned depth = 0;
  void raw(const void*, std::size_t count) { bytes += count; }
};

/// Writes into room that a `measure` found.
struct writer {
  static constexpr bool loads = false;
  std::byte* at;
  void raw(const void* from, std::size_t count) {
    if (count != 0) std::memcpy(at, from, count);
    at += count;
  }
};

/// Reads; @throws malformed when the bytes end too soon.
struct reader {
  static constexpr bool loads = true;
  std::span<const std::byte> rest;
  unsigned depth = 0;

  std::span<const std::byte> take(std::size_t count) {
    if (count > rest.size()) throw malformed{"the message is shorter than its type needs"};
    const auto taken = rest.first(count);
    rest = rest.subspan(count);
    return taken;
  }
  void raw(void* to, std::size_t count) {
    const auto from = take(count);
    if (count != 0) std::memcpy(to, from.data(), count);
  }
};

template <class Archive, class T>
void apply(Archive& archive, T& value);

/// Specialised, with a static `apply(archive, value)`, for types that fit no rule below.
template <class T>
struct by_hand;

namespace detail {

template <class T>
concept raw_value = std::is_arithmetic_v<T> || std::is_enum_v<T>;
template <class T>
concept tuple_like = requires {
  std::tuple_size<T>::value;
};
template <class T>
concept keyed = requires {
  typename T::key_type;
};
template <class T>
concept container = requires(T& c) {
  typename T::value_type;
  c.begin();
  c.end();
  c.size();
};
template <class T>
concept contiguous_raw = container<T> && raw_value<typename T::value_type> &&
                         !std::is_same_v<typename T::value_type, bool> &&
                         requires(T & c, std::size_t n) {
  c.data();
  c.resize(n);
};
template <class>
constexpr bool is_raw_array = false;
template <raw_value T, std::size_t N>
constexpr bool is_raw_array<std::array<T, N>> = !std::is_same_v<T, bool>;
template <class>
constexpr bool is_optional = false;
template <class T>
constexpr bool is_optional<std::optional<T>> = true;
template <class>
constexpr bool is_duration = false;
template <class R, class P>
constexpr bool is_duration<std::chrono::duration<R, P>> = true;
template <class>
constexpr bool is_time_point = false;
template <class C, class D>
constexpr bool is_time_point<std::chrono::time_point<C, D>> = true;
template <class>
constexpr bool is_msg = false;
template <class T>
constexpr bool is_msg<msg<T>> = true;
template <class T>
constexpr bool is_path = std::is_same_v<T, std::filesystem::path>;

/// What CAF calls an inspector, over one of the archives above.
template <class Archive>
struct inspector {
  using result_type = bool;
  static constexpr bool reads_state = !Archive::loads;
  static constexpr bool writes_state = Archive::loads;
  Archive& archive;

  template <class... Ts>
  bool operator()(Ts&&... fields) {
    (field(fields), ...);
    return true;
  }

private:
  template <class T>
  void field(T& value) {
    if constexpr (!std::is_base_of_v<caf::meta::annotation, std::remove_cv_t<T>>)
      apply(archive, const_cast<std::remove_cv_t<T>&>(value));
  }
};

template <class T>
concept done_by_hand = requires(T& x, writer& w) {
  by_hand<T>::apply(w, x);
};

template <class T>
concept inspectable = requires(inspector<writer>& f, T& x) {
  inspect(f, x);
};

template <class T>
constexpr bool unsupported = false;

template <class Archive>
std::size_t counted(Archive& archive, std::size_t count) {
  std::uint64_t number = count;
  archive.raw(&number, sizeof number);
  return static_cast<std::size_t>(number);
}

/// One level of containers, while it lives.
template <class Archive>
class level {
public:
  explicit level(Archive& of) : of_(of) {
    if constexpr (requires { of.depth; })
      if (++of_.depth > max_depth)
        throw malformed{"containers are nested more than " + std::to_string(max_depth) + " deep"};
  }
  ~level() {
    if constexpr (requires { of_.depth; }) --of_.depth;
  }
  level(const level&) = delete;
  level& operator=(const level&) = delete;

private:
  Archive& of_;
};

/// An element, a byte at least: else a container of a few bytes could claim any number of them.
template <class Archive, class T>
void apply_element(Archive& archive, T& value) {
  apply(archive, value);
  if constexpr (std::is_empty_v<T>) {
    std::uint8_t there = 0;
    archive.raw(&there, sizeof there);
  }
}

template <class Archive, class C>
void apply_container(Archive& archive, C& value) {
  const level<Archive> inside{archive};
  const std::size_t count = counted(archive, value.size());
  if constexpr (contiguous_raw<C>) {
    if constexpr (Archive::loads) {
      constexpr std::size_t width = sizeof(typename C::value_type);
      if (count > archive.rest.size() / width) archive.take(archive.rest.size() + 1);
      value.resize(count);
    }
    archive.raw(value.data(), count * sizeof(typename C::value_type));
  } else if constexpr (!Archive::loads) {
    for (auto&& element : value) {
      using element_type = std::remove_cvref_t<decltype(element)>;
      if constexpr (std::is_same_v<C, std::vector<bool>>) {
        bool bit = element;
        apply(archive, bit);
      } else {
        apply_element(archive, const_cast<element_type&>(element));
      }
    }
  } else {
    value.clear();
    if (count > archive.rest.size()) archive.take(archive.rest.size() + 1);  // not even a byte each
    for (std::size_t i = 0; i < count; ++i) {
      if constexpr (keyed<C> && requires { typename C::mapped_type; }) {
        std::pair<typename C::key_type, typename C::mapped_type> element;
        apply(archive, element);
        value.insert(std::move(element));
      } else {
        typename C::value_type element{};
        apply_element(archive, element);
        value.insert(value.end(), std::move(element));
      }
    }
  }
}

}  // namespace detail

/// Measures, writes or reads one value, as the archive does.
template <class Archive, class T>
void apply(Archive& archive, T& value) {
  if constexpr (detail::done_by_hand<T>) {
    by_hand<T>::apply(archive, value);
  } else if constexpr (std::is_same_v<T, bool>) {
    std::uint8_t byte = 0;
    if constexpr (!Archive::loads) byte = value ? 1 : 0;
    archive.raw(&byte, sizeof byte);
    if constexpr (Archive::loads) {
      if (byte > 1) throw malformed{"the message has a truth value that is neither true nor false"};
      value = byte == 1;
    }
  } else if constexpr (detail::raw_value<T>) {
    archive.raw(&value, sizeof value);
  } else if constexpr (detail::is_raw_array<T>) {
    archive.raw(value.data(), sizeof value);
  } else if constexpr (detail::is_msg<T>) {
    if constexpr (Archive::loads) {
      const std::size_t bytes = detail::counted(archive, 0);
      value = T::from_frame(archive.take(bytes));
    } else {
      const auto frame = value.frame();
      detail::counted(archive, frame.size());
      archive.raw(frame.data(), frame.size());
    }
  } else if constexpr (detail::is_path<T>) {
    std::string text = value.string();
    apply(archive, text);
    if constexpr (Archive::loads) value = text;
  } else if constexpr (detail::is_duration<T>) {
    auto ticks = value.count();
    apply(archive, ticks);
    if constexpr (Archive::loads) value = T{ticks};
  } else if constexpr (detail::is_time_point<T>) {
    auto since = value.time_since_epoch();
    apply(archive, since);
    if constexpr (Archive::loads) value = T{since};
  } else if constexpr (detail::is_optional<T>) {
    bool there = value.has_value();
    apply(archive, there);
    if constexpr (Archive::loads) {
      if (there) {
        value.emplace();
      } else {
        value.reset();
      }
    }
    if (there) apply(archive, *value);
  } else if constexpr (detail::container<T> && !detail::tuple_like<T>) {
    detail::apply_container(archive, value);
  } else if constexpr (detail::tuple_like<T>) {
    std::apply(
        [&](auto&... parts) {
          (apply(archive, const_cast<std::remove_cvref_t<decltype(parts)>&>(parts)), ...);
        },
        value);
  } else if constexpr (detail::inspectable<T>) {
    detail::inspector<Archive> f{archive};
    inspect(f, value);
  } else {
    static_assert(detail::unsupported<T>,
                  "Troupe can't send this type: use a number, string, container, tuple or optional "
                  "of them, a msg<Schema>, or give the type an inspect function beside it: "
                  "template <class Inspector> typename Inspector::result_type "
                  "inspect(Inspector& f, my_type& x) { return f(x.first, x.second); }");
  }
}

/// A payload that writes `value`. Borrows it.
template <class T>
payload_source source_of(const T& value) {
  payload_source source;
  if constexpr (detail::is_msg<T>) {
    source.schema_id = T::schema_id();
    source.structure = value.any();
    source.segment = value.segment();
  } else {
    measure size;
    apply(size, const_cast<T&>(value));
    source.plain_bytes = size.bytes;
    source.value = &value;
    source.write = [](const void* from, std::byte* to) {
      writer out{to};
      apply(out, *const_cast<T*>(static_cast<const T*>(from)));
    };
  }
  return source;
}

/// The value that a payload holds. @throws malformed when it holds another type.
template <class T>
T value_of(const payload_view& payload) {
  if constexpr (detail::is_msg<T>) {
    return T::from_payload(payload);
  } else {
    if (payload.is == payload_view::kind::structure)
      throw malformed{"a schema message came where plain values were expected"};
    T value{};
    reader in{payload.plain};
    apply(in, value);
    if (!in.rest.empty()) throw malformed{"the message is longer than its type needs"};
    return value;
  }
}

}  // namespace troupe::codec

#include "troupe/message_types.hpp"  // what CAF has of its own
