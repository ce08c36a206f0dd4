// Supervisors as actors: those of this process, and one that has a process of its own.
#include "troupe/bridge/supervisor_actor.hpp"

#include <caf/event_based_actor.hpp>
#include <caf/exit_reason.hpp>
#include <caf/make_actor.hpp>
#include <caf/monitorable_actor.hpp>
#include <caf/send.hpp>
#include <caf/typed_event_based_actor.hpp>

#include "troupe/engine/worker.hpp"
#include "troupe/runtime.hpp"

namespace troupe::bridge {

namespace {

supervisor_actor::behavior_type serve(supervisor_actor::pointer self,
                                      const std::weak_ptr<supervisor>& of) {
  return {[self, of](supervision_request& request) -> caf::result<supervision_answer> {
    const auto who = of.lock();
    if (who == nullptr) return make_error(errc::stopped, "the supervisor has ended");
    auto promise = self->make_response_promise<supervision_answer>();
    who->in().locally([who, request = std::move(request), promise]() mutable {
      who->perform(std::move(request),
                   [promise](supervision_answer answer) mutable { promise.deliver(answer); });
    });
    return promise;
  }};
}

/// What a process's supervisor ends with: OTP's reason shutdown, with a sentence.
caf::error reason_of(const supervisor& ended) {
  const bool told = ended.finish()->reason == policy::end_reason::stopped;
  return make_error(told ? errc::stopped : errc::gave_up, ended.why_finished());
}

supervisor_actor::behavior_type become_supervisor(supervisor_actor::pointer self,
                                                  // NOLINTNEXTLINE(performance-*): as it is sent
                                                  runtime&, supervisor_spec spec, std::string path,
                                                  lifecycle_sink events) {
  static_cast<void>(engine::start_goes_on());
  node& in = node::here();
  // The keeper, which begins with the first process, would run the loop beside this thread.
  const engine::core::guard mine{in.core()};
  in.on_lifecycle([events](const lifecycle_event& what) { caf::anon_send(events, what); });
  const auto made = std::make_shared<std::weak_ptr<supervisor>>();
  supervisor_listener to;
  to.ready = [&in] {
    in.tell_seen_events();  // of its last child, before its own
    engine::start_is_over(std::nullopt);
  };
  to.finished = [made,
                 who = caf::actor_cast<caf::strong_actor_ptr>(self)](const policy::finish& f) {
    const auto ended = made->lock();
    if (f.reason == policy::end_reason::start_failed) engine::start_is_over(ended->why_finished());
    who->enqueue(nullptr, caf::make_message_id(),
                 caf::make_message(caf::exit_msg{who->address(), reason_of(*ended)}), nullptr);
  };
  to.may_start_again = true;  // in another process
  const auto supervising = in.supervise(std::move(spec), std::move(path), std::move(to));
  *made = supervising;
  supervising->start();
  return serve(self, supervising);
}

/// Takes events as they are read, not by a mailbox: else the end of a process would be told before
/// what that process said last.
class event_sink final : public caf::monitorable_actor {
public:
  event_sink(caf::actor_config& config, bridge::node& of) : monitorable_actor(config), node_(of) {}

  void enqueue(caf::mailbox_element_ptr what, caf::execution_unit*) override {
    if (node::if_made() == nullptr) return;
    if (what->content().match_elements<lifecycle_event>())
      node_.locally([&of = node_, event = what->content().get_as<lifecycle_event>(0)] {
        of.tell_lifecycle(event);
      });
  }

private:
  bridge::node& node_;
};

}  // namespace

engine::role supervisor_role() {
  engine::role role = detail::actor_role("supervisor", &become_supervisor);
  role.ends_in_order = true;
  return role;
}

supervisor_actor actor_for(const std::shared_ptr<supervisor>& of) {
  return of->in().system().spawn(serve, std::weak_ptr<supervisor>{of});
}

lifecycle_sink sink_of(node& of) {
  detail::handle_types<lifecycle_sink>::know_all();
  caf::actor_config config;
  return caf::make_actor<event_sink, lifecycle_sink>(of.system().next_actor_id(),
                                                     of.system().node(), &of.system(), config, of);
}

}  // namespace troupe::bridge
