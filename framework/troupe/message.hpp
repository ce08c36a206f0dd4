#pragma once

#include <capnp/any.h>
#include <capnp/message.h>
#include <capnp/schema.h>
#include <capnp/serialize.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>

#include "troupe/payload.hpp"

namespace troupe {

/// Words of one Cap'n Proto message, read in place. Immutable; shared by all copies of a `msg`.
class message_words {
public:
  using pointer = std::shared_ptr<const message_words>;

  /// Copies a struct out of wherever it lies. @throws kj::Exception when its shape is not bounded.
  static pointer copy_of(capnp::AnyPointer::Reader root);
  static pointer copy_of(capnp::MessageBuilder& builder);
  /// Takes a message in standard framing. @throws kj::Exception when it is malformed.
  static pointer from_frame(std::span<const std::byte> frame);
  /// Takes the one segment of a message that was checked, root pointer first.
  static pointer from_segment(std::span<const std::byte> segment);

  /// For the functions above: a message that was checked.
  explicit message_words(kj::Array<capnp::word> words);
  message_words(const message_words&) = delete;
  message_words& operator=(const message_words&) = delete;

  [[nodiscard]] capnp::AnyPointer::Reader root() const {
    return reader_.getRoot<capnp::AnyPointer>();
  }
  [[nodiscard]] std::span<const std::byte> frame() const noexcept;
  /// The only segment, root pointer first; empty when there are more.
  [[nodiscard]] std::span<const std::byte> segment() const noexcept;

private:
  kj::Array<capnp::word> words_;
  mutable capnp::FlatArrayMessageReader reader_;
};

/// A message of another type came than the function takes.
struct wrong_schema : std::runtime_error {
  using std::runtime_error::runtime_error;
};
[[noreturn]] void throw_wrong_schema(const payload_view& payload, std::uint64_t expected);

namespace detail {
template <class T>
void know();
}

/// An immutable message of a Cap'n Proto struct. Copies share the words; fields are read in place,
/// without a traversal limit (what came from a peer was checked at the border).
/// A default-constructed one reads as the struct with all defaults.
template <class Schema>
class msg {
public:
  using reader = typename Schema::Reader;

  msg() = default;
  explicit msg(std::shared_ptr<const message_words> words)
      : words_(std::move(words)), reader_(words_->root().template getAs<Schema>()) {
    detail::know<msg>();  // every process of the program can read it
  }

  [[nodiscard]] const reader* operator->() const noexcept { return &reader_; }
  [[nodiscard]] const reader& operator*() const noexcept { return reader_; }

  [[nodiscard]] static std::uint64_t schema_id() { return capnp::typeId<Schema>(); }
  [[nodiscard]] capnp::AnyStruct::Reader any() const { return reader_; }
  /// See message_words.
  [[nodiscard]] std::span<const std::byte> segment() const {
    return words_ != nullptr ? words_->segment() : std::span<const std::byte>{};
  }
  /// In standard framing.
  [[nodiscard]] std::span<const std::byte> frame() const {
    return words_ != nullptr ? words_->frame() : std::span<const std::byte>{};
  }

  static msg from_frame(std::span<const std::byte> frame) {
    return frame.empty() ? msg{} : msg{message_words::from_frame(frame)};
  }
  /// @throws troupe::wrong_schema when the payload is something else.
  static msg from_payload(const payload_view& payload) {
    if (payload.is != payload_view::kind::structure || payload.schema_id != schema_id())
      throw_wrong_schema(payload, schema_id());
    return msg{payload.segment.empty() ? message_words::copy_of(payload.structure)
                                       : message_words::from_segment(payload.segment)};
  }

private:
  std::shared_ptr<const message_words> words_;
  reader reader_;
};

/// Builds a message: `make<Add>([](auto m) { m.setA(2); m.setB(40); })`.
template <class Schema, class Fill>
msg<Schema> make(Fill fill) {
  capnp::word first[64] = {};  // enough for most, and no allocation
  capnp::MallocMessageBuilder builder{kj::arrayPtr(first, 64)};
  fill(builder.template initRoot<Schema>());
  return msg<Schema>{message_words::copy_of(builder)};
}

}  // namespace troupe

#include "troupe/codec.hpp"  // in the end defines detail::know
