#include "troupe/engine/uplink.hpp"

#include "troupe/engine/process_settings.hpp"
#include "troupe/os/child.hpp"
#include "troupe/os/code_address.hpp"
#include "troupe/os/descriptor.hpp"
#include "troupe/os/zygote.hpp"

namespace troupe::engine {

using wire::Envelope;
using wire::shared_page;

uplink::uplink(int in, int out, int control, int page)
    : in_(in),
      control_fd_(control),
      memory_(page, shared_page::total_bytes),
      page_(*reinterpret_cast<shared_page*>(memory_.data())),
      inbox_(process_settings().max_message_bytes),
      control_(max_control_frame_bytes),
      ring_(page_, memory_.data() + shared_page::ring_offset, out) {}

void uplink::touch_buffers() noexcept {
  *static_cast<volatile std::byte*>(scratch_.data()) = {};
  *static_cast<volatile std::byte*>(memory_.data() + shared_page::ring_offset) = {};
}

void uplink::lose_parent() noexcept {
  const std::uint64_t chunk = page_.chunk.number.load(std::memory_order_relaxed);
  memory_.become_private();
  page_.chunk.number.store(chunk, std::memory_order_relaxed);
  page_.chunk.give_back.store(chunk, std::memory_order_relaxed);
  for (const int fd : {os::worker_fd::in, os::worker_fd::out, os::worker_fd::control})
    os::replace_by_null(fd);
}

bool uplink::say_hello() {
  return control_message(Envelope::Kind::HELLO, [](Envelope::Builder envelope) {
    auto hello = envelope.getBody().initHello();
    hello.setProtocolVersion(schema::PROTOCOL_VERSION);
    const std::string& id = os::own_build_id();
    hello.setBuildId({reinterpret_cast<const kj::byte*>(id.data()), id.size()});
    hello.setPid(os::own_pid());
  });
}

void uplink::tell_of_end() {
  control_message(Envelope::Kind::DOWN, [](auto) {});
}

/// False when nobody can read it any more.
template <class Fill>
bool uplink::control_message(Envelope::Kind kind, Fill fill) {
  capnp::word words[64] = {};  // on the stack: a fresh process pays for each page it touches
  capnp::MallocMessageBuilder builder{kj::arrayPtr(words + 1, 63)};
  auto envelope = builder.initRoot<Envelope>();
  envelope.setKind(kind);
  fill(envelope);
  const auto segments = builder.getSegmentsForOutput();
  KJ_REQUIRE(segments.size() == 1);
  const std::uint32_t table[2] = {0, static_cast<std::uint32_t>(segments[0].size())};
  std::memcpy(words, table, sizeof table);
  const auto frame =
      std::as_bytes(std::span{words}).first((1 + segments[0].size()) * sizeof words[0]);
  return os::send_some(control_fd_, frame).why != os::transfer::end::closed;
}

void uplink::add(const wire::header& head, const payload_source& what, std::size_t room) {
  ring_.add(room, [&](std::byte* at) { return writer_.write(at, room, head, what); });
}

void uplink::answer(std::uint64_t number, const payload_source& what) {
  const wire::header head{Envelope::Kind::ANSWER, number};
  const std::size_t room = wire::envelope_bytes(head, what);
  const std::size_t limit = process_settings().max_message_bytes;
  if (room > limit) {
    fail(number, errc::too_large,
         "the answer has " + std::to_string(room) + " bytes, the limit is " +
             std::to_string(limit) +
             "; write it to a file and answer its name, or raise max_message_bytes");
    return;
  }
  add(head, what, room);
  if (hurries_) flush();
}

void uplink::part(std::uint64_t number, const payload_source& what) {
  const wire::header head{Envelope::Kind::PART, number};
  add(head, what, wire::envelope_bytes(head, what));
}

void uplink::fail(std::uint64_t number, errc code, const std::string& text) {
  wire::byte_queue frame;
  wire::append_envelope(frame, Envelope::Kind::FAILURE, number, 0,
                        [&](Envelope::Builder e) { wire::set_failure(e, code, text); });
  ring_.add(frame.size(), [&](std::byte* at) {
    std::memcpy(at, frame.data(), frame.size());
    return frame.size();
  });
}

std::optional<failure> uplink::post(const wire::header& head, const payload_source& what,
                                    answer_sink* sink, std::uint64_t tag) {
  const std::size_t room = wire::envelope_bytes(head, what);
  if (room > process_settings().max_message_bytes)
    return failure{errc::too_large,
                   "a message of " + std::to_string(room) + " bytes was not sent: the limit is " +
                       std::to_string(process_settings().max_message_bytes) +
                       " bytes; send a file name instead, or raise max_message_bytes",
                   nullptr,
                   {}};
  wire::header numbered = head;
  numbered.number = ++last_number_;
  add(numbered, what, room);
  if (sink != nullptr) asked_.emplace(numbered.number, asked{sink, tag});
  return std::nullopt;
}

void uplink::take_answer(const wire::incoming& message) {
  const auto found = asked_.find(message.number);
  KJ_REQUIRE(found != asked_.end(), "an answer to nothing that was asked", message.number);
  const asked request = found->second;
  asked_.erase(found);
  if (message.kind == Envelope::Kind::ANSWER) {
    request.sink->answered(request.tag, message.payload);
    return;
  }
  KJ_REQUIRE(message.envelope != nullptr && message.envelope->getBody().isFailure(),
             "a failure without its reason");
  const auto body = message.envelope->getBody().getFailure();
  request.sink->failed(request.tag,
                       {wire::code_of(body.getCode()), body.getText().cStr(), nullptr, {}});
}

}  // namespace troupe::engine
