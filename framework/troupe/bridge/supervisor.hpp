#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "troupe/bridge/node.hpp"
#include "troupe/bridge/route.hpp"
#include "troupe/policy/supervision.hpp"
#include "troupe/supervisor.hpp"

namespace troupe::bridge {

/// Carries out what `policy::supervision` decides, with processes, and tells it what becomes of
/// them. Supervisors below it that need no process of their own are members of its children.
///
/// Owns: the routes of its children, and their processes as far as nobody else stops them.
/// Runs in: the owner of the loop. Ends: `stop`, and `finished` some time later.
class supervisor final : public child_owner, public std::enable_shared_from_this<supervisor> {
public:
  using place = child_owner::place;
  using reply = std::function<void(const policy::answer&)>;

  /// What the one above it, or the user, wants to know. Called on the loop.
  struct listener {
    std::function<void()> ready;
    std::function<void(const policy::finish&)> finished;
  };

  /// `path`: of this supervisor, for events; empty for the first.
  supervisor(node& in, supervisor_spec spec, std::string path, listener to);
  supervisor(const supervisor&) = delete;
  supervisor& operator=(const supervisor&) = delete;
  ~supervisor();

  void start();
  /// All children in reverse order.
  void stop();
  void kill();
  /// At once, without any order: what runs is left to whoever ends this process.
  void abandon();

  // --- management: `call` names the operation, its answer goes to `to` ---
  void start_child(child_spec spec, reply to);
  void start_child(std::shared_ptr<const child_start> start, reply to);
  template <class Which>
  void terminate_child(Which which, reply to) {
    ask(std::move(to), [this, which](policy::call_id id, auto now, auto& out) {
      machine_.terminate_child(id, which, now, out);
    });
  }
  void restart_child(std::string id, reply to);
  void delete_child(std::string id, reply to);
  void change(supervisor_spec spec, reply to);

  [[nodiscard]] std::vector<child_status> which_children() const;
  [[nodiscard]] std::optional<child_status> which_child(std::string_view id) const;
  [[nodiscard]] std::optional<child_status> which_child(policy::child_key key) const;
  [[nodiscard]] child_counts count_children() const;
  [[nodiscard]] std::optional<child_spec> childspec(std::string_view id) const;
  [[nodiscard]] caf::strong_actor_ptr handle_of(policy::child_key key) const;
  [[nodiscard]] engine::link_ptr process_of(policy::child_key key) const;
  [[nodiscard]] std::shared_ptr<supervisor> nested_of(policy::child_key key) const;
  [[nodiscard]] std::optional<policy::child_key> key_of(std::string_view id) const;

  /// What ended it; nothing while it lives.
  [[nodiscard]] const std::optional<policy::finish>& finish() const noexcept { return finish_; }
  [[nodiscard]] bool is_up() const noexcept { return machine_.is_running(); }
  /// How its last start failed; in the answer to the call that started it also of one that is
  /// forgotten for it.
  [[nodiscard]] std::string why_not_started(policy::child_key key) const {
    const auto found = children_.find(key);
    return found != children_.end()  ? found->second.last_reason
           : key == forgotten_.first ? forgotten_.second
                                     : std::string{};
  }
  /// The same as one sentence.
  [[nodiscard]] std::string why_finished() const;
  [[nodiscard]] node& in() const noexcept { return node_; }

  void on_ready(place which) override;
  void on_not_started(place which, const caf::error& why) override;
  void on_gone(place which, const caf::error& reason,
               const std::shared_ptr<const exit_report>& report) override;
  void give_back(place which, caf::mailbox_element_ptr what) override;
  void on_room(place which) override;

private:
  struct child {
    policy::incarnation life;
    std::shared_ptr<const child_spec> spec;
    caf::strong_actor_ptr route;  ///< for good
    caf::strong_actor_ptr actor;  ///< the proxy of its present process
    engine::link_ptr link;        ///< its present process
    std::shared_ptr<supervisor> nested;
    std::shared_ptr<const exit_report> last_report;
    std::string last_reason;
    engine::core::timer_id watchdog = 0;
    std::uint64_t watched = 0;  ///< the message that was in progress at the last look
    engine::clock::time_point watched_since{};
    bool hung = false;      ///< killed for it
    bool said_why = false;  ///< it could not start: the reason is its own
  };

  /// Tells the machine something and carries out what it wants, one after the other.
  template <class What>
  void tell(What what) {
    inputs_.push_back(std::move(what));
    work();
  }
  template <class What>
  void ask(reply to, What what) {
    const policy::call_id id = ++last_call_;
    calls_.emplace(id, std::move(to));
    tell([id, what](auto now, auto& out) { what(id, now, out); });
  }
  void work();
  void carry_out(const policy::start_process& what);
  void carry_out(const policy::stop_process& what);
  void carry_out(const policy::answer& what);
  void carry_out(const policy::report& what);
  void carry_out(const policy::forget& what);
  void carry_out(const policy::finish& what);
  static void explain_late_start(child& c, const policy::report& what);
  void start_role(child& c, const detail::role_start& what);
  void start_nested(child& c, const detail::supervisor_start& what);
  void arm_timer();
  void watch_for_hang(policy::child_key key);
  void settle_routes();
  void tell_event(lifecycle_event::kind what, const child& c, const policy::report* more = nullptr);
  [[nodiscard]] std::string path_of(const child& c) const;
  [[nodiscard]] route& route_of(const child& c) const {
    return static_cast<route&>(*c.route->get());
  }
  child* child_at(place which);
  [[nodiscard]] child_status status_of(const policy::child_info& info) const;

  node& node_;
  std::string path_;
  listener listener_;
  policy::supervision machine_;
  std::map<policy::child_key, child> children_;
  std::unordered_map<place, policy::child_key> places_;
  std::unordered_map<policy::call_id, reply> calls_;
  policy::call_id last_call_ = 0;
  std::deque<std::function<void(policy::time_point, policy::actions&)>> inputs_;
  std::vector<policy::child_key> touched_;               ///< whose state may have changed
  std::pair<policy::child_key, std::string> forgotten_;  ///< the last one, and how it ended
  bool working_ = false;
  bool was_ready_ = false;
  bool abandoned_ = false;
  engine::core::timer_id timer_ = 0;
  std::optional<policy::finish> finish_;
};

}  // namespace troupe::bridge
