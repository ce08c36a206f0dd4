#pragma once

#include <troupe/policy/actions.hpp>
#include <troupe/policy/child_list.hpp>
#include <troupe/policy/intensity.hpp>
#include <troupe/policy/pace.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <random>
#include <string_view>
#include <vector>

namespace troupe::policy {

/// What is known of one child. OTP's which_children shows `running` as a pid, `restarting` (and
/// `starting` if `restart` is set) as restarting, all else as undefined.
struct child_info {
  child_key key = 0;
  std::uint32_t number = 0;  ///< of its incarnation, present or last
  std::shared_ptr<const child_spec> spec;
  child_state state = child_state::down;
  bool restart = false;                ///< it is being started again, or will be
  std::uint32_t restarts = 0;          ///< since it was added
  std::optional<time_point> due = {};  ///< when a restart is due or a start is over time
};

/// Source: OTP's count_children.
struct child_counts {
  std::size_t specs = 0;   ///< of a dynamic supervisor: 1
  std::size_t active = 0;  ///< with a process that has been ready
  std::size_t supervisors = 0;
  std::size_t workers = 0;
};

/// One supervisor's decisions: what happened and the time go in, what is to be done comes out.
///
/// Semantics are OTP's, see docs/otp-conformance.md. They differ where OTP blocks: there one start
/// or stop at a time keeps the supervisor busy, here each takes its time and everything else goes
/// on. So:
/// - Children of one_for_one and dynamic supervisors restart independently, at the same time.
/// - one_for_all and rest_for_one restart in a sweep: stop in reverse order, wait for the back-off
///   if there is one, start in order, each ready before the next. An end of a child that the sweep
///   has yet to stop is part of it; one that it has started begins it anew. The first start of all
///   children is a sweep, too, whatever the strategy.
/// - start_child and restart_child wait for their turn in a sweep; start_child of a child that is
///   being stopped, restart_child and delete_child of it wait for its end. Everything else is
///   answered at once or, terminate_child, when the child has ended.
/// - terminate_child of the child for whose sake a sweep runs ends the sweep: what is down stays
///   down (as in OTP between two attempts).
/// - A restart counts against the intensity at the moment when it begins: a back-off spreads
///   restarts, so that it can keep a supervisor from giving up.
///
/// Nothing is called back. After each call carry out `out` in order; what that leads to (a start
/// that fails at once) is told afterwards, not in between. Then look at next_time().
///
/// Runs in: one thread at a time. Blocks: never.
/// Source: OTP supervisor.erl; max_children: Elixir's DynamicSupervisor; back-off: Pekko.
class supervision {
public:
  enum class phase : std::uint8_t { idle, starting, running, ending, ended };

  /// `spec` must be without fault. `seed` is that of the jitter. Keys of children begin after
  /// `last_key`: those of an earlier life are not used again.
  explicit supervision(supervisor_spec spec, std::uint64_t seed = 0, child_key last_key = 0);

  // --- what happened; `now` never goes back ---
  /// Starts the children in order. The supervisor is ready when is_running().
  void start(time_point now, actions& out);
  /// Its process is there: its start timeout begins.
  void begun(incarnation who, time_point now);
  /// It has said that it is ready.
  void ready(incarnation who, time_point now, actions& out);
  /// It has said that there is nothing to do for it, and has ended.
  void ignored(incarnation who, time_point now, actions& out);
  /// Its process has ended, or could not be started.
  void ended(incarnation who, const ending& how, time_point now, actions& out);
  /// next_time() has come (harmless at any other time).
  void timer(time_point now, actions& out);
  /// Stops all children; `finish` comes when they have ended.
  void stop(time_point now, actions& out);

  /// What of limits can be kept: children that come later are checked by it.
  void learn(group_facts groups) { groups_ = std::move(groups); }

  // --- management; each call is answered once, in this call or later ---
  /// Adds a child at the end and starts it; in a dynamic supervisor with a spec of its own.
  void start_child(call_id call, child_spec spec, time_point now, actions& out);
  /// Adds a child of a dynamic supervisor: the pattern, with `start` in place of its own.
  void start_child(call_id call, std::shared_ptr<const child_start> start, time_point now,
                   actions& out);
  /// Children are named by id, those of a dynamic supervisor by key.
  void terminate_child(call_id call, std::string_view id, time_point now, actions& out);
  void terminate_child(call_id call, child_key key, time_point now, actions& out);
  void restart_child(call_id call, std::string_view id, time_point now, actions& out);
  void delete_child(call_id call, std::string_view id, time_point now, actions& out);
  /// Takes over flags and children of another spec: those of the same id go on with the new one;
  /// new ones are down until restart_child; those it lacks stay, at the end. A dynamic one gets the
  /// new pattern for all its children. Source: OTP's code_change.
  void change(call_id call, supervisor_spec spec, actions& out);

