#include "troupe/wire/envelope.hpp"

namespace troupe::wire {

namespace {

using schema::Failure;

constexpr std::size_t table_words = 1;
constexpr std::size_t root_words = 1;
constexpr std::size_t struct_words = 6;  // Envelope: four words of data, two pointers

constexpr std::size_t rounded_words(std::size_t bytes) { return (bytes + 7) / 8; }

/// 4 times the frame lets the check and one read of everything pass; overlapping pointers that
/// would multiply the work do not.
capnp::ReaderOptions limits(std::size_t words) {
  capnp::ReaderOptions options;
  options.traversalLimitInWords = 4 * words + 1024;
  options.nestingLimit = 32;
  return options;
}

}  // namespace

std::size_t envelope_bytes(const payload_source& payload) {
  std::size_t words = table_words + root_words + struct_words;
  if (payload.schema_id != 0) {
    words += payload.structure.totalSize().wordCount + 1;
  } else if (payload.write != nullptr) {
    words += rounded_words(payload.plain_bytes);
  }
  return words * sizeof(capnp::word);
}

std::size_t write_envelope(std::byte* to, std::size_t room, Envelope::Kind kind,
                           std::uint64_t number, std::uint64_t target,
                           const payload_source& payload) {
  std::memset(to, 0, room);
  auto* words = reinterpret_cast<capnp::word*>(to);
  capnp::FlatMessageBuilder builder{
      kj::arrayPtr(words + table_words, room / sizeof(capnp::word) - table_words)};
  auto envelope = builder.initRoot<Envelope>();
  envelope.setNumber(number);
  envelope.setTarget(target);
  envelope.setKind(kind);
  if (payload.schema_id != 0) {
    envelope.setSchemaId(payload.schema_id);
    envelope.getBody().initStructure().setAs<capnp::AnyStruct>(payload.structure);
  } else if (payload.write != nullptr) {
    auto data = envelope.getBody().initPlain(static_cast<unsigned>(payload.plain_bytes));
    payload.write(payload.value, reinterpret_cast<std::byte*>(data.begin()));
  }
  const std::size_t used = builder.getSegmentsForOutput()[0].size();
  const std::uint32_t table[2] = {0, static_cast<std::uint32_t>(used)};
  std::memcpy(to, table, sizeof table);
  return (table_words + used) * sizeof(capnp::word);
}

void set_failure(Envelope::Builder envelope, errc code, std::string_view text) {
  auto failure = envelope.getBody().initFailure();
  const auto named = [&] {
    switch (code) {
      case errc::not_started: return Failure::Code::NOT_STARTED;
      case errc::worker_lost: return Failure::Code::WORKER_LOST;
      case errc::stopped: return Failure::Code::STOPPED;
      case errc::gave_up: return Failure::Code::GAVE_UP;
      case errc::start_failed: return Failure::Code::START_FAILED;
      case errc::mailbox_full: return Failure::Code::MAILBOX_FULL;
      case errc::too_large: return Failure::Code::TOO_LARGE;
      case errc::bad_message: return Failure::Code::BAD_MESSAGE;
      case errc::unknown_message: return Failure::Code::UNKNOWN_MESSAGE;
      case errc::exception: return Failure::Code::EXCEPTION;
    }
    return Failure::Code::UNKNOWN;
  };
  failure.setCode(named());
  const std::string_view cut = text.substr(0, 64 * 1024);  // an exception's text has no bound
  auto to = failure.initText(static_cast<unsigned>(cut.size()));
  std::memcpy(to.begin(), cut.data(), cut.size());
}

errc code_of(Failure::Code code) {
  switch (code) {
    case Failure::Code::NOT_STARTED: return errc::not_started;
    case Failure::Code::WORKER_LOST: return errc::worker_lost;
    case Failure::Code::STOPPED: return errc::stopped;
    case Failure::Code::GAVE_UP: return errc::gave_up;
    case Failure::Code::START_FAILED: return errc::start_failed;
    case Failure::Code::MAILBOX_FULL: return errc::mailbox_full;
    case Failure::Code::TOO_LARGE: return errc::too_large;
    case Failure::Code::BAD_MESSAGE: return errc::bad_message;
    case Failure::Code::UNKNOWN_MESSAGE: return errc::unknown_message;
    case Failure::Code::EXCEPTION: return errc::exception;
    case Failure::Code::UNKNOWN: break;
  }
  return errc::exception;  // a code of a later version: all that is sure is that it failed
}

checked_envelope::checked_envelope(std::span<const std::byte> frame)
    : reader_(words_of(frame), limits(frame.size() / sizeof(capnp::word))) {
  reader_.getRoot<capnp::AnyPointer>().targetSize();
  root_ = reader_.getRoot<Envelope>();
}

payload_view checked_envelope::payload() const {
  payload_view view;
  const auto body = root_.getBody();
  if (body.isPlain()) {
    const auto data = body.getPlain();
    view.is = payload_view::kind::plain;
    view.plain = {reinterpret_cast<const std::byte*>(data.begin()), data.size()};
  } else if (body.isStructure()) {
    view.is = payload_view::kind::structure;
    view.schema_id = root_.getSchemaId();
    view.structure = body.getStructure();
  }
  return view;
}

}  // namespace troupe::wire
