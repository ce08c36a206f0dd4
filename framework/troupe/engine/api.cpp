// The engine's entry points for the public templates.
#include <stdexcept>

#include "troupe/engine/link.hpp"
#include "troupe/engine_api.hpp"
#include "troupe/os/spin.hpp"

namespace troupe::engine {

using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t own_role = 1;
constexpr unsigned turns_between_polls = 64;

}  // namespace

loop_guard::loop_guard(core& of) : core_(of) {
  core_.enter();
}
loop_guard::~loop_guard() {
  core_.leave();
}

link_ptr start(core& in, role what) {
  const core::guard mine{in};
  return in.start(std::move(what));
}

std::optional<failure> send(const link_ptr& to, const payload_source& what, answer_sink* sink,
                            std::uint64_t tag) {
  if (to == nullptr) throw std::invalid_argument{"this handle belongs to no process"};
  const core::guard mine{to->owner()};
  const wire::header head{
      sink != nullptr ? wire::Envelope::Kind::REQUEST : wire::Envelope::Kind::TELL, 0, own_role};
  for (;;) {
    auto failed = to->post(head, what, sink, tag);
    if (!failed || failed->code != errc::mailbox_full) return failed;
    to->flush();
    to->owner().run_until([&] { return to->takes(wire::envelope_bytes(what)); });
  }
}

void tell_soon(const link_ptr& to) {
  const core::guard mine{to->owner()};
  if (to->pid() < 0) wait_started(to);
  to->flush_if_lone();
}

void wait_started(const link_ptr& of) {
  const core::guard mine{of->owner()};
  of->owner().run_until([&of] { return of->pid() >= 0 || of->now() == link::state::ended; });
}

bool wait(const link_ptr& on, const bool& done, std::optional<clock::time_point> limit) {
  static thread_local unsigned turn = 0;
  core& loop = on->owner();
  const core::guard mine{loop};
  if (++turn % turns_between_polls == 0) loop.run_once(clock::now());  // others have their turn too
  on->flush();
  os::let_receiver_run();
  for (os::spin_wait spin; !done;) {
    if (on->read_answers()) {
      spin.reset();
    } else if (!spin.again()) {
      break;
    }
  }
  return loop.run_until([&done] { return done; }, limit);
}

void abandon(const link_ptr& on, answer_sink& sink) {
  const core::guard mine{on->owner()};
  on->forget(sink);
}

bool is_done(const link_ptr& on, const bool& done) {
  const core::guard mine{on->owner()};
  return done;
}

}  // namespace troupe::engine
