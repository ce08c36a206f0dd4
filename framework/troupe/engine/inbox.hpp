#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "troupe/os/descriptor.hpp"
#include "troupe/wire/byte_queue.hpp"
#include "troupe/wire/frame.hpp"

namespace troupe::engine {

/// Read buffer that the links of a process share: a link keeps only the piece of a frame that a
/// read cut off. Takes memory when it is first used.
class scratch {
public:
  static constexpr std::size_t usual_bytes = std::size_t{128} << 10;

  explicit scratch(std::size_t bytes = usual_bytes) : bytes_(bytes) {}

  /// In a zygote: the memory of the first usual one that is used after this, untouched yet.
  static void prepare() { prepared_ = memory(usual_bytes).release(); }

  [[nodiscard]] std::size_t size() const noexcept { return bytes_; }
  std::byte* data() {
    if (!words_ && bytes_ == usual_bytes) words_.reset(std::exchange(prepared_, nullptr));
    if (!words_) words_ = memory(bytes_);
    return reinterpret_cast<std::byte*>(words_.get());
  }

private:
  using words = std::unique_ptr<std::uint64_t[]>;
  static words memory(std::size_t bytes) {
    return words{new std::uint64_t[bytes / sizeof(std::uint64_t)]};
  }

  static inline std::uint64_t* prepared_ = nullptr;
  std::size_t bytes_;
  words words_;
};

/// For control sockets, which carry small frames only.
constexpr std::size_t control_buffer_bytes = 4096;
constexpr std::size_t max_control_frame_bytes = control_buffer_bytes / 2;

/// Turns the bytes of one stream into frames.
class inbox {
public:
  enum class state : std::uint8_t { open, drained, closed };

  explicit inbox(std::size_t max_frame_bytes) : max_(max_frame_bytes) {}

  /// One read of up to 64 KiB; hands each whole frame to `handle(span)`, valid for that call.
  /// `drained`: there was nothing. @throws kj::Exception on an impossible segment table; whatever
  /// `handle` throws passes through.
  template <class Handle>
  state read(int fd, scratch& shared, Handle handle) {
    if (partial_.size() > shared.size() / 2 || large_) return read_large(fd, shared.size(), handle);
    std::byte* const buffer = shared.data();
    const std::size_t kept = partial_.size();
    const os::transfer got = os::read_some(fd, {buffer + kept, shared.size() - kept});
    if (got.why != os::transfer::end::none) return ended(got);
    received_ += got.bytes;
    if (kept != 0) std::memcpy(buffer, partial_.data(), kept);
    partial_.drop(kept);
    split({buffer, kept + got.bytes}, false, handle);
    return state::open;
  }

  /// Inside `handle`: hands out now what the same read brought after this frame, so that there may
  /// be another read before `handle` returns. What `handle` was given is no longer valid then.
  template <class Handle>
  void hand_out_rest(Handle handle) {
    hand_out(handle);
    keep_rest();
  }

  /// Bytes that came another way (a dead worker's ring), as if read.
  template <class Handle>
  void feed(std::span<const std::byte> bytes, Handle handle) {
    received_ += bytes.size();
    keep(bytes);
    split(partial_.view(), true, handle);
  }

  /// Stream bytes seen so far.
  [[nodiscard]] std::uint64_t received() const noexcept { return received_; }

private:
  static state ended(const os::transfer& got) {
    return got.why == os::transfer::end::closed ? state::closed : state::drained;
  }

  /// A frame larger than the shared buffer collects in a buffer of its own.
  template <class Handle>
  state read_large(int fd, std::size_t bytes, Handle handle) {
    const os::transfer got = os::read_some(fd, {partial_.reserve(bytes), bytes});
    if (got.why != os::transfer::end::none) return ended(got);
    received_ += got.bytes;
    partial_.commit(got.bytes);
    split(partial_.view(), true, handle);
    large_ = partial_.size() > bytes / 2;
    return state::open;
  }

  void keep(std::span<const std::byte> bytes) {
    if (bytes.empty()) return;
    std::memcpy(partial_.reserve(bytes.size()), bytes.data(), bytes.size());
    partial_.commit(bytes.size());
  }

  template <class Handle>
  void split(std::span<const std::byte> bytes, bool in_partial, Handle& handle) {
    rest_ = bytes;
    rest_in_partial_ = in_partial;
    hand_out(handle);
    keep_rest();
  }

  template <class Handle>
  void hand_out(Handle& handle) {
    for (;;) {
      const wire::frame_head head = wire::read_frame_head(rest_, max_);
      if (head.is == wire::frame_head::state::bad_segments)
        KJ_FAIL_REQUIRE("a segment table that no Cap'n Proto message has");
      if (head.is == wire::frame_head::state::too_large)
        KJ_FAIL_REQUIRE("a message over the size limit", head.bytes, max_);
      if (head.is == wire::frame_head::state::incomplete || head.bytes > rest_.size()) return;
      const auto frame = rest_.first(head.bytes);
      rest_ = rest_.subspan(head.bytes);
      handle(frame);
    }
  }

  /// The piece of a frame that the read cut off; nothing when that has been done.
  void keep_rest() {
    const auto rest = std::exchange(rest_, {});
    if (rest.data() == nullptr) return;
    if (rest_in_partial_) {
      partial_.drop(partial_.size() - rest.size());
    } else {
      keep(rest);
    }
  }

  wire::byte_queue partial_;
  std::span<const std::byte> rest_;  ///< of the read whose frames are being handed out
  bool rest_in_partial_ = false;
  std::size_t max_;
  std::uint64_t received_ = 0;
  bool large_ = false;
};

}  // namespace troupe::engine
