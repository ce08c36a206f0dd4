#include "troupe/engine/link.hpp"

#include <kj/common.h>

#include <csignal>
#include <utility>

#include "troupe/os/random.hpp"
#include "troupe/os/spin.hpp"

namespace troupe::engine {

using namespace std::chrono_literals;
using wire::Envelope;

namespace {

constexpr auto start_limit = 10s;
constexpr auto start_limit_each = 50ms;  ///< of others that start at the same time
constexpr auto closed_channel_grace = 2s;

}  // namespace

link::link(core& owner, std::uint64_t id, place place_in_path, role what, channel through)
    : core_(owner),
      channel_(kj::mv(through)),
      id_(id),
      place_in_path_(place_in_path),
      incarnation_(os::random_number().low | 1U),
      role_(std::move(what)),
      slot_(owner.take_slot(*this)),
      inbox_(owner.options().max_message_bytes),
      control_inbox_(max_control_frame_bytes),
      report_(std::make_shared<exit_report>()) {
  limit_start();
  core_.start_begins();
}

void link::limit_start() {
  core_.cancel(start_timer_);
  const auto limit = start_limit + start_limit_each * core_.starting_count();
  start_timer_ = core_.after(limit, [this, limit] {
    start_timer_ = 0;
    if (pid_ >= 0) {
      const auto seconds = std::chrono::round<std::chrono::seconds>(limit).count();
      reject(exit_cause::start_failed, "it said no hello within " + std::to_string(seconds) + " s");
    } else {
      core_.kill_zygote_silent_for(start_limit);  // it hangs; another will be asked
      limit_start();
    }
  });
}

void link::abandon() {
  if (state_ == state::ended) return;
  if (pid_ < 0) return fail_start("this program ended before the system had a process for it");
  detail_ = "this program ended first";
  fill_report();
  finish();
}

void link::end_start() noexcept {
  core_.cancel(start_timer_);
  if (std::exchange(start_counts_, false)) core_.start_ends();
}

link::~link() {
  if (state_ == state::ended) return;  // the loop may be gone, a handle outlives it
  end_start();
  core_.cancel(end_timer_);
  core_.cancel(again_timer_);
  link::unregister_channel();
  core_.free_slot(slot_);
}

std::string link::kind() const {
  if (!role_.program.empty()) return "program";
  return role_.actor ? "actor" : role_.once ? "function" : "server";
}

std::string link::described() const {
  if (pid_ < 0) return role_.name + ", which has no process yet,";
  return "process " + std::to_string(pid_) + " (" + role_.name + ')';
}

/// Only once the pid is known: no answer must come from a process that has none yet.
void link::register_channel() {
  if (!held_) watch(event::data, channel_.out);
  watch(event::control, channel_.control);
  watch(event::errors, channel_.errors);
  registered_ = true;
}

void link::unregister_channel() noexcept {
  if (waits_for_room_) core_.unwatch(channel_.in);
  waits_for_room_ = false;
  if (!registered_) return;
  registered_ = false;
  for (auto* fd : {&channel_.out, &channel_.control, &channel_.errors, &pidfd_})
    if (fd->get() >= 0) core_.unwatch(*fd);
}

void link::hold(bool on) {
  if (held_ == on) return;
  held_ = on;
  if (!registered_ || closed_) return;
  if (on) {
    core_.unwatch(channel_.out);
  } else {
    watch(event::data, channel_.out);
  }
}

void link::inject(std::span<const std::byte> bytes) {
  if (state_ == state::ended) return;
  try {
    inbox_.feed(bytes, [this](auto frame) { on_frame(frame); });
  } catch (const kj::Exception& e) {
    reject(exit_cause::bad_message, e.getDescription().cStr());
  } catch (const std::exception& e) {
    reject(exit_cause::bad_message, e.what());
  }
}

bool link::read_answers() {
  if (!registered_ || closed_ || held_) return false;
  try {
    const auto got =
        inbox_.read(channel_.out, core_.shared_buffer(), [this](auto frame) { on_frame(frame); });
    if (got == inbox::state::closed) on_closed();
    settle(false);
    return got == inbox::state::open;
  } catch (const kj::Exception& e) {
    reject(exit_cause::bad_message, e.getDescription().cStr());
    return true;
  } catch (const std::exception& e) {
    reject(exit_cause::bad_message, e.what());
    return true;
  }
}

void link::on_frame(std::span<const std::byte> frame) {
  if (state_ == state::starting) read_control();  // the hello was written before this
  if (cause_ == exit_cause::bad_message || cause_ == exit_cause::start_failed) return;
  const wire::incoming& message = reader_.read(frame);
  const auto kind = message.kind;
  if (kind == Envelope::Kind::REQUEST || kind == Envelope::Kind::TELL ||
      kind == Envelope::Kind::WATCH) {
    if (core_.actors() != nullptr) {
      core_.actors()->on_message(*this, message);
    } else {
      ++stray_;  // no actor lives here that it could mean
    }
    return;
  }
  if (kind == Envelope::Kind::EXIT && core_.actors() != nullptr) {
    core_.actors()->on_exit(*this, message);
    return;
  }
  if (kind == Envelope::Kind::PART) {
    const outbox::entry* const open = outbox_.find_open(message.number);
    if (open != nullptr && open->sink != nullptr) {
      note_progress(message.number);
      open->sink->part(open->tag, message.payload);
    } else {
      ++stray_;
    }
    return;
  }
  if (kind != Envelope::Kind::ANSWER && kind != Envelope::Kind::FAILURE) {
    ++stray_;
    return;
  }
  // Whatever can be wrong with it must show before its request counts as answered.
  failure why;
  if (kind == Envelope::Kind::FAILURE) {
    KJ_REQUIRE(message.envelope != nullptr && message.envelope->getBody().isFailure(),
               "a failure without its reason");
    const auto body = message.envelope->getBody().getFailure();
    why = {wire::code_of(body.getCode()), body.getText().cStr(), nullptr, {}};
  }
  outbox::entry request;
  const auto match = outbox_.take(message.number, request);
  KJ_REQUIRE(match != outbox::match::never_issued, "an answer to a request that was never sent",
             message.number);
  if (match == outbox::match::late || request.sink == nullptr) {
    ++stray_;
    return;
  }
  note_progress(message.number);
  if (kind == Envelope::Kind::ANSWER) {
    request.sink->answered(request.tag, message.payload);
  } else {
    request.sink->failed(request.tag, why);
  }
}

void link::read_errors() {
  char text[16 * 1024];
  const auto got =
      os::read_some(channel_.errors, std::as_writable_bytes(std::span{text, sizeof text}));
  if (got.why == os::transfer::end::closed) {
    core_.unwatch(channel_.errors);
    core_.discard(kj::mv(channel_.errors));
    hung_up();
  } else if (got.why == os::transfer::end::none) {
    errors_text_.add({text, got.bytes},
                     [this](std::string_view line) { core_.pass_on_error_line(line); });
  }
}

void link::on_event(unsigned which, bool readable, bool writable) {
  if (state_ == state::ended) return;  // the death was among the same events
  switch (static_cast<event>(which)) {
    case event::data:
      if (readable) on_data();
      break;
    case event::control:
      on_control();
      break;
    case event::errors:
      if (channel_.errors.get() >= 0) read_errors();
      break;
    case event::death:
      on_death();
      break;
    case event::room:
      if (writable) on_writable();
      break;
    default:
      break;
  }
}

/// A process that ends closes one descriptor after the other. Each would wake this one, which would
/// get in the way of the end itself; so this waits a moment for that, once.
void link::hung_up() {
  if (std::exchange(hung_up_, true) || pidfd_.get() < 0) return;
  const int end[] = {pidfd_};
  for (os::spin_wait spin; os::wait_readable(end, 0) == 0 && spin.again();) {
  }
}

/// The worker closed its end. That is only a hint of its death: a program it started may hold the
/// pipe, or it may live on without it; the pidfd tells.
void link::on_closed() {
  closed_ = true;
  core_.unwatch(channel_.out);
  core_.discard(kj::mv(channel_.out));
  hung_up();
  if (end_timer_ == 0 && !cause_)
    end_timer_ = core_.after(closed_channel_grace, [this] {
      end_timer_ = 0;
      reject(exit_cause::closed_channel, "");
    });
}

void link::reject(exit_cause why, const std::string& detail) {
  if (cause_ || state_ == state::ended) return;
  cause_ = why;
  detail_ = detail;
  if (core_.options().debug_log) core_.log("killing " + described() + ": " + detail);
  kill_now();
}

void link::kill_now() noexcept {
  if (state_ == state::ended || pidfd_.get() < 0) return;  // `started` will do it
  send_signal(SIGKILL);
}

/// A program that has become another user's, as `sudo` does, is out of reach.
void link::send_signal(int number) noexcept {
  try {
    os::send_signal(pidfd_, number);
  } catch (const kj::Exception&) {
    if (!std::exchange(is_out_of_reach_, true))
      core_.pass_on_error_line("troupe: " + described() +
                               " can't be ended by this program, because it runs as another user: "
                               "end it by hand\n");
  }
}

void link::signal(int number) {
  if (state_ == state::ended) return;
  sent_signal_ = number;
  if (pidfd_.get() >= 0) os::send_signal(pidfd_, number);
}

wire::progress link::progress() const noexcept {
  if (channel_.memory.data() == nullptr) return {};
  return wire::read_progress(channel_.page().progress, known_begun_, outbox_.last_number());
}

std::optional<std::uint64_t> link::in_progress() const noexcept {
  if (state_ == state::ended) return std::nullopt;
  const std::uint64_t number = progress().running();
  return number != 0 ? std::optional{number} : std::nullopt;
}

}  // namespace troupe::engine
