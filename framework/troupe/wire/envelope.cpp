#include "troupe/wire/envelope.hpp"

namespace troupe::wire {

namespace {

using schema::Failure;

constexpr std::size_t table_words = 1;
constexpr std::size_t root_words = 1;
constexpr std::size_t struct_words = 6;  // Envelope: four words of data, two pointers
constexpr std::size_t context_words = 5;
constexpr std::size_t address_words = 4;

constexpr std::size_t rounded_words(std::size_t bytes) {
  return (bytes + 7) / 8;
}

/// 4 times the frame lets the check and one read of everything pass; overlapping pointers that
/// would multiply the work do not.
capnp::ReaderOptions limits(std::size_t words) {
  capnp::ReaderOptions options;
  options.traversalLimitInWords = 4 * words + 1024;
  options.nestingLimit = 32;
  return options;
}

}  // namespace

std::size_t envelope_bytes(const header& head, const payload_source& payload) {
  std::size_t words = table_words + root_words + struct_words;
  if (head.has_context()) words += context_words;
  for (const address* a : {head.introduced, head.receiver})
    if (a != nullptr) words += address_words + rounded_words(a->path.size() * 4);
  if (!payload.segment.empty()) {
    words += payload.segment.size() / sizeof(capnp::word);
  } else if (payload.schema_id != 0) {
    words += payload.structure.totalSize().wordCount + 1;
  } else if (payload.write != nullptr) {
    words += rounded_words(payload.plain_bytes);
  }
  return words * sizeof(capnp::word);
}

namespace {

void set_head(Envelope::Builder envelope, const header& head) {
  envelope.setNumber(head.number);
  envelope.setTarget(head.target);
  envelope.setKind(head.kind);
  envelope.setPriority(head.priority);
  envelope.setSender(head.sender);
}

/// Builds a frame with Cap'n Proto.
std::size_t build(std::byte* to, std::size_t room, const header& head,
                  const payload_source& payload) {
  std::memset(to, 0, room);
  auto* words = reinterpret_cast<capnp::word*>(to);
  capnp::FlatMessageBuilder builder{
      kj::arrayPtr(words + table_words, room / sizeof(capnp::word) - table_words)};
  auto envelope = builder.initRoot<Envelope>();
  set_head(envelope, head);
  if (head.has_context()) {
    auto context = envelope.initContext();
    if (head.introduced != nullptr) set_address(context.initSender(), *head.introduced);
    if (head.receiver != nullptr) set_address(context.initReceiver(), *head.receiver);
    context.setEarly(head.early);
  }
  if (payload.schema_id != 0) {
    envelope.setSchemaId(payload.schema_id);
    auto body = envelope.getBody().initStructure();
    if (payload.segment.empty()) {
      body.setAs<capnp::AnyStruct>(payload.structure);
    } else {
      const auto segment = words_of(payload.segment);
      capnp::SegmentArrayMessageReader reader{kj::arrayPtr(&segment, 1), limits(segment.size())};
      body.set(reader.getRoot<capnp::AnyPointer>());
    }
  } else if (payload.write != nullptr) {
    auto data = envelope.getBody().initPlain(static_cast<unsigned>(payload.plain_bytes));
    payload.write(payload.value, reinterpret_cast<std::byte*>(data.begin()));
  }
  const std::size_t used = builder.getSegmentsForOutput()[0].size();
  const std::uint32_t table[2] = {0, static_cast<std::uint32_t>(used)};
  std::memcpy(to, table, sizeof table);
  return (table_words + used) * sizeof(capnp::word);
}

/// Whether `plain_form` knows where this build of the schema puts number and payload: two messages
/// that differ in their numbers must differ in that word alone.
bool layout_is_known() {
  static const bool known = [] {
    constexpr std::size_t words = plain_form::prefix_words + 1;
    const std::uint64_t value = 0x0123456789abcdef;
    payload_source payload;
    payload.plain_bytes = sizeof value;
    payload.value = &value;
    payload.write = [](const void* from, std::byte* to) { std::memcpy(to, from, sizeof value); };
    std::array<std::array<std::uint64_t, words>, 2> frames{};
    for (std::size_t i = 0; i < 2; ++i) {
      auto* const to = reinterpret_cast<std::byte*>(frames[i].data());
      if (envelope_bytes(payload) != sizeof frames[i] ||
          build(to, sizeof frames[i], {Envelope::Kind::REQUEST, ~i, 7}, payload) !=
              sizeof frames[i])
        return false;
    }
    for (std::size_t w = 0; w < words; ++w)
      if ((frames[0][w] != frames[1][w]) != (w == plain_form::number_word)) return false;
    return frames[0][plain_form::prefix_words] == value;
  }();
  return known;
}

}  // namespace

void prepare() {
  layout_is_known();
}

void plain_form::remember(std::span<const std::byte> frame, const Envelope::Reader& envelope,
                          const payload_view& payload) {
  if (payload.is != payload_view::kind::plain || !layout_is_known() || envelope.hasContext() ||
      payload.plain.data() != frame.data() + payload_at ||
      frame.size() != payload_at + rounded_words(payload.plain.size()) * sizeof(capnp::word))
    return;
  std::memcpy(words.data(), frame.data(), sizeof words);
  words[number_word] = 0;
  payload_bytes = payload.plain.size();
  frame_bytes = frame.size();
  kind = envelope.getKind();
  target = envelope.getTarget();
  priority = envelope.getPriority();
  sender = envelope.getSender();
}

bool plain_form::matches(std::span<const std::byte> frame) const noexcept {
  if (frame.size() != frame_bytes) return false;
  std::array<std::uint64_t, prefix_words> its;
  std::memcpy(its.data(), frame.data(), sizeof its);
  its[number_word] = 0;
  return its == words;
}

namespace {

/// As for a whole frame: walked once, under limits. @throws kj::Exception
void check_segment(std::span<const std::byte> bytes) {
  const auto segment = words_of(bytes);
  capnp::SegmentArrayMessageReader reader{kj::arrayPtr(&segment, 1), limits(segment.size())};
  reader.getRoot<capnp::AnyPointer>().targetSize();
}

/// A frame with an empty struct for a body: its prefix is every structure's.
std::array<std::uint64_t, structure_form::prefix_words + 1> empty_structure(
    const header& head, std::uint64_t schema_id) {
  std::array<std::uint64_t, structure_form::prefix_words + 1> words{};
  capnp::FlatMessageBuilder builder{kj::arrayPtr(
      reinterpret_cast<capnp::word*>(words.data()) + table_words, words.size() - table_words)};
  auto envelope = builder.initRoot<Envelope>();
  set_head(envelope, head);
  envelope.setSchemaId(schema_id);
  envelope.getBody().initStructure();
  return words;
}

/// Whether the body's pointer is the last word of the envelope, as the form needs it.
bool body_comes_last() {
  static const bool last = [] {
    std::array<std::uint64_t, structure_form::prefix_words + 2> words{};
    capnp::FlatMessageBuilder builder{kj::arrayPtr(
        reinterpret_cast<capnp::word*>(words.data()) + table_words, words.size() - table_words)};
    auto inner = builder.initRoot<Envelope>().getBody().initStructure().initAsAnyStruct(1, 0);
    inner.getDataSection()[0] = 1;
    const std::uint64_t one_word_of_data_next = std::uint64_t{1} << 32;
    return layout_is_known() && words[structure_form::prefix_words] == one_word_of_data_next &&
           words[structure_form::prefix_words - 1] == 0;
  }();
  return last;
}

std::uint64_t table_of(std::size_t frame_bytes) {
  return std::uint64_t{frame_bytes / sizeof(capnp::word) - table_words} << 32;
}

}  // namespace

void structure_form::remember(std::span<const std::byte> frame, const Envelope::Reader& envelope) {
  std::uint64_t table = 0;
  if (frame.size() <= payload_at || envelope.hasContext() || !body_comes_last()) return;
  std::memcpy(&table, frame.data(), sizeof table);
  if (table != table_of(frame.size())) return;
  const header head{envelope.getKind(), envelope.getNumber(), envelope.getTarget(),
                    envelope.getPriority(), envelope.getSender()};
  const auto usual = empty_structure(head, envelope.getSchemaId());
  if (std::memcmp(frame.data() + sizeof table, usual.data() + 1,
                  (prefix_words - 1) * sizeof(capnp::word)) != 0)
    return;
  std::memcpy(words.data(), usual.data(), sizeof words);
  words[0] = words[plain_form::number_word] = 0;
  known = true;
  kind = head.kind;
  target = head.target;
  priority = head.priority;
  sender = head.sender;
  schema_id = envelope.getSchemaId();
}

bool structure_form::matches(std::span<const std::byte> frame) const noexcept {
  if (!known || frame.size() <= payload_at) return false;
  std::array<std::uint64_t, prefix_words> its;
  std::memcpy(its.data(), frame.data(), sizeof its);
  if (its[0] != table_of(frame.size())) return false;
  its[0] = its[plain_form::number_word] = 0;
  return its == words;
}

std::size_t envelope_writer::write_segment(std::byte* to, const header& head,
                                           const payload_source& payload) {
  structure_form& form = last_structure_;
  if (!form.known || form.kind != head.kind || form.target != head.target ||
      form.sender != head.sender || form.priority != head.priority ||
      form.schema_id != payload.schema_id) {
    const auto words = empty_structure(head, payload.schema_id);
    std::memcpy(form.words.data(), words.data(), sizeof form.words);
    form.known = true;
    form.kind = head.kind;
    form.target = head.target;
    form.sender = head.sender;
    form.priority = head.priority;
    form.schema_id = payload.schema_id;
  }
  const std::size_t bytes = structure_form::payload_at + payload.segment.size();
  form.words[0] = table_of(bytes);
  form.words[plain_form::number_word] = head.number;
  std::memcpy(to, form.words.data(), sizeof form.words);
  std::memcpy(to + structure_form::payload_at, payload.segment.data(), payload.segment.size());
  return bytes;
}

std::size_t envelope_writer::write(std::byte* to, std::size_t room, const header& head,
                                   const payload_source& payload) {
  if (payload.write != nullptr && room == last_.frame_bytes && head.kind == last_.kind &&
      head.target == last_.target && head.sender == last_.sender &&
      head.priority == last_.priority && payload.plain_bytes == last_.payload_bytes &&
      !head.has_context()) {
    last_.words[plain_form::number_word] = head.number;
    std::memcpy(to, last_.words.data(), sizeof last_.words);
    std::memset(to + room - sizeof(capnp::word), 0,
                sizeof(capnp::word));  // padding of the last word
    payload.write(payload.value, to + plain_form::payload_at);
    return room;
  }
  if (!payload.segment.empty() && !head.has_context() && body_comes_last())
    return write_segment(to, head, payload);
  const std::size_t bytes = build(to, room, head, payload);
  if (payload.write != nullptr && payload.plain_bytes != 0 && layout_is_known() && bytes == room &&
      !head.has_context()) {
    std::memcpy(last_.words.data(), to, sizeof last_.words);
    last_.payload_bytes = payload.plain_bytes;
    last_.frame_bytes = bytes;
    last_.kind = head.kind;
    last_.target = head.target;
    last_.priority = head.priority;
    last_.sender = head.sender;
  }
  return bytes;
}

const incoming& envelope_reader::read(std::span<const std::byte> frame) {
  if (last_.matches(frame)) {
    std::memcpy(&now_.number, frame.data() + plain_form::number_word * sizeof(capnp::word),
                sizeof now_.number);
    now_.payload.plain = frame.subspan(plain_form::payload_at, last_.payload_bytes);
    now_.envelope = nullptr;
    now_.payload.is = payload_view::kind::plain;
    now_.payload.schema_id = 0;
    now_.payload.segment = {};
    now_.kind = last_.kind;
    now_.target = last_.target;
    now_.priority = last_.priority;
    now_.sender = last_.sender;
    return now_;
  }
  if (last_structure_.matches(frame)) {
    std::memcpy(&now_.number, frame.data() + plain_form::number_word * sizeof(capnp::word),
                sizeof now_.number);
    now_.envelope = nullptr;
    now_.payload = {};
    now_.payload.is = payload_view::kind::structure;
    now_.payload.schema_id = last_structure_.schema_id;
    now_.payload.segment = frame.subspan(structure_form::payload_at);
    check_segment(now_.payload.segment);
    now_.kind = last_structure_.kind;
    now_.target = last_structure_.target;
    now_.priority = last_structure_.priority;
    now_.sender = last_structure_.sender;
    return now_;
  }
  full_.emplace(frame);
  const Envelope::Reader& envelope = **full_;
  now_ = {envelope.getKind(),
          envelope.getNumber(),
          envelope.getTarget(),
          envelope.getPriority(),
          envelope.getSender(),
          full_->payload(),
          &envelope};
  last_.remember(frame, envelope, now_.payload);
  if (now_.payload.is == payload_view::kind::structure) last_structure_.remember(frame, envelope);
  return now_;
}

void set_failure(Envelope::Builder envelope, errc code, std::string_view text) {
  auto failure = envelope.getBody().initFailure();
  const auto named = [&] {
    switch (code) {
      case errc::not_started:
        return Failure::Code::NOT_STARTED;
      case errc::worker_lost:
        return Failure::Code::WORKER_LOST;
      case errc::stopped:
        return Failure::Code::STOPPED;
      case errc::gave_up:
        return Failure::Code::GAVE_UP;
      case errc::start_failed:
        return Failure::Code::START_FAILED;
      case errc::mailbox_full:
        return Failure::Code::MAILBOX_FULL;
      case errc::too_large:
        return Failure::Code::TOO_LARGE;
      case errc::bad_message:
        return Failure::Code::BAD_MESSAGE;
      case errc::unknown_message:
        return Failure::Code::UNKNOWN_MESSAGE;
      case errc::exception:
        return Failure::Code::EXCEPTION;
      case errc::unanswered:
        return Failure::Code::UNANSWERED;
      case errc::refused:
        return Failure::Code::REFUSED;
      case errc::deadline:
        return Failure::Code::DEADLINE;
      case errc::cancelled:
        return Failure::Code::CANCELLED;
      case errc::discarded:
        return Failure::Code::DISCARDED;
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
    case Failure::Code::NOT_STARTED:
      return errc::not_started;
    case Failure::Code::WORKER_LOST:
      return errc::worker_lost;
    case Failure::Code::STOPPED:
      return errc::stopped;
    case Failure::Code::GAVE_UP:
      return errc::gave_up;
    case Failure::Code::START_FAILED:
      return errc::start_failed;
    case Failure::Code::MAILBOX_FULL:
      return errc::mailbox_full;
    case Failure::Code::TOO_LARGE:
      return errc::too_large;
    case Failure::Code::BAD_MESSAGE:
      return errc::bad_message;
    case Failure::Code::UNKNOWN_MESSAGE:
      return errc::unknown_message;
    case Failure::Code::EXCEPTION:
      return errc::exception;
    case Failure::Code::UNANSWERED:
      return errc::unanswered;
    case Failure::Code::REFUSED:
      return errc::refused;
    case Failure::Code::DEADLINE:
      return errc::deadline;
    case Failure::Code::CANCELLED:
      return errc::cancelled;
    case Failure::Code::DISCARDED:
      return errc::discarded;
    case Failure::Code::UNKNOWN:
      break;
  }
  return errc::exception;  // a code of a later version: all that is sure is that it failed
}

void set_address(schema::Address::Builder to, const address& from) {
  to.setIncarnationHigh(from.incarnation_high);
  to.setIncarnationLow(from.incarnation_low);
  to.setNumber(from.number);
  auto path = to.initPath(static_cast<unsigned>(from.path.size()));
  for (unsigned i = 0; i < path.size(); ++i) path.set(i, from.path[i]);
}

address address_of(schema::Address::Reader from) {
  address to;
  to.incarnation_high = from.getIncarnationHigh();
  to.incarnation_low = from.getIncarnationLow();
  to.number = from.getNumber();
  for (const std::uint32_t place : from.getPath()) to.path.push_back(place);
  return to;
}

checked_envelope::checked_envelope(std::span<const std::byte> frame)
    : reader_(words_of(frame), limits(frame.size() / sizeof(capnp::word))) {
  const auto root = reader_.getRoot<capnp::AnyPointer>();
  root.targetSize();
  root_ = root.getAs<Envelope>();
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
