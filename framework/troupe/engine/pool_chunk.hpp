#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "troupe/pool_api.hpp"

namespace troupe::engine {

/// Beside the code of a failed item: its worker had no memory left, and should serve no longer.
constexpr std::uint64_t memory_ran_out = std::uint64_t{1} << 32;

/// Items of one job on their way to, or in, a worker.
struct pool_chunk {
  item_block items;
  std::uint64_t first = 0;             ///< index of the first item in the input
  std::vector<std::uint64_t> indexes;  ///< instead, if they are not neighbours there
  std::size_t settled = 0;             ///< items whose outcome has come
  clock::time_point sent{};            ///< zero: not measured
  std::chrono::nanoseconds compute{};  ///< so far

  [[nodiscard]] std::size_t count() const noexcept { return items.count; }
  [[nodiscard]] std::uint64_t index(std::size_t place) const {
    return indexes.empty() ? first + place : indexes[place];
  }
  [[nodiscard]] bool has(std::uint64_t item) const {
    if (indexes.empty()) return item >= first && item - first < count();
    return std::find(indexes.begin(), indexes.end(), item) != indexes.end();
  }

  [[nodiscard]] pool_chunk slice(std::size_t from, std::size_t to) const {
    pool_chunk part;
    part.items.item_bytes = items.item_bytes;
    part.first = index(from);
    for (std::size_t i = from; i < to; ++i) {
      part.items.add(items.item(i));
      if (!indexes.empty()) part.indexes.push_back(indexes[i]);
      if (!items.keys.empty()) part.items.keys.push_back(items.keys[i]);
    }
    return part;
  }
  void clear() {
    items.bytes.clear();
    items.ends.clear();
    items.keys.clear();
    items.item_bytes = size_varies;
    items.count = 0;
    first = 0;
    indexes.clear();
    settled = 0;
    sent = {};
    compute = {};
  }
  void append(std::uint64_t item, std::span<const std::byte> bytes) {
    indexes.push_back(item);
    items.add(bytes);
  }

  /// As a message. Borrows this.
  [[nodiscard]] payload_source source(const chunk_head& head) const {
    struct view {
      const pool_chunk* chunk;
      chunk_head head;
    };
    static thread_local view now;  // valid for one call, as a payload_source is
    now = {this, head};
    payload_source what;
    what.value = &now;
    what.plain_bytes = sizeof head + table_bytes() + items.bytes.size();
    what.write = [](const void* from, std::byte* to) {
      const auto& v = *static_cast<const view*>(from);
      const item_block& block = v.chunk->items;
      std::memcpy(to, &v.head, sizeof v.head);
      to += sizeof v.head;
      if (const std::size_t table = v.chunk->table_bytes(); table != 0) {
        std::memset(to + table - sizeof(std::uint64_t), 0, sizeof(std::uint64_t));
        std::memcpy(to, block.ends.data(), block.ends.size() * sizeof block.ends[0]);
        to += table;
      }
      const auto bytes = block.bytes.view();
      if (!bytes.empty()) std::memcpy(to, bytes.data(), bytes.size());
    };
    return what;
  }
  [[nodiscard]] std::size_t table_bytes() const noexcept {
    return items.item_bytes != size_varies ? 0 : (items.count * sizeof(std::uint32_t) + 7) / 8 * 8;
  }
};

}  // namespace troupe::engine
