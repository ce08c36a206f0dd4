#pragma once

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <schemas/envelope.capnp.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "troupe/errc.hpp"
#include "troupe/payload.hpp"
#include "troupe/wire/byte_queue.hpp"
#include "troupe/wire/frame.hpp"

namespace troupe::wire {

using schema::Envelope;

/// Size of a frame around `payload`, at most.
std::size_t envelope_bytes(const payload_source& payload);

/// Writes a frame of at most `envelope_bytes(payload)` to `to` (8-byte aligned); returns its size.
std::size_t write_envelope(std::byte* to, std::size_t room, Envelope::Kind kind,
                           std::uint64_t number, std::uint64_t target,
                           const payload_source& payload);

/// Writes a frame whose body `fill` builds, for the rare kinds.
template <class Fill>
void append_envelope(byte_queue& to, Envelope::Kind kind, std::uint64_t number,
                     std::uint64_t target, Fill fill) {
  capnp::MallocMessageBuilder builder;
  auto envelope = builder.initRoot<Envelope>();
  envelope.setKind(kind);
  envelope.setNumber(number);
  envelope.setTarget(target);
  fill(envelope);
  const auto words = capnp::messageToFlatArray(builder);
  const auto bytes = words.asBytes();
  std::memcpy(to.reserve(bytes.size()), bytes.begin(), bytes.size());
  to.commit(bytes.size());
}

/// Sets the body to a failure.
void set_failure(Envelope::Builder envelope, errc code, std::string_view text);
/// Maps by name: numbers of `errc` never travel.
errc code_of(schema::Failure::Code code);

/// One frame, checked: its structure was walked whole under limits, so it can't be made to read out
/// of bounds, loop or amplify. Borrows the frame.
/// @throws kj::Exception when the bytes are no Envelope of bounded shape.
class checked_envelope {
public:
  explicit checked_envelope(std::span<const std::byte> frame);

  [[nodiscard]] const Envelope::Reader& operator*() const noexcept { return root_; }
  [[nodiscard]] const Envelope::Reader* operator->() const noexcept { return &root_; }
  [[nodiscard]] payload_view payload() const;

private:
  capnp::FlatArrayMessageReader reader_;
  Envelope::Reader root_;
};

}  // namespace troupe::wire
