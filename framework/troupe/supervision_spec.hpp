#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

/// What a supervisor is told of its children: plain data, copied freely, checked whole by
/// policy::validate before anything starts. Words, defaults and meanings are those of OTP's
/// supervisor where it has them.
namespace troupe {

/// Who else is restarted when a child is.
enum class restart_strategy : std::uint8_t {
  one_for_one,   ///< nobody
  one_for_all,   ///< all children
  rest_for_one,  ///< those that were started after it
  dynamic        ///< nobody; children are added while it runs (OTP: simple_one_for_one)
};

/// When a child that has ended is started again.
enum class restart_type : std::uint8_t {
  permanent,  ///< always
  transient,  ///< unless it ended well: exit code 0, or because it was asked to
  temporary   ///< never; it is forgotten as soon as it has ended
};

/// Whether the end of significant children ends the supervisor.
enum class auto_shutdown_mode : std::uint8_t { never, any_significant, all_significant };

enum class child_type : std::uint8_t { worker, supervisor };

/// How a child is made to end: killed at once, asked and killed after a time, or only asked.
struct shutdown_limit {
  enum class mode : std::uint8_t { brutal_kill, timed, infinity };

  mode how = mode::timed;
  std::chrono::nanoseconds time = std::chrono::seconds{5};  ///< of `timed`

  constexpr shutdown_limit() = default;
  /// Implicit, so that `.shutdown = 2s` says it.
  template <class Rep, class Period>
  constexpr shutdown_limit(std::chrono::duration<Rep, Period> limit) : time(limit) {}
  constexpr explicit shutdown_limit(mode m) : how(m), time(0) {}
  friend constexpr bool operator==(const shutdown_limit&, const shutdown_limit&) = default;
};
inline constexpr shutdown_limit brutal_kill{shutdown_limit::mode::brutal_kill};
inline constexpr shutdown_limit infinity{shutdown_limit::mode::infinity};

/// As long as it takes.
inline constexpr std::chrono::nanoseconds no_limit = std::chrono::nanoseconds::max();

/// Delays between restarts of one child. The first restart is immediate; the second within
/// `reset_after` waits `initial`, each further one `factor` times as long, `max` at most. To each
/// wait a random part of up to `jitter` of it is added.
/// Source: OTP has none; Pekko's restartWithBackoff.
struct backoff {
  std::chrono::nanoseconds initial = std::chrono::milliseconds{100};
  std::chrono::nanoseconds max = std::chrono::seconds{60};
  double factor = 2.0;
  double jitter = 0.2;
  /// Counting begins anew when the child was up for so long. Empty: the mean of `initial` and
  /// `max`.
  std::optional<std::chrono::nanoseconds> reset_after = {};
};

/// A limit to restarts of all children together that delays and never gives up: `burst` at once,
/// then one each `every`. For many children that die of one cause.
struct restart_pace {
  int burst = 1;                                                   ///< 10,000 at most
  std::chrono::nanoseconds every = std::chrono::milliseconds{10};  ///< a day at most
  friend bool operator==(const restart_pace&, const restart_pace&) = default;
};

/// What the kernel is told to grant a process. Empty: what the parent has.
struct process_limits {
  std::optional<std::uint64_t> address_space_bytes = {};  ///< RLIMIT_AS
  std::optional<std::uint64_t> data_bytes = {};           ///< RLIMIT_DATA
  std::optional<std::uint64_t> stack_bytes = {};          ///< RLIMIT_STACK
  std::optional<std::uint64_t> core_bytes = {};           ///< RLIMIT_CORE
  std::optional<std::uint64_t> file_bytes = {};           ///< RLIMIT_FSIZE
  std::optional<std::uint64_t> open_files = {};           ///< RLIMIT_NOFILE
  std::optional<std::uint64_t> processes = {};            ///< RLIMIT_NPROC
  std::optional<std::chrono::seconds> cpu_time = {};      ///< RLIMIT_CPU
  std::optional<int> nice = {};                           ///< -20 to 19
  std::vector<int> cpus = {};                             ///< affinity; empty: any
  /// Of the process and all that it starts together, where a control group is delegated to the
  /// program; who needs more is killed whole (memory.max, memory.oom.group; no swap).
  std::optional<std::uint64_t> memory_bytes = {};
  std::optional<std::uint64_t> pids = {};  ///< likewise: processes and their threads (pids.max)

