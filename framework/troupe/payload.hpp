#pragma once

#include <capnp/any.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "troupe/chunk.hpp"
#include "troupe/errc.hpp"

namespace troupe {

/// What a message is to carry, without its type: how large, and how to write it into the mailbox.
/// Borrows the value; valid for one call.
struct payload_source {
  /// Plain C++ values: `plain_bytes`, written by `write(value, to)`.
  std::size_t plain_bytes = 0;
  void (*write)(const void* value, std::byte* to) = nullptr;
  const void* value = nullptr;
  /// A schema struct, when `schema_id` is not 0.
  std::uint64_t schema_id = 0;
  capnp::AnyStruct::Reader structure;
  /// The same struct as the only segment of a message, root pointer first; empty when it is not.
  std::span<const std::byte> segment;

  [[nodiscard]] bool none() const noexcept { return write == nullptr && schema_id == 0; }
};

/// What a received message carries. Borrows the receive buffer; valid for one call.
struct payload_view {
  enum class kind : std::uint8_t { none, plain, structure } is = kind::none;
  std::span<const std::byte> plain;
  std::uint64_t schema_id = 0;
  capnp::AnyPointer::Reader structure;
  /// Instead of `structure`, when it is not empty: as in payload_source.
  std::span<const std::byte> segment;
};

/// Where a called function's outcome goes: exactly one of the two, once.
class answer_writer {
public:
  /// Before that: what is there already.
  virtual void part(const payload_source& what) = 0;
  virtual void payload(const payload_source& what) = 0;
  virtual void fail(errc code, const std::string& text) = 0;

protected:
  ~answer_writer() = default;
};

/// One call of a function that came as a message.
struct incoming_call {
  payload_view arguments;
  answer_writer& answer;
  std::uint64_t target = 0;    ///< the called one's number
  std::uint64_t number = 0;    ///< the message's
  std::string_view name = {};  ///< the called one's
  /// Shared with the parent, for calls that are chunks of items.
  chunk_slot* progress = nullptr;
  std::span<std::byte> outcomes = {};
  std::size_t max_answer_bytes = 0;
};

/// Decodes the arguments, calls `function` (null for a lambda, which the stub's type names),
/// encodes the result. One instantiation per function type; its address travels, not its type.
using stub_function = void (*)(const void* function, incoming_call& call);

}  // namespace troupe
