#pragma once

#include <cstring>
#include <deque>
#include <span>
#include <vector>

#include "troupe/wire/byte_queue.hpp"
#include "troupe/wire/frame.hpp"

namespace troupe::engine {

/// Messages that a worker has read and its actors have not begun: urgent ones first, the others in
/// their order; those that an actor skipped are offered again after each message that it handled.
class arrivals {
public:
  enum class from : std::uint8_t { nowhere, skipped, urgent, line };

  void add(std::span<const std::byte> frame, bool urgent) {
    if (urgent) {
      urgent_.push_back(copy_of(frame));
      return;
    }
    std::memcpy(line_.reserve(frame.size()), frame.data(), frame.size());
    line_.commit(frame.size());
  }

  /// Where the next one comes from; its frame is valid until something is added.
  /// `may_overtake`: whether urgent messages go first now.
  from next(std::span<const std::byte>& frame, bool may_overtake = true) {
    if (offers()) {
      frame = bytes_of(skipped_[offered_]);
      return from::skipped;
    }
    if (!urgent_.empty() && (may_overtake || line_.empty())) {
      frame = bytes_of(urgent_.front());
      return from::urgent;
    }
    if (line_.empty()) return from::nowhere;
    const auto rest = line_.view();
    frame = rest.first(wire::read_frame_head(rest, ~std::size_t{0}).bytes);
    return from::line;
  }

  /// What `next` gave is done with.
  void handled(from where, std::size_t bytes) {
    remove(where, bytes);
    offered_ = 0;
  }
  void skipped(from where, std::size_t bytes) {
    if (where == from::skipped) {
      ++offered_;
      return;
    }
    skipped_.push_back(where == from::urgent ? urgent_.front()
                                             : copy_of(line_.view().first(bytes)));
    remove(where, bytes);
    offered_ = skipped_.size();  // nothing has changed for them
  }

  /// An actor has handled something that came another way: it may want now what it skipped.
  void offer_again() noexcept { offered_ = 0; }
  /// Whether it may want one that it skipped.
  [[nodiscard]] bool offers() const noexcept { return offered_ < skipped_.size(); }

  /// Whether nothing is in line behind what `next` gave.
  [[nodiscard]] bool ends_with(std::size_t bytes) const noexcept {
    return urgent_.empty() && line_.size() == bytes;
  }
  [[nodiscard]] bool empty() const noexcept { return urgent_.empty() && line_.empty(); }

private:
  using words = std::vector<std::uint64_t>;

  static words copy_of(std::span<const std::byte> frame) {
    words copy(frame.size() / sizeof(std::uint64_t));
    std::memcpy(copy.data(), frame.data(), frame.size());
    return copy;
  }
  static std::span<const std::byte> bytes_of(const words& frame) {
    return std::as_bytes(std::span{frame});
  }
  void remove(from where, std::size_t bytes) {
    if (where == from::skipped) {
      skipped_.erase(skipped_.begin() + static_cast<std::ptrdiff_t>(offered_));
    } else if (where == from::urgent) {
      urgent_.pop_front();
    } else {
      line_.drop(bytes);
    }
  }

  wire::byte_queue line_;
  std::deque<words> urgent_;
  std::deque<words> skipped_;
  std::size_t offered_ = 0;  ///< of the skipped ones, since one was handled last
};

}  // namespace troupe::engine
