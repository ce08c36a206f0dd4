#include "troupe/message.hpp"

#include <cstring>
#include <sstream>

namespace troupe {

namespace {

/// A peer's message may be read as much as a walk over all of it takes, not more: overlapping
/// pointers would multiply the work.
capnp::ReaderOptions limits_of(std::size_t words) {
  capnp::ReaderOptions limits;
  limits.traversalLimitInWords = 4 * words + 1024;
  limits.nestingLimit = 32;
  return limits;
}

}  // namespace

message_words message_words::from_segment(std::span<const std::byte> segment) {
  message_words taken;
  taken.count_ = table_words + segment.size() / sizeof(capnp::word);
  auto words = std::make_shared_for_overwrite<capnp::word[]>(taken.count_);
  const std::uint32_t table[2] = {0, static_cast<std::uint32_t>(taken.count_ - table_words)};
  std::memcpy(words.get(), table, sizeof table);
  std::memcpy(words.get() + table_words, segment.data(), segment.size());
  taken.words_ = std::move(words);
  return taken;
}

message_words message_words::copy_of(capnp::AnyPointer::Reader root) {
  capnp::MallocMessageBuilder builder{static_cast<unsigned>(root.targetSize().wordCount + 1)};
  builder.setRoot(root);
  return copy_of(builder);
}

message_words message_words::copy_of(capnp::MessageBuilder& builder) {
  const auto segments = builder.getSegmentsForOutput();
  if (segments.size() != 1) return copy_of(builder.getRoot<capnp::AnyPointer>().asReader());
  return from_segment(std::as_bytes(std::span{segments[0].begin(), segments[0].size()}));
}

message_words message_words::from_frame(std::span<const std::byte> frame) {
  auto words = kj::heapArray<capnp::word>(frame.size() / sizeof(capnp::word));
  std::memcpy(words.begin(), frame.data(), words.size() * sizeof(capnp::word));
  capnp::FlatArrayMessageReader reader{words, limits_of(words.size())};
  return copy_of(reader.getRoot<capnp::AnyPointer>());
}

void throw_wrong_schema(const payload_view& payload, std::uint64_t expected) {
  std::ostringstream text;
  text << std::hex;
  if (payload.is == payload_view::kind::structure) {
    text << "a message of schema 0x" << payload.schema_id;
  } else {
    text << "a message of plain values";
  }
  text << " came where schema 0x" << expected << " is taken";
  throw wrong_schema{text.str()};
}

}  // namespace troupe