  // --- what is so ---
  /// When timer() is due.
  [[nodiscard]] std::optional<time_point> next_time() const;
  [[nodiscard]] phase now_in() const { return phase_; }
  [[nodiscard]] bool is_running() const { return phase_ == phase::running; }
  [[nodiscard]] child_key last_key() const { return children_.last_key(); }
  /// Flags; without children.
  [[nodiscard]] const supervisor_spec& flags() const { return flags_; }
  /// In start order.
  [[nodiscard]] std::vector<child_info> which_children() const;
  [[nodiscard]] std::optional<child_info> which_child(std::string_view id) const;
  [[nodiscard]] std::optional<child_info> which_child(child_key key) const;
  /// As it was given; a temporary child has no start any more.
  [[nodiscard]] std::optional<child_spec> get_childspec(std::string_view id) const;
  [[nodiscard]] child_counts count_children() const;

private:
  /// The time of an event, and where its consequences go.
  struct step {
    time_point now;
    actions& out;
  };
  /// Many children being taken down in reverse order, and started in order. The last one of a
  /// supervisor only takes down.
  struct sweep {
    enum class stage : std::uint8_t { stopping, waiting, starting };
    bool active = false;
    stage at = stage::stopping;
    child_entry* cause = nullptr;    ///< for whose sake; nobody's once that one is up again
    child_entry* cursor = nullptr;   ///< whom to look at next
    child_entry* current = nullptr;  ///< whose end, or readiness, is waited for
    time_point due = {};             ///< no start before
    bool counted = false;            ///< it has been held against the intensity
    bool scattered = false;          ///< those who are part of it may not be next to each other
  };

  // lives.cpp: starts and ends of single children, and of the supervisor
  void start_now(child_entry& c, step& s);
  void stop_now(child_entry& c, child_entry::stop by, const shutdown_limit& how, step& s);
  void did_not_start(child_entry& c, const ending& how, step& s);
  void ended_alone(child_entry& c, const ending& how, step& s);
  void was_stopped(child_entry& c, const ending& how, step& s);
  void restart_after(child_entry& c, const ending& how, bool slower, step& s);
  void stays_down(child_entry& c, const ending& how, step& s);
  void tell(child_entry& c, waiting_call::until what, outcome result, const ending& how, step& s);
  void settle(child_entry& c, outcome of_starts, const ending& how, step& s);
  void drop(child_entry& c, step& s);
  void give_up(child_entry& c, const ending& how, step& s, end_reason why = end_reason::gave_up);
  void end(end_reason reason, child_key key, const ending& how, step& s);

  // sweep.cpp
  void begin_sweep(child_entry& cause, time_point due, step& s);
  void mark(child_entry& c);
  void end_wait(step& s);
  void advance(step& s);
  bool take_down(step& s);
  bool bring_up(step& s);
  void absorb(child_entry& c, const ending& how, step& s);
  void abandon(step& s);
  [[nodiscard]] bool taking_down(const child_entry& c) const {
    return sweep_.active && c.marked && sweep_.at != sweep::stage::starting;
  }

  // management.cpp
  void request_start(child_entry& c, call_id call, step& s);
  void start_child(call_id call, std::shared_ptr<const child_spec> spec, step& s);
  void terminate_child(call_id call, child_entry& c, step& s);
  void refuse(call_id call, child_entry& c, waiting_call::until later, step& s);
  void change_children(std::vector<child_spec> specs);
  void change_pattern(child_spec spec);
  void repeat(const waiting_call& call, const std::string& id, step& s);
  [[nodiscard]] bool takes_calls() const {
    return phase_ == phase::starting || phase_ == phase::running;
  }
  [[nodiscard]] bool is_dynamic() const { return flags_.strategy == restart_strategy::dynamic; }
  [[nodiscard]] bool in_groups() const {
    return flags_.strategy == restart_strategy::one_for_all ||
           flags_.strategy == restart_strategy::rest_for_one;
  }

  supervisor_spec flags_;
  std::shared_ptr<const child_spec> pattern_;  ///< of a dynamic one
  std::shared_ptr<const child_start> pattern_start_;
  child_list children_;
  phase phase_ = phase::idle;
  sweep sweep_;
  intensity intensity_;
  pace pace_;
  std::minstd_rand random_;
  std::deque<finish::cause> last_causes_;
  finish result_;
  group_facts groups_;
};

}  // namespace troupe::policy
