#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "troupe/bridge/node.hpp"
#include "troupe/bridge/route.hpp"
#include "troupe/policy/supervision.hpp"
#include "troupe/supervisor.hpp"

namespace troupe::bridge {

class program_port;
struct supervision_request;
struct supervision_answer;
class supervisor;

/// Never a number that kill(2) would take for many processes.
inline std::optional<int> known(int pid) {
  return pid > 0 ? std::optional{pid} : std::nullopt;
}

/// A child and who supervises it.
struct named_child {
  supervisor* of = nullptr;
  policy::child_key key = 0;
  std::string path;
  int pid = 0;  ///< 0: it has no process
};

/// Carries out what `policy::supervision` decides, with processes, and tells it what becomes of
/// them. Supervisors below it that need no process of their own are members of its children.
///
/// Owns: the routes of its children, and their processes as far as nobody else stops them.
/// Runs in: the owner of the loop. Ends: `stop`, and `finished` some time later.
class supervisor final : public child_owner, public std::enable_shared_from_this<supervisor> {
public:
  using place = child_owner::place;
  using done = std::function<void(supervision_answer)>;

  /// `path`: of this supervisor, for events; empty for the first.
  supervisor(node& in, supervisor_spec spec, std::string path, supervisor_listener to);
  supervisor(const supervisor&) = delete;
  supervisor& operator=(const supervisor&) = delete;
  ~supervisor();

  void start();
  /// After `finished`: a new life by this spec. Handles of children that it has go on, and get what
  /// has waited since.
  void start_again(supervisor_spec spec, supervisor_listener to);
  /// After `finished`: nothing but a call will start it again, so what waits for its children is
  /// refused.
  void stay_down(const caf::error& why);
  /// After `finished`, for good: the handles of its children end. `why`: of those above it, for one
  /// that did not end by itself.
  void retire(const caf::error& why = {});
  /// All children in reverse order.
  void stop();
  void kill();
  /// If it has not finished by then.
  void kill_after(engine::clock::duration limit);
  /// At once, without any order: what runs is left to whoever ends this process.
  void abandon();

  /// Does what is asked, or says why not; answered now or later, on the loop.
  void perform(supervision_request what, done to);
  /// The actor that does so for messages.
  const caf::strong_actor_ptr& actor();

  [[nodiscard]] engine::link_ptr process_of(policy::child_key key) const;
  [[nodiscard]] engine::link_ptr process_of(std::string_view id) const;
  [[nodiscard]] std::shared_ptr<supervisor> nested_of(policy::child_key key) const;
  [[nodiscard]] std::shared_ptr<supervisor> nested_of(std::string_view id) const;

  /// Itself and all below it, for the control socket.
  void show(unsigned depth, std::vector<engine::tree_node>& into,
            std::set<const engine::link*>& theirs) const;
  /// Appends its children and those of supervisors below it in this process.
  void list(std::vector<named_child>& into);
  /// Ends it and starts it again; nothing that was sent to it is lost but what it had begun.
  void renew(const named_child& which, std::function<void(engine::control_source::restarted)> to);

  /// What ended it; nothing while it lives.
  [[nodiscard]] const std::optional<policy::finish>& finish() const noexcept { return finish_; }
  [[nodiscard]] bool is_ending() const noexcept {
    return machine_->now_in() == policy::supervision::phase::ending;
  }
  /// How its last start failed; in the answer to the call that started it also of one that is
  /// forgotten for it.
  [[nodiscard]] std::string why_not_started(policy::child_key key) const {
    const auto found = children_.find(key);
    return found != children_.end()  ? found->second.last_reason
           : key == forgotten_.first ? forgotten_.second
                                     : std::string{};
  }
  /// Whoever listens may start it again when it has finished.
  [[nodiscard]] bool may_start_again() const noexcept { return listener_.may_start_again; }
  [[nodiscard]] bool is_up() const noexcept { return machine_->is_running(); }
  /// The same as one sentence.
  [[nodiscard]] std::string why_finished() const;
  [[nodiscard]] node& in() const noexcept { return node_; }

