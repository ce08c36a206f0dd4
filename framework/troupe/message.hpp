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

/// Words of one Cap'n Proto message, read in place. Immutable; copies share them.
///
/// All are in one segment, and were built here or checked at the border, so they are read without
/// bounds or limits: a limit counts every read, and a handler that reads a list five times would
/// run into it.
class message_words {
public:
  message_words() = default;
  /// Copies a struct out of wherever it lies. @throws kj::Exception when its shape is not bounded.
  static message_words copy_of(capnp::AnyPointer::Reader root);
  static message_words copy_of(capnp::MessageBuilder& builder);
  /// Takes a message in standard framing. @throws kj::Exception when it is malformed.
  static message_words from_frame(std::span<const std::byte> frame);
  /// Takes the one segment of a message that was checked, root pointer first.
  static message_words from_segment(std::span<const std::byte> segment);

  [[nodiscard]] bool empty() const noexcept { return count_ == 0; }
  /// Of what is not empty.
  [[nodiscard]] capnp::AnyPointer::Reader root() const {
    return capnp::readMessageUnchecked<capnp::AnyPointer>(words_.get() + table_words);
  }
  /// In standard framing.
  [[nodiscard]] std::span<const std::byte> frame() const noexcept {
    return std::as_bytes(std::span{words_.get(), count_});
  }
  /// Without its table: root pointer first.
  [[nodiscard]] std::span<const std::byte> segment() const noexcept {
    return empty() ? frame() : frame().subspan(table_words * sizeof(capnp::word));
  }

private:
  static constexpr std::size_t table_words = 1;

  std::shared_ptr<const capnp::word[]> words_;
  std::size_t count_ = 0;
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
  explicit msg(message_words words)
      : words_(std::move(words)), reader_(words_.root().template getAs<Schema>()) {
    detail::know<msg>();  // every process of the program can read it
  }

  [[nodiscard]] const reader* operator->() const noexcept { return &reader_; }
  [[nodiscard]] const reader& operator*() const noexcept { return reader_; }

  [[nodiscard]] static std::uint64_t schema_id() { return capnp::typeId<Schema>(); }
  [[nodiscard]] capnp::AnyStruct::Reader any() const { return reader_; }
  /// See message_words.
  [[nodiscard]] std::span<const std::byte> segment() const noexcept { return words_.segment(); }
  /// In standard framing.
  [[nodiscard]] std::span<const std::byte> frame() const noexcept { return words_.frame(); }

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
  message_words words_;
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
