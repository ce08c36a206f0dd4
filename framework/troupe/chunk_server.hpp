#pragma once

#include <array>
#include <type_traits>

#include "troupe/callable.hpp"
#include "troupe/item.hpp"

namespace troupe {

/// A chunk in its worker: hands out its items, takes their outcomes and keeps the shared page up
/// to date, so that the parent knows at each moment which item is in progress and has the outcomes
/// of those before it. Runs in: the worker.
class chunk_server {
public:
  /// `value_bytes`: of every value, or `size_varies`.
  chunk_server(incoming_call& call, std::uint64_t value_bytes);
  chunk_server(const chunk_server&) = delete;
  chunk_server& operator=(const chunk_server&) = delete;
  ~chunk_server();

  /// Goes to the next item; false when there is none, or others shall have the rest.
  bool next() {
    if (place_ == head_.count || slot_.give_back.load(std::memory_order_relaxed) == number_)
      return false;
    return head_.timed == 0 || begin_timed();
  }
  [[nodiscard]] std::span<const std::byte> item() const {
    if (head_.item_bytes != size_varies) return {items_ + place_ * head_.item_bytes, item_bytes_};
    return varying_item();
  }

  /// A value of the size that all have.
  template <class T>
  void value_of_fixed_size(const T& value) {
    std::byte* const at = room(lead_ + sizeof(T));
    *at = std::byte{static_cast<std::uint8_t>(outcome_kind::value)};
    std::memcpy(at + lead_, &value, sizeof(T));
    finish(at, lead_ + sizeof(T));
  }
  void no_value() {
    std::byte* const at = room(lead_);
    *at = std::byte{static_cast<std::uint8_t>(outcome_kind::value)};
    finish(at, lead_);
  }
  void value(const payload_source& what);
  /// The exception in flight is the item's outcome.
  void caught();

  /// Sends what is left.
  void close();

private:
  [[nodiscard]] std::span<const std::byte> varying_item() const;
  /// False: the parent, which would have to end this item, has asked for the rest meanwhile.
  bool begin_timed();
  void open(std::uint64_t value_bytes);
  void refuse(errc code, const char* why);
  void fail(outcome_kind kind, std::uint64_t number, const char* text);
  std::byte* room(std::size_t bytes) {
    if (static_cast<std::size_t>(end_ - at_) < bytes) spill();
    return at_;
  }
  void finish(std::byte* at, std::size_t bytes) {
    if (head_.timed != 0) note_time(at);
    at_ += bytes;
    if (++place_ == head_.count) set_head();  // a parent in a hurry reads it here
    slot_.bytes.store(static_cast<std::uint64_t>(at_ - begin_), std::memory_order_release);
    slot_.done.store(place_, std::memory_order_release);
    if (place_ >= next_look_) look_at_clock();
  }
  void note_time(std::byte* at);
  void look_at_clock();
  void spill();
  void set_head();
  void account_from(std::uint64_t now);

  incoming_call& call_;
  chunk_slot& slot_;
  chunk_head head_;
  std::uint64_t number_;
  const std::byte* items_ = nullptr;
  const std::byte* ends_ = nullptr;
  std::size_t items_size_ = 0;
  std::size_t item_bytes_ = 0;
  std::uint64_t place_ = 0;
  std::size_t lead_ = 1;
  std::byte* begin_ = nullptr;
  std::byte* at_ = nullptr;
  std::byte* end_ = nullptr;
  std::uint64_t next_look_ = 1;
  std::uint64_t kept_ = 0;      ///< place of the first outcome in the room
  std::uint64_t start_ns_ = 0;  ///< of what the next head accounts for
  std::uint64_t item_start_ns_ = 0;
  bool answered_ = false;
};

namespace callable {

template <class>
constexpr bool is_short_array = false;
template <codec::detail::raw_value T, std::size_t N>
constexpr bool is_short_array<std::array<T, N>> = !std::is_same_v<T, bool> && N * sizeof(T) <= 4096;

/// Numbers, enumerations and short arrays of them: they travel as they lie in memory.
template <class R>
constexpr bool has_fixed_size =
    (codec::detail::raw_value<R> && !std::is_same_v<R, bool>) || is_short_array<R>;

/// Bytes of every encoded value of this type.
template <class T>
constexpr std::uint64_t fixed_size() {
  if constexpr (std::is_void_v<T>) {
    return 0;
  } else {
    return has_fixed_size<T> ? sizeof(T) : size_varies;
  }
}

template <class T>
T item_from(std::span<const std::byte> bytes) {
  if constexpr (has_fixed_size<T>) {
    T value;
    std::memcpy(&value, bytes.data(), sizeof value);
    return value;
  } else {
    T value{};
    codec::reader in{bytes};
    codec::apply(in, value);
    if (!in.rest.empty()) throw codec::malformed{"the item is longer than its type needs"};
    return value;
  }
}

/// Runs in the worker, for each chunk of items: `f(item)`, or `f(parts...)` of a tuple.
template <class F, bool TakesRuntime, bool Star, class A>
void serve_chunk(const void* function, incoming_call& call) {
  const auto run = [function](A& item) -> decltype(auto) {
    if constexpr (Star) {
      return invoke<F, TakesRuntime>(function, item);
    } else {
      std::tuple<A&> one{item};
      return invoke<F, TakesRuntime>(function, one);
    }
  };
  using result = std::remove_cvref_t<decltype(run(std::declval<A&>()))>;
  chunk_server server{call, fixed_size<result>()};
  while (server.next()) {
    try {
      A item = item_from<A>(server.item());
      if constexpr (std::is_void_v<result>) {
        run(item);
        server.no_value();
      } else if constexpr (has_fixed_size<result>) {
        server.value_of_fixed_size(static_cast<result>(run(item)));
      } else {
        const result value = run(item);
        codec::measure size;
        codec::apply(size, const_cast<result&>(value));
        payload_source source;
        source.plain_bytes = size.bytes;
        source.value = &value;
        source.write = [](const void* from, std::byte* to) {
          codec::writer out{to};
          codec::apply(out, *const_cast<result*>(static_cast<const result*>(from)));
        };
        server.value(source);
      }
    } catch (...) {
      server.caught();
    }
  }
  server.close();
}

/// A role that serves chunks.
template <class A, bool TakesRuntime, bool Star, class F>
engine::role chunk_role_of(F f, std::string name) {
  check<F>();
  engine::role role;
  role.name = std::move(name);
  role.stub = &serve_chunk<F, TakesRuntime, Star, A>;
  if constexpr (plain_function<F>) role.function = reinterpret_cast<const void*>(f);
  return role;
}

}  // namespace callable
}  // namespace troupe
