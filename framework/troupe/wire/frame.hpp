#pragma once

#include <capnp/common.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace troupe::wire {

/// Largest frame that a process sends or accepts unless told otherwise.
constexpr std::size_t default_max_frame_bytes = std::size_t{16} << 20;

/// What the first bytes of a stream say of the frame that they begin.
struct frame_head {
  enum class state : std::uint8_t {
    incomplete,    ///< more bytes are needed to tell
    known,         ///< `bytes` is the size of the whole frame, segment table included
    bad_segments,  ///< no segment, or more than the 511 that Cap'n Proto allows
    too_large      ///< beyond the limit; nothing was allocated for it
  } is = state::incomplete;
  std::size_t bytes = 0;
};

/// Reads a segment table. Pure; never allocates. Source: Cap'n Proto encoding, "Serialization Over
/// a Stream".
inline frame_head read_frame_head(std::span<const std::byte> stream, std::size_t max_bytes) {
  constexpr std::uint32_t max_segments = 511;
  const auto number = [&](std::size_t i) {
    std::uint32_t value = 0;
    std::memcpy(&value, stream.data() + 4 * i, sizeof value);
    return value;
  };
  if (stream.size() < 8) return {};
  const std::uint32_t last = number(0);  // segments - 1
  if (last >= max_segments) return {frame_head::state::bad_segments, 0};
  const std::size_t table = (std::size_t{last} + 3) / 2 * 8;
  if (stream.size() < table) return {};
  std::size_t bytes = table;
  for (std::uint32_t i = 0; i <= last; ++i) bytes += std::size_t{number(1 + i)} * 8;
  if (bytes > max_bytes) return {frame_head::state::too_large, bytes};
  return {frame_head::state::known, bytes};
}

/// The words of a frame; `frame` is 8-byte aligned and whole.
inline kj::ArrayPtr<const capnp::word> words_of(std::span<const std::byte> frame) {
  return {reinterpret_cast<const capnp::word*>(frame.data()), frame.size() / sizeof(capnp::word)};
}

}  // namespace troupe::wire
