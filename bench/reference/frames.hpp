#pragma once

// Cap'n Proto messages of one segment, packed one after the other.

#include <capnp/message.h>
#include <capnp/serialize.h>

#include "reference.hpp"

namespace reference {

/// Builds a message at `to`, which has `room` words; returns how many it takes.
template <class Fill>
std::size_t build(capnp::word* to, std::size_t room, Fill fill) {
  std::memset(to, 0, room * sizeof(capnp::word));
  capnp::FlatMessageBuilder builder{kj::arrayPtr(to + 1, room - 1)};
  fill(builder);
  const auto words = static_cast<std::uint32_t>(builder.getSegmentsForOutput()[0].size());
  const std::uint32_t table[2] = {0, words};
  std::memcpy(to, table, sizeof table);
  return 1 + words;
}

/// Calls `handle` with a reader of each whole message in `words`; returns the words they take.
template <class Handle>
std::size_t each(kj::ArrayPtr<const capnp::word> words, Handle handle) {
  std::size_t used = 0;
  while (used < words.size()) {
    std::uint32_t table[2];
    std::memcpy(table, words.begin() + used, sizeof table);
    require(table[0] == 0, "more than one segment");
    const std::size_t end = used + 1 + table[1];
    if (end > words.size()) break;
    capnp::FlatArrayMessageReader reader{words.slice(used, end)};
    handle(reader);
    used = end;
  }
  return used;
}

/// Bytes that came so far of a stream of messages.
class stream {
public:
  explicit stream(int fd) : fd_(fd), words_(8192) {}

  /// One read; false at the end.
  template <class Handle>
  bool read_some(Handle handle) {
    auto* const bytes = reinterpret_cast<char*>(words_.data());
    const ssize_t got = read(fd_, bytes + held_, words_.size() * sizeof(capnp::word) - held_);
    if (got <= 0) return false;
    held_ += static_cast<std::size_t>(got);
    const std::size_t used =
        each(kj::arrayPtr(words_.data(), held_ / sizeof(capnp::word)), handle) *
        sizeof(capnp::word);
    held_ -= used;
    std::memmove(bytes, bytes + used, held_);
    return true;
  }

private:
  int fd_;
  std::vector<capnp::word> words_;
  std::size_t held_ = 0;
};

}  // namespace reference
