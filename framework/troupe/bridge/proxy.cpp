#include "troupe/bridge/proxy.hpp"

#include <caf/sec.hpp>
#include <caf/system_messages.hpp>

#include "troupe/bridge/node.hpp"

namespace troupe::bridge {

proxy::proxy(caf::actor_config& config, bridge::node& of, troupe::address where,
             engine::link_ptr child)
    : remote_actor(config, of), where_(std::move(where)), child_(std::move(child)) {}

proxy::~proxy() {
  node_.forget(where_, ctrl());
}

void proxy::pass_on(caf::mailbox_element_ptr what) {
  node_.send_now(*this, std::move(what));
}

void remote_actor::enqueue(caf::mailbox_element_ptr what, caf::execution_unit*) {
  if (node::if_made() != &node_) return;  // `run` has returned, and a handle was kept
  node_.send(*this, std::move(what));
}

void remote_actor::kill_proxy(caf::execution_unit* by, caf::error reason) {
  cleanup(std::move(reason), by);
}

/// Its actor's end is of interest from the first monitor or link on. Never at once: CAF may hold
/// this actor's lock.
void proxy::watch() {
  if (!needs_watch()) return;
  node_.post([this, keep = caf::strong_actor_ptr{ctrl()}] { node_.watch(*this); });
}

void proxy::attach(caf::attachable_ptr what) {
  monitorable_actor::attach(std::move(what));
  watch();
}

bool proxy::add_backlink(caf::abstract_actor* other) {
  const bool added = monitorable_actor::add_backlink(other);
  if (added) watch();
  return added;
}

bool remote_actor::reject(caf::mailbox_element& what) {
  if (!what.mid.is_request()) return false;
  if (what.sender)
    what.sender->enqueue(
        caf::make_mailbox_element(nullptr, what.mid.response_id(), {}, refusal(fail_state())),
        nullptr);
  return true;
}

caf::error refusal(const caf::error& end) {
  const auto report = report_of(end);
  if (errc_of(end) == errc::not_started || errc_of(end) == errc::gave_up) return end;
  if (report == nullptr) return caf::make_error(caf::sec::request_receiver_down);
  return make_error(errc::stopped,
                    "this message was not sent, its actor has ended before: " + report->sentence(),
                    report);
}

}  // namespace troupe::bridge
