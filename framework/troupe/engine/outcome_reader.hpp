#pragma once

#include <kj/debug.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

#include "troupe/chunk.hpp"

namespace troupe::engine {

/// An outcome that is no value.
struct fault_text {
  std::uint64_t number = 0;
  std::string text;
};

/// Goes through outcomes as a worker wrote them. @throws kj::Exception when they make no sense.
class outcome_reader {
public:
  outcome_reader(std::span<const std::byte> bytes, const outcome_head& head)
      : rest_(bytes), lead_(head.timed != 0 ? 1 + sizeof(std::uint64_t) : 1), head_(head) {}

  [[nodiscard]] const outcome_head& head() const noexcept { return head_; }
  [[nodiscard]] std::size_t lead() const noexcept { return lead_; }
  [[nodiscard]] const std::byte* at() const noexcept { return rest_.data(); }
  [[nodiscard]] outcome_kind kind() const {
    need(lead_);
    const auto kind = static_cast<std::uint8_t>(rest_[0]);
    KJ_REQUIRE(kind <= static_cast<std::uint8_t>(outcome_kind::snooze), "an unknown outcome");
    return static_cast<outcome_kind>(kind);
  }
  [[nodiscard]] std::chrono::nanoseconds time() const {
    std::uint64_t ns = 0;
    if (lead_ > 1) std::memcpy(&ns, rest_.data() + 1, sizeof ns);
    return std::chrono::nanoseconds{static_cast<std::int64_t>(ns & (~std::uint64_t{0} >> 1))};
  }
  /// Values from here on, `most` at most, where all have one size and no time.
  std::size_t skip_values(std::size_t most) {
    const std::size_t each = lead_ + static_cast<std::size_t>(head_.value_bytes);
    most = std::min(most, rest_.size() / each);
    std::size_t count = 0;
    while (count < most && rest_[count * each] == std::byte{0}) ++count;
    rest_ = rest_.subspan(count * each);
    return count;
  }
  void skip_value() {
    rest_ = rest_.subspan(lead_);
    std::size_t size = static_cast<std::size_t>(head_.value_bytes);
    if (head_.value_bytes == size_varies) size = read<std::uint32_t>();
    need(size);
    rest_ = rest_.subspan(size);
  }
  fault_text take_fault() {
    rest_ = rest_.subspan(lead_);
    fault_text f;
    f.number = read<std::uint64_t>();
    const std::size_t size = read<std::uint32_t>();
    need(size);
    f.text.assign(reinterpret_cast<const char*>(rest_.data()), size);
    rest_ = rest_.subspan(size);
    return f;
  }

private:
  void need(std::size_t bytes) const { KJ_REQUIRE(rest_.size() >= bytes, "outcomes end too soon"); }
  template <class T>
  T read() {
    need(sizeof(T));
    T value;
    std::memcpy(&value, rest_.data(), sizeof value);
    rest_ = rest_.subspan(sizeof value);
    return value;
  }

  std::span<const std::byte> rest_;
  std::size_t lead_;
  const outcome_head& head_;
};

}  // namespace troupe::engine
