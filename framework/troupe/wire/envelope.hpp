#pragma once

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <troupe/envelope.capnp.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "troupe/address.hpp"
#include "troupe/errc.hpp"
#include "troupe/payload.hpp"
#include "troupe/wire/byte_queue.hpp"
#include "troupe/wire/frame.hpp"

namespace troupe::wire {

using schema::Envelope;

/// What a frame says beside its payload. Borrows the addresses.
struct header {
  Envelope::Kind kind{};
  std::uint64_t number = 0;
  std::uint64_t target = 0;
  std::uint8_t priority = 0;
  std::uint16_t sender = 0;
  const address* introduced = nullptr;  ///< whom `sender` means from now on
  const address* receiver = nullptr;    ///< instead of `target`
  bool early = false;                   ///< not before its actor is ready

  [[nodiscard]] bool has_context() const noexcept {
    return introduced != nullptr || receiver != nullptr || early;
  }
};

/// Size of a frame, at most.
std::size_t envelope_bytes(const header& head, const payload_source& payload);
inline std::size_t envelope_bytes(const payload_source& payload) {
  return envelope_bytes({}, payload);
}

/// Everything of a plain message but its number and its payload: its first words, number blanked.
/// Two frames with the same form have the same shape, so a frame like the last one needs neither to
/// be built nor to be checked anew by Cap'n Proto: 10 ns instead of 100 at each end.
struct plain_form {
  static constexpr std::size_t prefix_words = 8;
  static constexpr std::size_t number_word = 2;
  static constexpr std::size_t payload_at = prefix_words * sizeof(capnp::word);

  std::array<std::uint64_t, prefix_words> words{};
  std::size_t payload_bytes = 0;
  std::size_t frame_bytes = 0;  ///< 0: none remembered yet
  Envelope::Kind kind{};
  std::uint64_t target = 0;
  std::uint8_t priority = 0;
  std::uint16_t sender = 0;

  /// Remembers the form of `frame` if it is laid out as this process lays out its own.
  void remember(std::span<const std::byte> frame, const Envelope::Reader& envelope,
                const payload_view& payload);
  [[nodiscard]] bool matches(std::span<const std::byte> frame) const noexcept;
};

/// The same for a struct that is the only segment of its own message: then the frame ends with that
/// segment as it is, root pointer first, and nothing has to be walked at all to write it.
struct structure_form {
  static constexpr std::size_t prefix_words = 7;
  static constexpr std::size_t payload_at = prefix_words * sizeof(capnp::word);

  std::array<std::uint64_t, prefix_words> words{};  ///< table and number blanked
  bool known = false;
  Envelope::Kind kind{};
  std::uint64_t target = 0;
  std::uint64_t schema_id = 0;
  std::uint8_t priority = 0;
  std::uint16_t sender = 0;

  void remember(std::span<const std::byte> frame, const Envelope::Reader& envelope);
  [[nodiscard]] bool matches(std::span<const std::byte> frame) const noexcept;
};

/// Does now what the first message of a process would otherwise do.
void prepare();

/// Writes frames, one stream's after the other.
class envelope_writer {
public:
  /// Writes a frame of at most `envelope_bytes(head, payload)` = `room` to `to` (8-byte aligned);
  /// returns its size.
  std::size_t write(std::byte* to, std::size_t room, const header& head,
                    const payload_source& payload);

private:
  std::size_t write_segment(std::byte* to, const header& head, const payload_source& payload);

  plain_form last_;
  structure_form last_structure_;
};

/// Appends a frame whose body `fill` builds, for the rare kinds.
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
void set_address(schema::Address::Builder to, const address& from);
address address_of(schema::Address::Reader from);

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

/// A frame as it was received; valid until the next one is read.
struct incoming {
  Envelope::Kind kind{};
  std::uint64_t number = 0;
  std::uint64_t target = 0;
  std::uint8_t priority = 0;
  std::uint16_t sender = 0;
  payload_view payload;
  const Envelope::Reader* envelope = nullptr;  ///< null for a plain message in the usual form

  [[nodiscard]] bool has_context() const { return envelope != nullptr && envelope->hasContext(); }
  /// Whether it goes further than the process that reads it, or may.
  [[nodiscard]] bool has_receiver() const {
    return has_context() && envelope->getContext().hasReceiver();
  }
  [[nodiscard]] bool is_early() const { return has_context() && envelope->getContext().getEarly(); }
};

/// Checks and reads the frames of one stream.
class envelope_reader {
public:
  /// @throws kj::Exception as `checked_envelope`.
  const incoming& read(std::span<const std::byte> frame);

private:
  plain_form last_;
  structure_form last_structure_;
  std::optional<checked_envelope> full_;
  incoming now_;
};

}  // namespace troupe::wire
