#include "troupe/message.hpp"

#include <capnp/serialize.h>

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

std::span<const std::byte> bytes_of(kj::ArrayPtr<const capnp::word> words) {
  return {reinterpret_cast<const std::byte*>(words.begin()), words.size() * sizeof(capnp::word)};
}

}  // namespace

struct message_words::content {
  explicit content(kj::Array<capnp::word> from)
      : words(kj::mv(from)), reader(words.asPtr(), no_limits()) {}
  kj::Array<capnp::word> words;
  capnp::FlatArrayMessageReader reader;
};

message_words::message_words(std::unique_ptr<content> words) : content_(std::move(words)) {}
message_words::~message_words() = default;

std::shared_ptr<const message_words> message_words::copy_of(capnp::AnyPointer::Reader root) {
  capnp::MallocMessageBuilder builder{static_cast<unsigned>(root.targetSize().wordCount + 1)};
  builder.setRoot(root);
  return copy_of(builder);
}

std::shared_ptr<const message_words> message_words::copy_of(capnp::MessageBuilder& builder) {
  auto words = std::make_unique<content>(capnp::messageToFlatArray(builder));
  return std::shared_ptr<const message_words>{new message_words{std::move(words)}};
}

std::shared_ptr<const message_words> message_words::from_frame(std::span<const std::byte> frame) {
  auto words = kj::heapArray<capnp::word>(frame.size() / sizeof(capnp::word));
  std::memcpy(words.begin(), frame.data(), words.size() * sizeof(capnp::word));
  capnp::ReaderOptions limits;
  limits.traversalLimitInWords = 4 * words.size() + 1024;
  limits.nestingLimit = 32;
  capnp::FlatArrayMessageReader{words, limits}.getRoot<capnp::AnyPointer>().targetSize();
  auto checked = std::make_unique<content>(kj::mv(words));
  return std::shared_ptr<const message_words>{new message_words{std::move(checked)}};
}

capnp::AnyPointer::Reader message_words::root() const {
  return content_->reader.getRoot<capnp::AnyPointer>();
}

std::span<const std::byte> message_words::frame() const noexcept {
  return bytes_of(content_->words.asPtr());
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
