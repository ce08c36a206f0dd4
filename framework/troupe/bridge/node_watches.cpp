// Monitors and links across processes: whoever watches asks the process of the watched one, which
// answers at its end.
#include "troupe/bridge/node.hpp"
#include "troupe/bridge/proxy.hpp"
#include "troupe/engine/link.hpp"

namespace troupe::bridge {

using wire::Envelope;
using namespace std::chrono_literals;

namespace {

constexpr auto watch_again_after = 50ms;

}  // namespace

void node::watch(proxy& who) {
  if (who.ended()) return;
  engine::peer* const next = way_to(who.where());
  if (next == nullptr) {
    end_watch(who, may_come_back(who.where()) ? being_restarted() : end_of(who.where()));
    return;
  }
  asked request;
  request.is = asked::kind::watch;
  request.sender = caf::strong_actor_ptr{who.ctrl()};
  request.from = next->where();
  const std::uint64_t tag = remember(std::move(request));
  wire::header head{Envelope::Kind::WATCH};
  head.receiver = &who.where();
  head.priority = 1;
  if (const auto why = next->post(head, {}, this, tag)) {
    release(tag);
    end_watch(who, end_on_the_way(who.where(), make_error(why->code, why->text, why->report)));
  }
}

/// What is to be there again is watched again, until its place is given up.
void node::end_watch(proxy& who, const caf::error& reason) {
  if (is_for_good(who.where()) && reason == make_error(errc::not_started)) {
    watch_again(who);
  } else {
    who.kill_proxy(&unit_, caf::error{reason});
  }
}

void node::watch_again(proxy& who) {
  to_watch_again_.emplace_back(who.ctrl());
  if (watch_timer_ == 0)
    watch_timer_ = core_.after(watch_again_after, [this] {
      watch_timer_ = 0;
      watch_those_again();
    });
}

void node::watch_those_again() {
  for (const auto& who : std::exchange(to_watch_again_, {}))
    watch(static_cast<proxy&>(*who->get()));
}

void node::answer_watch(const caf::strong_actor_ptr& actor, engine::peer& from,
                        std::uint64_t number) {
  actor->get()->attach_functor([this, to = from.where(), number](const caf::error& reason) {
    locally([this, to, number, reason] { answer_with(to, number, reason); });
  });
}

}  // namespace troupe::bridge