  [[nodiscard]] bool need_control_group() const noexcept { return memory_bytes || pids; }
  friend bool operator==(const process_limits&, const process_limits&) = default;
};

/// What to do after one kind of end; the first rule of a child that matches decides, in place of
/// its restart type.
struct ending_rule {
  enum class cause : std::uint8_t {
    exit_code,      ///< one of `values`; any but 0 when there are none
    signal,         ///< one of `values`; any when there are none
    out_of_memory,  ///< killed for it by the kernel (limits.memory_bytes)
    watchdog,       ///< killed because it was at one message for too long
    start_failed    ///< a restart that never became ready
  };
  enum class action : std::uint8_t {
    restart,         ///< counts like any other restart
    restart_slower,  ///< from now on the back-off is one step ahead: a first restart waits, too
    stop,            ///< leave it down, as a transient child that ended well
    escalate         ///< give up at once: the parent supervisor decides
  };
  cause on = cause::exit_code;
  std::vector<int> values = {};
  action then = action::restart;
};

/// What a child is made of: a role with its arguments, a program, a supervisor. Supervision
/// passes it on and never looks inside.
struct child_spec;
struct supervisor_spec;
struct child_start {
  child_start() = default;
  child_start(const child_start&) = delete;
  child_start& operator=(const child_start&) = delete;
  virtual ~child_start() = default;

  /// What is wrong with it as the start of such a child: a field, and what that must be.
  using fault = std::pair<std::string, std::string>;
  [[nodiscard]] virtual std::vector<fault> faults(const child_spec&) const { return {}; }
  /// Of a supervisor its spec, which is part of what is checked; else null.
  [[nodiscard]] virtual const supervisor_spec* below() const { return nullptr; }
};

/// One child, or the pattern of all children of a dynamic supervisor.
struct child_spec {
  std::string id = {};  ///< unique among siblings; printable, without '/'
  std::shared_ptr<const child_start> start = {};
  restart_type restart = restart_type::permanent;
  std::optional<shutdown_limit> shutdown = {};  ///< empty: 5 s; infinity for a supervisor
  bool significant = false;
  child_type type = child_type::worker;
  /// From the moment at which it has a process until it must be ready. Empty: 10 s; no_limit for a
  /// supervisor, whose children have limits of their own.
  std::optional<std::chrono::nanoseconds> start_timeout = {};
  std::optional<backoff> back_off = {};
  /// Longest time for one message, from begun to finished; 1 ms at least. Empty: as long as it
  /// takes.
  std::optional<std::chrono::nanoseconds> watchdog = {};
  process_limits limits = {};
  std::vector<ending_rule> rules = {};

  /// `shutdown`, or its default for the type.
  [[nodiscard]] shutdown_limit shutdown_or_default() const {
    return shutdown.value_or(type == child_type::supervisor ? infinity : shutdown_limit{});
  }
  /// `start_timeout`, or its default for the type.
  [[nodiscard]] std::chrono::nanoseconds start_timeout_or_default() const {
    return start_timeout.value_or(type == child_type::supervisor ? no_limit
                                                                 : std::chrono::seconds{10});
  }
};

/// A supervisor: more than `intensity` restarts within `period` and it gives up.
struct supervisor_spec {
  restart_strategy strategy = restart_strategy::one_for_one;
  int intensity = 1;
  std::chrono::nanoseconds period = std::chrono::seconds{5};
  auto_shutdown_mode auto_shutdown = auto_shutdown_mode::never;
  std::optional<std::size_t> max_children = {};  ///< of a dynamic one. Source: DynamicSupervisor
  std::optional<restart_pace> pace = {};
  /// Processes kept ready, without a role, for its next starts: a restart then waits for no fork.
  /// Each costs some 100 KiB of memory, and no CPU time.
  int spares = 0;
  std::vector<child_spec> children = {};  ///< in start order; of a dynamic one exactly the pattern
};

}  // namespace troupe
