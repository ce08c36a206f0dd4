#pragma once

#include <troupe/policy/ending.hpp>
#include <troupe/policy/spec.hpp>

#include <cstdint>
#include <memory>
#include <variant>
#include <vector>

namespace troupe::policy {

/// A child of one supervisor. Never used twice, 0 is nobody.
using child_key = std::uint64_t;

/// One life of a child: the first start is 1, each later one (a failed one, too) counts up. What is
/// said of another life than the present one is ignored, so it may come late or twice.
struct incarnation {
  child_key child = 0;
  std::uint32_t number = 0;
  friend constexpr bool operator==(const incarnation&, const incarnation&) = default;
};

/// Whoever asked for a management call; chosen by the caller, returned in the answer.
using call_id = std::uint64_t;

/// What a new incarnation is told of its predecessor.
struct restart_context {
  std::uint32_t count = 0;           ///< restarts of this child so far, this one included
  std::optional<ending> cause = {};  ///< how the last one ended; empty: there was none
  child_key because_of = 0;          ///< the child whose end made the supervisor restart this one
};

/// Start a process. Answered by begun when there is one, and by ready, ignored or ended, sooner or
/// later.
struct start_process {
  incarnation who;
  std::shared_ptr<const child_spec> spec;  ///< without `start`
  std::shared_ptr<const child_start> start;
  restart_context why;
};

/// Make it end in this way. Answered by ended (or ignored), sooner or later. Comes once for each
/// incarnation, maybe before it is ready.
struct stop_process {
  incarnation who;
  shutdown_limit how;
};

enum class outcome : std::uint8_t {
  ok,
  ignored,          ///< ok, but it chose not to run. OTP: {ok, undefined}
  already_started,  ///< there is one of this id, and it runs or is being started
  already_present,  ///< there is one of this id; restart_child starts it
  not_found,
  running,
  restarting,          ///< the supervisor is about to start it
  simple_one_for_one,  ///< not with a dynamic supervisor
  max_children,
  start_failed,  ///< `how` says why; a new child is forgotten, another stays down
  terminated,    ///< a call or a shutdown ended it before it was ready
  bad_spec,      ///< `faults` says why
  not_running    ///< the supervisor has not been started, or is ending
};

/// Answers a management call; each call gets exactly one.
struct answer {
  call_id call = 0;
  outcome result = outcome::ok;
  child_key child = 0;  ///< whom it is about, if there is one
  ending how = {};
  std::vector<fault> faults = {};
};

/// Something that whoever watches wants to know. What concerns a pid (started) is known only
/// where it is made.
struct report {
  enum class event : std::uint8_t {
    started,  ///< the supervisor: all its children have been started; `who` is nobody
    ready,
    ignored,       ///< it chose not to run
    exited,        ///< by itself; `how`
    stopped,       ///< because it was told to; `how` may say otherwise
    start_failed,  ///< `how`
    restarting,    ///< in `delay`, 0 being now; `how` is why
    gave_up,       ///< too many restarts, or a rule said so; `who` was the last straw
    not_restarted  ///< it was taken down for a restart that a call has ended, and stays down
  };
  event what = event::ready;
  incarnation who;
  ending how = {};
  duration delay{};
};

/// The child is forgotten: its key means nothing from now on.
struct forget {
  child_key child = 0;
};

/// Why a supervisor has ended. Its parent sees ending::kind::shutdown in all cases but
/// start_failed, as with OTP's reason shutdown.
enum class end_reason : std::uint8_t {
  stopped,
  gave_up,    ///< more restarts than the intensity allows
  escalated,  ///< a rule said so
  auto_shutdown,
  start_failed
};

/// All children are down, nothing comes after it.
struct finish {
  /// A restart that led here.
  struct cause {
    child_key child = 0;
    ending how = {};
    time_point at = {};
  };
  end_reason reason = end_reason::stopped;
  child_key child = 0;  ///< whose end or failed start it was; 0: nobody's
  ending how = {};
  std::vector<cause> last = {};  ///< at most 5, oldest first
};

using action = std::variant<start_process, stop_process, answer, report, forget, finish>;
/// Carried out in this order.
using actions = std::vector<action>;

}  // namespace troupe::policy
