// Everything that reads the bytes of a peer, as a stream of frames: head, check, payload.
#include <troupe/codec.hpp>
#include <troupe/wire/envelope.hpp>
#include <troupe/wire/frame.hpp>

#include <cstdlib>
#include <map>
#include <string>
#include <vector>

namespace wire = troupe::wire;

namespace {

constexpr std::size_t max_frame_bytes = 1 << 16;

template <class T>
void decode(const troupe::payload_view& payload) {
  try {
    static_cast<void>(troupe::codec::value_of<T>(payload));
  } catch (const troupe::codec::malformed&) {
  }
}

/// Reads what the engine reads of each kind of body.
void read_body(const wire::Envelope::Reader& envelope) {
  const auto body = envelope.getBody();
  if (body.isFailure()) {
    static_cast<void>(wire::code_of(body.getFailure().getCode()));
    static_cast<void>(body.getFailure().getText().size());
  } else if (body.isHello()) {
    static_cast<void>(body.getHello().getBuildId().size());
  } else if (body.isBind()) {
    static_cast<void>(body.getBind().getStub().getBuildId().size());
    static_cast<void>(body.getBind().getName().size());
  } else if (body.isStructure()) {
    static_cast<void>(troupe::message_words::copy_of(body.getStructure()));
  }
}

/// A frame means the same whether its form was seen before or not.
void compare(const wire::incoming& with_memory, std::span<const std::byte> frame) {
  wire::envelope_reader without;
  const wire::incoming& plain = without.read(frame);
  if (plain.kind != with_memory.kind || plain.number != with_memory.number ||
      plain.target != with_memory.target || plain.payload.is != with_memory.payload.is ||
      plain.payload.plain.data() != with_memory.payload.plain.data() ||
      plain.payload.plain.size() != with_memory.payload.plain.size())
    std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<std::uint64_t> words(size / 8 + 1);
  std::memcpy(words.data(), data, size);
  auto stream = std::as_bytes(std::span{words}).first(size);
  wire::envelope_reader reader;
  for (;;) {
    const auto head = wire::read_frame_head(stream, max_frame_bytes);
    if (head.is != wire::frame_head::state::known || head.bytes > stream.size()) return 0;
    const auto frame = stream.first(head.bytes);
    try {
      const wire::incoming& message = reader.read(frame);
      compare(message, frame);
      decode<std::uint64_t>(message.payload);
      decode<std::string>(message.payload);
      decode<std::vector<std::string>>(message.payload);
      decode<std::map<std::string, std::vector<std::pair<int, bool>>>>(message.payload);
      if (message.envelope != nullptr) read_body(*message.envelope);
    } catch (const kj::Exception&) {  // ends its writer
    }
    stream = stream.subspan(head.bytes);
  }
}
