#pragma once

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <troupe/control.capnp.h>

#include <cstddef>
#include <span>
#include <vector>

#include "troupe/wire/frame.hpp"

namespace troupe::wire {

using schema::ControlAnswer;
using schema::ControlRequest;

/// A message of the control socket, as bytes.
inline std::vector<std::byte> control_frame(capnp::MessageBuilder& from) {
  const auto words = capnp::messageToFlatArray(from);
  const auto bytes = words.asBytes();
  const auto* const begin = reinterpret_cast<const std::byte*>(bytes.begin());
  return {begin, begin + bytes.size()};
}

/// One frame whose structure was walked whole under limits. Borrows the frame, which is 8-byte
/// aligned. @throws kj::Exception when the bytes are no T of bounded shape.
template <class T>
class checked_message {
public:
  explicit checked_message(std::span<const std::byte> frame)
      : reader_(words_of(frame), limits(frame.size() / sizeof(capnp::word))) {
    const auto root = reader_.template getRoot<capnp::AnyPointer>();
    root.targetSize();
    root_ = root.template getAs<T>();
  }
  [[nodiscard]] const typename T::Reader& operator*() const noexcept { return root_; }
  [[nodiscard]] const typename T::Reader* operator->() const noexcept { return &root_; }

private:
  /// As for envelopes, but that a tree is read more than once.
  static capnp::ReaderOptions limits(std::size_t words) {
    capnp::ReaderOptions options;
    options.traversalLimitInWords = 16 * words + 1024;
    options.nestingLimit = 16;
    return options;
  }

  capnp::FlatArrayMessageReader reader_;
  typename T::Reader root_;
};

}  // namespace troupe::wire
