#include "troupe/engine/rehearse.hpp"

#include "troupe/engine/bind.hpp"
#include "troupe/engine/mailbox_server.hpp"
#include "troupe/engine/process_settings.hpp"
#include "troupe/engine/process_state.hpp"
#include "troupe/os/descriptor.hpp"
#include "troupe/os/shared_memory.hpp"

namespace troupe::engine {

using wire::Envelope;
using wire::shared_page;

namespace {

constexpr std::uint64_t last_number = 3;

/// What a parent would send: a role, and two requests.
wire::byte_queue mail_for(const role& what, const payload_source& first,
                          const payload_source& again) {
  wire::byte_queue bytes;
  wire::append_envelope(bytes, Envelope::Kind::BIND, 1, 1, [&](Envelope::Builder envelope) {
    describe_role(envelope.getBody().initBind(), what, {0}, 1, false);
  });
  wire::envelope_writer writer;
  const address asker{{}, 1, 0, 0};
  for (std::uint64_t number = 2; number <= last_number; ++number) {
    wire::header head{Envelope::Kind::REQUEST, number, 1};
    if (what.actor && number == last_number) {
      head.sender = 1;
      head.introduced = &asker;
    }
    const payload_source& payload = number == 2 ? first : again;
    const std::size_t room = wire::envelope_bytes(head, payload);
    bytes.commit(writer.write(bytes.reserve(room), room, head, payload));
  }
  return bytes;
}

}  // namespace

void rehearse(const role& what, const payload_source& first, const payload_source& again,
              void (*end_actors)()) {
  const auto in = os::open_pipe(true);
  const auto out = os::open_pipe(true);
  const auto control = os::open_socket_pair(false);
  const auto memory = os::create_shared_memory("troupe-rehearsal", shared_page::total_bytes);
  const core_options settings = process_settings();
  mailbox_server* const outer = this_process.mailbox;
  const bool was_worker = this_process.is_worker;
  live_as_worker();
  mailbox_server server{in.read, out.write, control.there, memory};
  this_process.mailbox = &server;
  static_cast<void>(server.link().say_hello());
  const wire::byte_queue mail = mail_for(what, first, again);
  os::write_some(in.write, mail.view());
  const auto& progress = server.link().page().progress;
  while (progress.finished.load(std::memory_order_relaxed) != last_number) server.turn();
  if (!what.actor)
    for (int i = 0; i < 8; ++i) server.turn();  // as many empty reads as look at the clock
  if (this_process.own_loop) {
    end_actors();
    this_process.own_loop.reset();
  }
  this_process.loop = nullptr;
  this_process.mailbox = outer;
  this_process.is_worker = was_worker;
  this_process.exit_code = 0;
  process_settings() = settings;
}

}  // namespace troupe::engine
