// What goes to the worker: messages into the outbox, and from there into its pipe.
#include <utility>

#include "troupe/engine/bind.hpp"
#include "troupe/engine/link.hpp"

namespace troupe::engine {

using namespace std::chrono_literals;
using wire::Envelope;

namespace {

constexpr auto lone_after = 50us;
constexpr int large_pipe_bytes = 256 * 1024;

}  // namespace

std::uint64_t link::bind(const role& what) {
  const std::uint64_t target = ++targets_;
  auto path = core_.options().path;
  path.push_back(place_in_path_);
  outbox_.add_built(Envelope::Kind::BIND, target, [&](Envelope::Builder envelope) {
    describe_role(envelope.getBody().initBind(), what, path, incarnation_, core_.options().control);
  });
  return target;
}

void link::unbind(std::uint64_t target) {
  if (state_ == state::ended) return;
  send_control(Envelope::Kind::CANCEL, target);
  outbox_.add_built(Envelope::Kind::UNBIND, target, [](auto) {});
  flush();
}

std::optional<failure> link::post(const wire::header& head, const payload_source& what,
                                  answer_sink* sink, std::uint64_t tag) {
  if (state_ == state::ended || ladder_)
    return failure{
        errc::stopped,
        "this message was not sent: " +
            (state_ == state::ended ? report_->sentence() : described() + " is being stopped"),
        state_ == state::ended ? report_ : nullptr,
        {}};
  const std::size_t room = wire::envelope_bytes(head, what);
  if (room > core_.options().max_message_bytes)
    return failure{errc::too_large,
                   "a message of " + std::to_string(room) + " bytes to " + role_.name +
                       " was not sent: the limit is " +
                       std::to_string(core_.options().max_message_bytes) +
                       " bytes; send a file name instead, or raise max_message_bytes",
                   nullptr,
                   {}};
  if (!outbox_.admits(room)) {
    settle(true);
    was_full_ = !outbox_.admits(room);
    if (was_full_)
      return failure{errc::mailbox_full, "the mailbox of " + role_.name + " is full", nullptr, {}};
  }
  if (head.priority != 0) channel_.page().urgent.fetch_add(1, std::memory_order_release);
  outbox_.add(head, what, room, sink, tag);
  schedule_flush();
  return std::nullopt;
}

/// Answers are bounded by what the worker itself asked, so they always find room.
void link::answer(std::uint64_t number, const payload_source& what) {
  if (state_ == state::ended || channel_.in.get() < 0) return;
  const wire::header head{Envelope::Kind::ANSWER, number};
  const std::size_t room = wire::envelope_bytes(head, what);
  if (room > core_.options().max_message_bytes) {
    outbox_.add_built(
        Envelope::Kind::FAILURE, 0,
        [&](Envelope::Builder e) {
          wire::set_failure(e, errc::too_large,
                            "the answer has " + std::to_string(room) + " bytes, the limit is " +
                                std::to_string(core_.options().max_message_bytes));
        },
        number);
  } else {
    outbox_.add(head, what, room, nullptr, 0);
  }
  schedule_flush();
}

void link::schedule_flush() {
  if (waits_for_room_) return;  // the loop tells when the pipe takes more
  if (outbox_.unsent_bytes() >= flush_at_) {
    flush();
  } else if (!flush_is_due_) {
    flush_is_due_ = true;
    core_.needs_flush(shared_from_this());
  }
}

void link::settle(bool closely) {
  if (closely) {
    const auto now = progress();
    if (!role_.actor) note_progress(now.begun);  // an actor may skip what it has begun
    outbox_.settle(now);
  } else if (role_.actor) {
    outbox_.settle({});  // its messages may overtake one another: only the page tells
    if (outbox_.sent_bytes() > flush_at_) settle(true);
  } else {
    outbox_.settle({known_begun_, known_begun_});
  }
}

bool link::is_up() {
  if (state_ != state::ready) return false;
  settle(true);
  return outbox_.empty();
}

bool link::takes(std::size_t bytes) {
  if (state_ == state::ended || ladder_) return true;  // the send says what is wrong
  settle(true);
  return outbox_.unsent_bytes() <= outbox::max_bytes / 2 && outbox_.admits(bytes);
}

void link::flush() {
  flush_is_due_ = false;
  // Another program may read though its hello was not heard, see `reopen`.
  if ((!registered_ && !role_.program.empty()) || channel_.in.get() < 0) return;
  while (outbox_.unsent_bytes() != 0) {
    const auto bytes = outbox_.unsent();
    const auto done = os::write_some(channel_.in, bytes);
    if (done.why != os::transfer::end::none) {
      if (!waits_for_room_) watch(event::room, channel_.in, true);
      waits_for_room_ = true;
      if (flush_at_ * 4 < large_pipe_bytes) {  // worth a larger pipe
        os::try_pipe_size(channel_.in, large_pipe_bytes);
        flush_at_ = large_pipe_bytes / 4;
      }
      return;
    }
    if (capture_.get() >= 0 && !os::write_what_fits(capture_, bytes.first(done.bytes))) {
      core_.pass_on_error_line("troupe: the capture of messages to " + role_.name +
                               " ends: they can't be written\n");
      capture_ = nullptr;
    }
    outbox_.sent(done.bytes);
  }
  settle(false);
  if (waits_for_room_) core_.unwatch(channel_.in);
  waits_for_room_ = false;
  if (was_full_ && core_.actors() != nullptr) {
    was_full_ = false;
    core_.actors()->on_room(*this);
  }
}

void link::flush_if_lone() {
  if (!outbox_.holds_one_unsent()) return;
  const auto now = clock::now();
  if (now - last_flush_ < lone_after) return;
  last_flush_ = now;
  flush();
}

std::size_t link::waiting() const {
  return state_ == state::ended ? 0 : outbox_.not_begun(progress());
}

void link::capture_to(const std::string& path) {
  capture_ = os::open_for_appending(path.c_str());
}

}  // namespace troupe::engine
