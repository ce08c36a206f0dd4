#include "troupe/message.hpp"

#include <cstring>
#include <sstream>

namespace troupe {

namespace {

/// What passed the border is read without limit: the limit counts every read, so a handler that
/// reads a list five times would run into it.
capnp::ReaderOptions no_limits() {
  capnp::ReaderOptions options;
  options.traversalLimitInWords = ~std::uint64_t{0} >> 8;
  options.nestingLimit = 64;
  return options;
}

constexpr std::size_t table_bytes = sizeof(capnp::word);  // of one segment

/// A peer's message: walked whole, under limits.
void check(kj::ArrayPtr<const capnp::word> words) {
  capnp::ReaderOptions limits;
  limits.traversalLimitInWords = 4 * words.size() + 1024;
  limits.nestingLimit = 32;
  capnp::FlatArrayMessageReader{words, limits}.getRoot<capnp::AnyPointer>().targetSize();
}

}  // namespace

message_words::message_words(kj::Array<capnp::word> words)
    : words_(kj::mv(words)), reader_(words_.asPtr(), no_limits()) {}

message_words::pointer message_words::copy_of(capnp::AnyPointer::Reader root) {
  capnp::MallocMessageBuilder builder{static_cast<unsigned>(root.targetSize().wordCount + 1)};
  builder.setRoot(root);
  return std::make_shared<const message_words>(capnp::messageToFlatArray(builder));
}

message_words::pointer message_words::copy_of(capnp::MessageBuilder& builder) {
  if (builder.getSegmentsForOutput().size() != 1)
    return copy_of(builder.getRoot<capnp::AnyPointer>().asReader());
  return std::make_shared<const message_words>(capnp::messageToFlatArray(builder));
}

message_words::pointer message_words::from_frame(std::span<const std::byte> frame) {
  auto words = kj::heapArray<capnp::word>(frame.size() / sizeof(capnp::word));
  std::memcpy(words.begin(), frame.data(), words.size() * sizeof(capnp::word));
  check(words);
  return std::make_shared<const message_words>(kj::mv(words));
}

message_words::pointer message_words::from_segment(std::span<const std::byte> segment) {
  auto words = kj::heapArray<capnp::word>(1 + segment.size() / sizeof(capnp::word));
  const std::uint32_t table[2] = {0, static_cast<std::uint32_t>(words.size() - 1)};
  std::memcpy(words.begin(), table, sizeof table);
  std::memcpy(words.begin() + 1, segment.data(), segment.size());
  return std::make_shared<const message_words>(kj::mv(words));
}

std::span<const std::byte> message_words::frame() const noexcept {
  return {reinterpret_cast<const std::byte*>(words_.begin()), words_.size() * sizeof(capnp::word)};
}

std::span<const std::byte> message_words::segment() const noexcept {
  std::uint32_t last_segment = 0;
  std::memcpy(&last_segment, words_.begin(), sizeof last_segment);
  return last_segment == 0 ? frame().subspan(table_bytes) : std::span<const std::byte>{};
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
