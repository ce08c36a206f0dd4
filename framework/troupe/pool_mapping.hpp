#pragma once

#include <iterator>
#include <memory>
#include <optional>
#include <ranges>
#include <vector>

#include "troupe/pool_item.hpp"

/// The items and results of a call over a range, for the engine.
namespace troupe {

namespace detail {

struct nothing_unread {
  std::optional<unread_results> operator()() const { return std::nullopt; }
};

/// Items out of a range, results into a container; the types that the engine doesn't see.
template <class Item, class View, class Store, class Unread>
class mapping final : public engine::job {
public:
  using argument = typename Item::argument;
  using value_type = typename Item::result;

  static_assert(
      unkeyed<std::ranges::range_value_t<View>>::has_key ||
          std::is_same_v<std::ranges::range_value_t<View>, argument> ||
          requires(View & v) { static_cast<argument>(*std::ranges::begin(v)); },
      "The function takes something else than these items: an item must convert to its parameter, "
      "for starmap the parts of an item to its parameters.");

  mapping(View view, Store store, Unread unread)
      : view_(std::move(view)), store_(std::move(store)), unread_(std::move(unread)) {
    if constexpr (std::ranges::sized_range<View>)
      total_ = static_cast<std::uint64_t>(std::ranges::size(view_));
  }

  bool fill(item_block& to, std::size_t most_items, std::size_t most_bytes) override {
    if (!at_) at_.emplace(std::ranges::begin(view_));
    const auto end = std::ranges::end(view_);
    auto& at = *at_;
    if constexpr (fixed) {
      to.item_bytes = sizeof(argument);
      std::size_t most = std::max<std::size_t>(most_bytes / sizeof(argument), 1);
      if (most > most_items) most = most_items;
      if constexpr (as_they_lie) {
        const std::size_t count = std::min(most - to.count, static_cast<std::size_t>(end - at));
        if (count != 0)
          std::memcpy(to.bytes.grow(count * sizeof(argument)), std::to_address(at),
                      count * sizeof(argument));
        to.count += count;
        at += static_cast<std::ranges::range_difference_t<View>>(count);
        return at != end;
      }
      if (total_) to.bytes.reserve(std::min<std::size_t>(most, *total_) * sizeof(argument));
      while (to.count < most && step(at, end)) {
        const auto item = static_cast<argument>(*at);
        std::memcpy(to.bytes.grow(sizeof item), &item, sizeof item);
        ++to.count;
      }
      return !ended_;
    } else {
      while (to.count < most_items && to.bytes.size() < most_bytes && step(at, end)) {
        if constexpr (unkeyed<std::ranges::range_value_t<View>>::has_key) {
          std::ranges::range_value_t<View> one = *at;
          to.keys.push_back(one.key);
          argument item(std::move(one.item));
          encode_item(to, item);
        } else if constexpr (std::is_lvalue_reference_v<std::ranges::range_reference_t<View>> &&
                             std::is_same_v<std::ranges::range_value_t<View>, argument>) {
          encode_item(to, const_cast<argument&>(static_cast<const argument&>(*at)));
        } else {
          argument item = static_cast<argument>(*at);
          encode_item(to, item);
        }
      }
      return !ended_;
    }
  }
  [[nodiscard]] std::optional<std::uint64_t> total() const override { return total_; }
  [[nodiscard]] std::optional<unread_results> unread() const override { return unread_(); }
  void values(const value_run& some) override {
    stored_ += some.count;
    if constexpr (callable::has_fixed_size<value_type> && requires { store_.run(some); })
      if (some.value_bytes == sizeof(value_type) && some.indexes == nullptr)
        return store_.run(some);
    some.each([this](std::uint64_t index, std::span<const std::byte> bytes) {
      store_(index, value_from<value_type>(bytes), bytes.size());
    });
  }
  void failed(std::uint64_t index, const engine::failure& why) override {
    ++stored_;
    store_(index, result<value_type>{error_of(why)}, why.text.size());
  }
  /// Outcomes so far.
  [[nodiscard]] std::size_t stored() const noexcept { return stored_; }

private:
  static constexpr bool as_they_lie = std::ranges::contiguous_range<View> &&
                                      std::ranges::sized_range<View> &&
                                      std::is_same_v<std::ranges::range_value_t<View>, argument>;
  static constexpr bool fixed =
      callable::has_fixed_size<argument> && !unkeyed<std::ranges::range_value_t<View>>::has_key;

  /// To the next item; the iterator moves only when it is wanted. False: there is none.
  template <class Iterator, class End>
  bool step(Iterator& at, const End& end) {
    if (ended_) return false;
    if (started_) ++at;
    started_ = true;
    ended_ = at == end;
    return !ended_;
  }

  View view_;
  std::optional<std::ranges::iterator_t<View>> at_;
  std::optional<std::uint64_t> total_;
  Store store_;
  Unread unread_;
  std::size_t stored_ = 0;
  bool started_ = false;
  bool ended_ = false;
};

template <class Item, class View, class Store, class Unread = nothing_unread>
auto mapping_of(View view, Store store, Unread unread = {}) {
  return std::make_shared<mapping<Item, View, Store, Unread>>(std::move(view), std::move(store),
                                                              std::move(unread));
}

/// Outcomes in the order of the input, as many as have come; a hole is an empty error, or among
/// values of fixed size a cheap one of them.
template <class R>
struct in_order {
  std::vector<result<R>>* to;

  void operator()(std::uint64_t index, result<R>&& what, std::size_t) const {
    const auto at = static_cast<std::size_t>(index);
    if (at == to->size()) {
      to->push_back(std::move(what));
      return;
    }
    if (at > to->size()) to->resize(at + 1, result<R>{caf::error{}});
    (*to)[at] = std::move(what);
  }
  /// Neighbours, of a fixed size.
  void run(const value_run& some) const requires callable::has_fixed_size<R> {
    const std::byte* from = some.at + some.lead;
    auto at = static_cast<std::size_t>(some.index);
    while (to->size() < at) to->emplace_back(R{});
    for (const std::size_t end = at + some.count; at < end; ++at) {
      R value;
      std::memcpy(&value, from, sizeof value);
      from += some.lead + sizeof value;
      if (at == to->size()) {
        to->emplace_back(value);
      } else {
        (*to)[at] = value;
      }
    }
  }
};

/// A job that must not outlive the call that made it.
class abandoned_at_end {
public:
  abandoned_at_end(engine::pool_core& pool, engine::job_ptr which)
      : pool_(pool), which_(std::move(which)) {}
  abandoned_at_end(const abandoned_at_end&) = delete;
  abandoned_at_end& operator=(const abandoned_at_end&) = delete;
  ~abandoned_at_end() { engine::abandon(pool_, which_); }

private:
  engine::pool_core& pool_;
  engine::job_ptr which_;
};

}  // namespace detail

}  // namespace troupe
