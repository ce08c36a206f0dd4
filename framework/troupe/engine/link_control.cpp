// The control lane of a link: the worker's hello, and the way in which it is made to end.
#include <csignal>

#include "troupe/engine/link.hpp"
#include "troupe/os/code_address.hpp"

namespace troupe::engine {

using wire::Envelope;

void link::read_control() {
  if (channel_.control.get() < 0) return;
  try {
    for (;;) {
      const auto got = control_inbox_.read(channel_.control, core_.control_buffer(),
                                           [this](auto frame) { on_control_frame(frame); });
      if (got == inbox::state::open) continue;
      if (got == inbox::state::closed) {
        core_.unwatch(channel_.control);
        core_.discard(kj::mv(channel_.control));
        hung_up();
      }
      return;
    }
  } catch (const kj::Exception& e) {
    reject(exit_cause::bad_message, e.getDescription().cStr());
  }
}

void link::on_control_frame(std::span<const std::byte> frame) {
  const wire::checked_envelope envelope{frame};
  if (envelope->getKind() == Envelope::Kind::HELLO) on_hello(*envelope);
  if (envelope->getKind() == Envelope::Kind::DOWN) core_.orphans_may_be_there();
}

int link::pid_of_hello() const {
  std::byte bytes[1024];
  int pid = 0;
  try {
    inbox looked_at{max_control_frame_bytes};
    looked_at.feed(std::span{bytes}.first(os::peek(channel_.control, bytes)), [&](auto frame) {
      const wire::checked_envelope envelope{frame};
      if (envelope->getKind() == Envelope::Kind::HELLO && envelope->getBody().isHello())
        pid = envelope->getBody().getHello().getPid();
    });
  } catch (const kj::Exception&) {
    // whoever reads it in earnest will say what is wrong
  }
  return pid;
}

void link::on_hello(const Envelope::Reader& envelope) {
  KJ_REQUIRE(envelope.getBody().isHello(), "a hello without its content");
  KJ_REQUIRE(state_ == state::starting, "a second hello");
  const auto hello = envelope.getBody().getHello();
  if (hello.getProtocolVersion() != schema::PROTOCOL_VERSION) {
    reject(exit_cause::start_failed,
           "it speaks version " + std::to_string(hello.getProtocolVersion()) +
               " of the protocol, this program version " +
               std::to_string(schema::PROTOCOL_VERSION) + "; build both from one source");
    return;
  }
  const auto id = hello.getBuildId();
  const std::string build{reinterpret_cast<const char*>(id.begin()), id.size()};
  if (role_.program.empty() && build != os::own_build_id()) {
    reject(exit_cause::start_failed,
           "its binary is another build than this program's; start the program again");
    return;
  }
  become_ready();
}

void link::become_ready() {
  state_ = state::ready;
  core_.note_change();
  end_start();
  if (core_.options().debug_log) core_.log(described() + " is ready");
  if (observer_ != nullptr) observer_->on_ready(*this);
}

void link::stop(clock::duration grace) {
  if (state_ == state::ended) return;
  const auto now = clock::now();
  if (ladder_ && ladder_->grace() - (now - ladder_start_) <= grace)
    return;  // it ends sooner already
  ladder_ = ladder(grace);
  ladder_start_ = now;
  if (again_timer_ != 0) {
    core_.cancel(again_timer_);
    again_timer_ = core_.after({}, [this] { ask_again(); });
  }
  climb_ladder();
}

policy::stop_ladder link::ladder(clock::duration grace) const {
  const bool ends_others =
      role_.ends_in_order || channel_.page().ends_others.load(std::memory_order_acquire) != 0;
  return ends_others  ? policy::stop_ladder::patient(grace)
         : role_.once ? policy::stop_ladder::of_function(grace)
                      : policy::stop_ladder{grace};
}

void link::send_term() {
  if (pidfd_.get() < 0) return;
  send_signal(SIGTERM);
  send_signal(SIGCONT);
}

void link::climb_ladder() {
  core_.cancel(end_timer_);
  end_timer_ = 0;
  if (state_ == state::ended) return;
  while (const auto step = ladder_->due(clock::now() - ladder_start_)) {
    using policy::stop_ladder;
    switch (*step) {
      case stop_ladder::step::close:
        send_control(Envelope::Kind::STOP, 0);
        if (!role_.program.empty()) close_mailbox();  // its end is what any program understands
        break;
      case stop_ladder::step::terminate:
        send_term();
        break;
      case stop_ladder::step::kill:
        kill_now();
        break;
    }
  }
  if (const auto next = ladder_->next_time())
    end_timer_ = core_.after(*next - (clock::now() - ladder_start_), [this] {
      end_timer_ = 0;
      climb_ladder();
    });
}

void link::close_mailbox() {
  if (waits_for_room_) core_.unwatch(channel_.in);
  waits_for_room_ = false;
  channel_.in = nullptr;
}

void link::send_control(Envelope::Kind kind, std::uint64_t target) {
  if (channel_.control.get() < 0) return;
  wire::byte_queue frame;
  wire::append_envelope(frame, kind, 0, target, [](auto) {});
  os::send_some(channel_.control, frame.view());
  channel_.page().attention.fetch_add(1, std::memory_order_release);
}

}  // namespace troupe::engine
