#include "troupe/engine/mailbox_server.hpp"

#include <kj/debug.h>

#include <utility>

#include "troupe/engine/process_settings.hpp"
#include "troupe/engine/process_state.hpp"
#include "troupe/engine/worker.hpp"
#include "troupe/os/descriptor.hpp"
#include "troupe/os/zygote.hpp"

namespace troupe::engine {

using namespace std::chrono_literals;
using wire::Envelope;
using wire::shared_page;

namespace {

constexpr std::size_t flush_bytes = 16 * 1024;  // a quarter of a default pipe
constexpr auto flush_age = 100us;
/// From the death of another process to the role that this one gets in its place: 150 us were seen.
constexpr auto role_comes_within = 500us;

}  // namespace

std::unique_ptr<core::guard> mailbox_server::own_loop() const {
  return looped_ ? std::make_unique<core::guard>(*this_process.loop) : nullptr;
}

/// Builds the one answer of a request in the ring.
class mailbox_server::reply final : public answer_writer {
public:
  reply(mailbox_server& to, std::uint64_t number, const bound_role& who)
      : server_(to), number_(number), role_(who) {}

  void part(const payload_source& what) override {
    const auto mine = server_.own_loop();
    server_.link_.part(number_, what);
    server_.link_.flush();
  }
  void payload(const payload_source& what) override {
    const auto mine = server_.own_loop();
    if (number_ != 0) server_.link_.answer(number_, what);
  }

  void fail(errc code, const std::string& text) override {
    const auto mine = server_.own_loop();
    if (role_.once || number_ == 0) os::write_what_fits(os::worker_fd::errors, line_of(text));
    if (role_.once) this_process.exit_code = 1;
    if (number_ != 0) server_.link_.fail(number_, code, text);
  }

private:
  std::span<const std::byte> line_of(const std::string& text) {
    line_ = role_.name + ": " + text + '\n';
    return std::as_bytes(std::span{line_});
  }