  void on_started(place which) override;
  void on_ready(place which) override;
  void on_death(place which) override;
  void on_not_started(place which, const caf::error& why) override;
  void on_gone(place which, const caf::error& reason,
               const std::shared_ptr<const exit_report>& report) override;
  void give_back(place which, caf::mailbox_element_ptr what) override;
  void on_room(place which) override;

private:
  struct child {
    policy::incarnation life;
    std::shared_ptr<const child_spec> spec;
    std::shared_ptr<const child_start> start;  ///< that is still to be tried
    caf::strong_actor_ptr route;               ///< for good
    caf::strong_actor_ptr actor;               ///< the proxy of its present process
    engine::link_ptr link;                     ///< its present process
    std::optional<place> place_in_path;
    std::shared_ptr<supervisor> nested;
    std::shared_ptr<program_port> port;  ///< of a program
    std::shared_ptr<const exit_report> last_report;
    std::string last_reason;
    caf::message in_progress;  ///< when its last process died
    std::uint32_t restarts = 0;
    unsigned refusals = 0;             ///< by the system, of the start of its present life
    engine::core::timer_id again = 0;  ///< set: it will be tried again, or has failed
    engine::core::timer_id watchdog = 0;
    std::uint64_t watched = 0;  ///< the message that was in progress at the last look
    engine::clock::time_point watched_since{};
    bool hung = false;      ///< killed for it
    bool said_why = false;  ///< it could not start: the reason is its own
    bool ignores = false;   ///< it chose not to run
  };

  /// Tells the machine something and carries out what it wants, one after the other.
  template <class What>
  void tell(What what) {
    inputs_.push_back(std::move(what));
    work();
  }
  void abandon(bool again);
  void end_actor();
  template <class Call>
  void ask(const std::string& id, done to, Call call);
  void work();
  void carry_out(const policy::start_process& what);
  void start(child& c);
  void after_refusal(policy::incarnation who, bool again);
  void carry_out(const policy::stop_process& what);
  static engine::clock::duration grace_of(const shutdown_limit& limit);
  void carry_out(const policy::answer& what);
  void carry_out(const policy::report& what);
  void carry_out(const policy::forget& what);
  void carry_out(const policy::finish& what);
  static void explain_late_start(child& c, const policy::report& what);
  void learn_limits(const std::vector<child_spec>& of);
  void start_children(std::vector<child_spec> specs, bool by_pattern, done to);
  supervision_answer handle_of(const supervision_request& of);
  [[nodiscard]] supervision_answer answer_of(const policy::answer& a, const std::string& id) const;
  void start_process(child& c, engine::role role, const payload_source& arguments);
  void start_process(child& c, const std::function<caf::strong_actor_ptr()>& start);
  [[nodiscard]] std::optional<place> place_of(const child& c) const;
  std::shared_ptr<os::group_leaf> group_for(const child& c);
  void start_program(child& c, const detail::program_start& what);
  [[nodiscard]] std::vector<std::byte> predecessor_of(const child& c) const;
  void make_route(child& c);
  void end_route(child& c);
  void inherit(std::map<policy::child_key, child> earlier);
  void end_for_good(child& c, const caf::error& reason);
  [[nodiscard]] caf::error reason_for(const child& c) const;
  void start_role(child& c, const detail::role_start& what);
  void start_nested(child& c, const detail::supervisor_start& what);
  void keep_spares();
  void arm_timer();
  void watch_for_hang(policy::child_key key);
  void settle_routes();
  void tell_event(lifecycle_event::kind what, const child& c, const policy::report* more = nullptr);
  [[nodiscard]] std::string path_of(const child& c) const {
    return path_of(c.spec->id, c.life.child);
  }
  [[nodiscard]] std::string path_of(std::string id, policy::child_key key) const;
  [[nodiscard]] child_status::state own_state() const;
  void renew_dynamic(const named_child& which, const policy::child_info& info,
                     engine::control_source::restarted result,
                     const std::function<void(engine::control_source::restarted)>& to);
  [[nodiscard]] route& route_of(const child& c) const {
    return static_cast<route&>(*c.route->get());
  }
  child* child_at(place which);
  [[nodiscard]] child_status status_of(const policy::child_info& info) const;
  [[nodiscard]] std::optional<child_status> status_of(policy::child_key key) const;

  node& node_;
  engine::clock::time_point since_ = engine::clock::now();
  std::string path_;
  supervisor_listener listener_;
  std::optional<policy::supervision> machine_;  ///< of its present life
  std::map<policy::child_key, child> children_;
  std::unordered_map<place, policy::child_key> places_;
  std::unordered_map<policy::call_id, std::function<void(const policy::answer&)>> calls_;
  std::vector<std::pair<std::uint64_t, done>> waiters_;  ///< for its end; by their numbers
  caf::strong_actor_ptr actor_;
  policy::call_id last_call_ = 0;
  std::deque<std::function<void(policy::time_point, policy::actions&)>> inputs_;
  std::vector<policy::child_key> touched_;               ///< whose state may have changed
  std::pair<policy::child_key, std::string> forgotten_;  ///< the last one, and how it ended
  bool working_ = false;
  bool was_ready_ = false;
  std::uint32_t life_ = 1;
  int spares_ = 0;  ///< that the loop keeps for it
  bool abandoned_ = false;
  engine::core::timer_id timer_ = 0;
  std::optional<policy::finish> finish_;
};

}  // namespace troupe::bridge
