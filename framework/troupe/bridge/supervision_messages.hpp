#pragma once

#include <caf/typed_actor.hpp>

#include <string>
#include <vector>

#include "troupe/codec.hpp"
#include "troupe/supervisor.hpp"

/// What travels between supervisors in different processes, and to them from those who manage them.
namespace troupe::bridge {

struct supervision_request {
  enum class op : std::uint8_t {
    start_child,     ///< `spec.children`, which is one
    start_children,  ///< like the pattern of a dynamic supervisor, but for `start`
    terminate_child,
    restart_child,
    delete_child,
    change,  ///< `spec`
    which_children,
    count_children,
    get_childspec,
    handle,       ///< of a child that is an actor or a supervisor
    stop,         ///< answered when it has ended
    wait,         ///< likewise; `key` is a number of the asker's
    stop_waiting  ///< that number waits no more
  };
  op what = op::which_children;
  std::string id;
  std::uint64_t key = 0;  ///< instead of `id`, when it is not 0
  supervisor_spec spec;
};

struct supervision_answer {
  errc code = errc{};  ///< none: it is done
  std::string text;
  std::vector<child_status> children;
  child_counts counts;
  supervisor_spec spec;
  caf::strong_actor_ptr handle;
  child_type is = child_type::worker;  ///< what `handle` is
};

/// Every supervisor as an actor.
using supervisor_actor =
    caf::typed_actor<caf::replies_to<supervision_request>::with<supervision_answer>>;
/// Who hears of what happens below.
using lifecycle_sink = caf::typed_actor<caf::reacts_to<lifecycle_event>>;

}  // namespace troupe::bridge

namespace troupe::codec {

template <class Archive, class... Ts>
void apply_each(Archive& archive, Ts&... values) {
  (codec::apply(archive, values), ...);
}

template <>
struct by_hand<std::shared_ptr<const child_start>> {
  template <class Archive>
  static void apply(Archive& archive, std::shared_ptr<const child_start>& value) {
    std::vector<std::byte> bytes;
    if constexpr (!Archive::loads) bytes = troupe::detail::bytes_of(value.get());
    codec::apply(archive, bytes);
    if constexpr (Archive::loads) value = troupe::detail::start_of(bytes);
  }
};
template <>
struct by_hand<shutdown_limit> {
  template <class Archive>
  static void apply(Archive& archive, shutdown_limit& x) {
    apply_each(archive, x.how, x.time);
  }
};
template <>
struct by_hand<backoff> {
  template <class Archive>
  static void apply(Archive& archive, backoff& x) {
    apply_each(archive, x.initial, x.max, x.factor, x.jitter, x.reset_after);
  }
};
template <>
struct by_hand<restart_pace> {
  template <class Archive>
  static void apply(Archive& archive, restart_pace& x) {
    apply_each(archive, x.burst, x.every);
  }
};
template <>
struct by_hand<process_limits> {
  template <class Archive>
  static void apply(Archive& archive, process_limits& x) {
    apply_each(archive, x.address_space_bytes, x.data_bytes, x.stack_bytes, x.core_bytes,
               x.file_bytes, x.open_files, x.processes, x.cpu_time, x.nice, x.cpus, x.memory_bytes,
               x.pids);
  }
};
template <>
struct by_hand<ending_rule> {
  template <class Archive>
  static void apply(Archive& archive, ending_rule& x) {
    apply_each(archive, x.on, x.values, x.then);
  }
};
template <>
struct by_hand<child_spec> {
  template <class Archive>
  static void apply(Archive& archive, child_spec& x) {
    apply_each(archive, x.id, x.start, x.restart, x.shutdown, x.significant, x.type,
               x.start_timeout, x.back_off, x.watchdog, x.limits, x.rules);
  }
};
template <>
struct by_hand<supervisor_spec> {
  template <class Archive>
  static void apply(Archive& archive, supervisor_spec& x) {
    apply_each(archive, x.strategy, x.intensity, x.period, x.auto_shutdown, x.max_children, x.pace,
               x.spares, x.children);
  }
};
template <>
struct by_hand<child_status> {
  template <class Archive>
  static void apply(Archive& archive, child_status& x) {
    apply_each(archive, x.key, x.id, x.type, x.now, x.pid, x.restarts, x.waiting);
  }
};
template <>
struct by_hand<child_counts> {
  template <class Archive>
  static void apply(Archive& archive, child_counts& x) {
    apply_each(archive, x.specs, x.active, x.supervisors, x.workers);
  }
};
template <>
struct by_hand<lifecycle_event> {
  template <class Archive>
  static void apply(Archive& archive, lifecycle_event& x) {
    apply_each(archive, x.what, x.path, x.pid, x.life, x.reason, x.delay, x.report);
  }
};
template <>
struct by_hand<restart_info> {
  template <class Archive>
  static void apply(Archive& archive, restart_info& x) {
    apply_each(archive, x.count, x.reason, x.report, x.in_progress);
  }
};
template <>
struct by_hand<bridge::supervision_request> {
  template <class Archive>
  static void apply(Archive& archive, bridge::supervision_request& x) {
    apply_each(archive, x.what, x.id, x.key, x.spec);
  }
};
template <>
struct by_hand<bridge::supervision_answer> {
  template <class Archive>
  static void apply(Archive& archive, bridge::supervision_answer& x) {
    apply_each(archive, x.code, x.text, x.children, x.counts, x.spec, x.handle, x.is);
  }
};

}  // namespace troupe::codec

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::lifecycle_event)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::supervisor_spec)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::bridge::supervision_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::bridge::supervision_answer)