  mailbox_server& server_;
  std::uint64_t number_;
  const bound_role& role_;
  std::string line_;
};

mailbox_server::mailbox_server(int in, int out, int control, int page)
    : link_(in, out, control, page),
      progress_(link_.page().progress),
      waits_awake_(link_.page().is_one_of_many == 0) {}

void mailbox_server::turn() {
  if (looped_) {
    turn_of_loop();
    return;
  }
  const auto got = link_.read([this](auto frame) { arrived(frame); });
  if (looped_) return;  // because of what arrived
  if (got == inbox::state::closed) end(0);
  flush();
  if (got == inbox::state::open) {
    spin_.reset();
  } else if (!waits_awake_ || !spin_.again()) {
    sleep();
  }
}

void mailbox_server::arrived(std::span<const std::byte> frame) {
  if (looped_) {
    put_in_line(frame);
    return;
  }
  look_at_control();
  const wire::incoming& message = link_.parse(frame);
  const std::uint64_t number = message.number;
  progress_.begin(number);
  const bool last = handle(message, number);
  if (looped_) own_for_good();  // what was called made one, which the keeper may run by now
  progress_.finish();
  if (last) end(this_process.exit_code);
  flush_if_many();
}

bool mailbox_server::handle(const wire::incoming& message, std::uint64_t number) {
  switch (message.kind) {
    case Envelope::Kind::REQUEST:
      return call(message, number);
    case Envelope::Kind::TELL:
      return call(message, 0);
    case Envelope::Kind::BIND:
      bind(message);
      return false;
    case Envelope::Kind::UNBIND:
      roles_.unbind(message.target);
      return false;
    case Envelope::Kind::EXPECT:
      spin_ = os::spin_wait{role_comes_within};
      return false;
    case Envelope::Kind::WATCH:
      link_.fail(number, errc::unknown_message, "no actor lives in this process");
      return false;
    default:
      KJ_FAIL_REQUIRE("a kind of message that no parent sends", number);
  }
}

bool mailbox_server::call(const wire::incoming& message, std::uint64_t number) {
  static const bound_role nobody = [] {
    bound_role r;
    r.name = "troupe";
    return r;
  }();
  flush_if_old();
  bound_role* const found = roles_.find(message.target);
  if (found == nullptr || found->cancelled) {
    reply answer{*this, number, nobody};
    if (found == nullptr) {
      answer.fail(errc::unknown_message,
                  "no actor of this process has the number " + std::to_string(message.target));
    } else {
      answer.fail(errc::stopped, "the call was abandoned; not begun");
    }
    return false;
  }
  bound_role& who = *found;
  reply answer{*this, number, who};
  incoming_call call{message.payload,  answer,
                     who.target,       number,
                     who.name,         &link_.page().chunk,
                     link_.outcomes(), process_settings().max_message_bytes};
  if (who.actor) return make_actor(who, call, number);
  running_ = message.number;
  if (owns_loop_) {
    const core::released others_may_run_it{*this_process.loop};
    who.stub(who.function, call);
    end_if_forked();
  } else {
    who.stub(who.function, call);
    end_if_forked();
  }
  std::optional<core::guard> mine;
  if (looped_) mine.emplace(*this_process.loop);
  running_ = 0;
  return who.once;
}

bool mailbox_server::make_actor(bound_role& who, incoming_call& call, std::uint64_t number) {
  who.made = true;
  making_ = true;
  KJ_DEFER(making_ = false);
  try {
    who.stub(who.function, call);
    end_if_forked();
  } catch (const not_wanted&) {
    call.answer.fail(errc::stopped, "it chose not to run");
    return true;
  } catch (const std::exception& e) {
    this_process.exit_code = 1;
    call.answer.fail(errc::exception, std::string{"its actor can't be made: "} + e.what());
    return true;
  }
  if (start_lasts_) {
    start_number_ = number;
  } else {
    call.answer.payload({});
  }
  return false;
}

void mailbox_server::start_is_over(const std::optional<std::string>& why_not) {
  if (!std::exchange(start_lasts_, false) || start_number_ == 0) return;
  const std::uint64_t number = std::exchange(start_number_, 0);
  if (why_not) {
    this_process.exit_code = 1;
    link_.fail(number, errc::start_failed, *why_not);
  } else {
    link_.answer(number, {});
    line_.offer_again();
  }
  link_.flush();
}

void mailbox_server::bind(const wire::incoming& message) {
  spin_ = {};
  const bool needs_loop = roles_.bind(message).actor;
  if (this_process.own_loop) this_process.own_loop->set_options(process_settings());
  if (needs_loop) local_core();
}

void mailbox_server::read_control() {
  attention_ = link_.page().attention.load(std::memory_order_acquire);
  for (;;) {
    const auto got = link_.read_control([this](auto frame) { on_control(frame); });
    if (got == inbox::state::drained) return;
    if (got != inbox::state::closed) continue;
    if (looped_) this_process.loop->unwatch(link_.control());
    stop();
    return;
  }
}

void mailbox_server::on_control(std::span<const std::byte> frame) {
  const wire::checked_envelope envelope{frame};
  if (envelope->getKind() == Envelope::Kind::STOP) stop();
  if (envelope->getKind() != Envelope::Kind::CANCEL) return;
  if (bound_role* const found = roles_.find(envelope->getTarget())) found->cancelled = true;
}

void mailbox_server::flush() {
  if (link_.unwritten() == 0) return;
  link_.flush();
  os::let_receiver_run();
}

void mailbox_server::flush_if_many() {
  if (link_.unwritten() >= flush_bytes) link_.flush();
}

void mailbox_server::flush_if_old() {
  if (link_.unwritten() == 0) return;
  const auto now = clock::now();
  if (now - last_flush_ <= flush_age) return;
  link_.flush();
  last_flush_ = now;
}

/// Until something comes: no timer of its own, so an idle worker never wakes.
void mailbox_server::sleep() {
  spin_ = {};
  waits_awake_ = true;
  const int watched[] = {link_.in(), link_.control()};
  if ((os::wait_readable(watched, -1) & 2U) != 0) read_control();
}

void mailbox_server::end_soon(int code) noexcept {
  ending_ = true;
  this_process.exit_code = code;
}

void mailbox_server::stop() {
  if (!looped_) end(0);
  ending_ = true;
  told_to_end_ = true;
}

void mailbox_server::end(int code) {
  link_.flush();
  if (core* const loop = this_process.own_loop.get()) {
    const core::guard mine{*loop};
    if (loop->actors() != nullptr) loop->actors()->end();
    link_.flush();
    loop->stop_all(5s);
    loop->end_now();
    static_cast<void>(loop->finish_output());
  }
  os::end_process(code);
}

}  // namespace troupe::engine
