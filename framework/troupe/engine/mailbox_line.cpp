#include <cstring>
#include <vector>

#include "troupe/engine/mailbox_server.hpp"
#include "troupe/engine/process_state.hpp"

// A mailbox whose messages wait in line, as `core` runs the process.

namespace troupe::engine {

using wire::Envelope;

void mailbox_server::join_loop() {
  if (looped_) return;
  looped_ = true;
  core& loop = *this_process.loop;
  const core::guard mine{loop};
  link_.read_rest([this](auto frame) { put_in_line(frame); });  // the function may read more
  slot_ = loop.take_slot(*this);
  loop.watch(slot_, static_cast<unsigned>(event::data), link_.in());
  loop.watch(slot_, static_cast<unsigned>(event::control), link_.control());
  loop.set_uplink(&link_);
}

void mailbox_server::on_event(unsigned which, bool, bool) {
  if (static_cast<event>(which) == event::control) {
    read_control();
  } else {
    read_into_line();
    while (running_ != 0 && step()) {
    }
  }
}

void mailbox_server::own_for_good() {
  if (!owns_loop_) this_process.loop->enter();
  owns_loop_ = true;
}

void mailbox_server::put_in_line(std::span<const std::byte> frame) {
  const std::uint32_t urgent = link_.page().urgent.load(std::memory_order_acquire);
  bool overtakes = false;
  if (urgent != urgent_seen_ || link_.awaits_answers()) {
    const wire::incoming& message = link_.parse(frame);
    if (message.kind == Envelope::Kind::ANSWER || message.kind == Envelope::Kind::FAILURE) {
      link_.take_answer(message);
      return;
    }
    overtakes = message.priority != 0;
    if (overtakes) ++urgent_seen_;
  }
  line_.add(frame, overtakes);
}

void mailbox_server::read_into_line() {
  if (closed_) return;
  const auto got = link_.read([this](auto frame) { put_in_line(frame); });
  if (got != inbox::state::closed) return;
  closed_ = true;
  ending_ = true;
  this_process.loop->unwatch(link_.in());
}

void mailbox_server::turn_of_loop() {
  core& loop = *this_process.loop;
  own_for_good();
  while (!ending_ && step()) spin_.reset();
  if (ending_) end(this_process.exit_code);
  const bool more = loop.actors() != nullptr && loop.actors()->run_actors();
  if (ending_) end(this_process.exit_code);
  flush();
  const auto before = line_.empty();
  read_into_line();
  if (more || line_.offers() || !line_.empty() || !before) {
    spin_.reset();
    if (++turns_ % 64 == 0) loop.run_once(clock::now());  // others have their turn too
  } else if (!waits_awake_ || !spin_.again()) {
    spin_.reset();
    waits_awake_ = true;
    loop.run_once(std::nullopt);
  }
}

bool mailbox_server::step() {
  look_at_control();
  std::span<const std::byte> frame;
  const auto from = line_.next(frame, roles_.nobody_waits_to_be_made());
  if (from == arrivals::from::nowhere) return false;
  const wire::incoming& message = link_.parse(frame);
  actor_host* const actors = this_process.loop->actors();
  const bool to_actor = actors != nullptr && for_the_bridge(message);
  if (running_ != 0 && !to_actor) return false;
  const std::uint64_t number = message.number;
  const std::size_t bytes = frame.size();
  switch (from) {
    case arrivals::from::skipped:
      progress_.begin_again(number);
      break;
    case arrivals::from::urgent:
      progress_.begin_early(number);
      break;
    default:
      progress_.begin(number);
  }
  if (to_actor) {
    flush_if_old();
    link_.hurry(!os::has_one_core() && from == arrivals::from::line && line_.ends_with(bytes));
    const bool taken = actors->on_message(link_, message);
    link_.hurry(false);
    if (!taken) {
      progress_.skip(number, running_);
      line_.skipped(from, bytes);
      return true;
    }
  } else {
    // A copy: what the function does may put more in line.
    std::vector<std::uint64_t> own(bytes / sizeof(std::uint64_t));
    std::memcpy(own.data(), frame.data(), bytes);
    line_.handled(from, bytes);
    if (handle(link_.parse(std::as_bytes(std::span{own})), number)) ending_ = true;
  }
  const bool died_of_it = to_actor && ending_ && this_process.exit_code != 0;
  if (died_of_it) return true;  // the next life is told of it, as after a crash
  if (running_ != 0) {
    progress_.finish_within(running_);
  } else {
    progress_.finish();
  }
  if (to_actor) line_.handled(from, bytes);
  flush_if_many();
  return true;
}

bool mailbox_server::for_the_bridge(const wire::incoming& message) {
  if (message.kind != Envelope::Kind::REQUEST && message.kind != Envelope::Kind::TELL)
    return message.kind == Envelope::Kind::WATCH;
  if (message.has_receiver()) return true;
  const bound_role* const found = roles_.find(message.target);
  return found == nullptr || found->made;
}

}  // namespace troupe::engine
