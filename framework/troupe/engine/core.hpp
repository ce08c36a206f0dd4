#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "troupe/engine/channel.hpp"
#include "troupe/engine/inbox.hpp"
#include "troupe/engine/orphanage.hpp"
#include "troupe/engine_api.hpp"
#include "troupe/os/poller.hpp"
#include "troupe/os/zygote.hpp"
#include "troupe/wire/frame.hpp"

namespace troupe::engine {

struct core_options {
  std::string program;  ///< argv[0]
  std::string mark;     ///< of this tree, for the programs that workers start
  os::start_method method = os::start_method::fork;
  std::size_t max_message_bytes = wire::default_max_frame_bytes;
  bool debug_log = false;
  bool adopts_orphans = false;  ///< this process is the tree's subreaper
  void (*worker_entry)() = nullptr;
  void (*warm_up)() = nullptr;
};

/// Something that waits for descriptors. `which` tells its own apart.
class event_handler {
public:
  virtual void on_event(unsigned which, bool readable, bool writable) = 0;

protected:
  ~event_handler() = default;
};

/// The loop of one process that has workers: epoll, timers, the zygote, and the links.
///
/// Owns: the zygote and, with their users, the links.
/// Runs in: the main thread; nothing here is thread-safe.
/// Ends: the destructor kills what still runs (`stop_all` is the orderly way) and reaps everything.
class core {
public:
  explicit core(core_options options);
  core(const core&) = delete;
  core& operator=(const core&) = delete;
  ~core();

  [[nodiscard]] const core_options& options() const noexcept { return options_; }

  /// Writes out what is buffered, waits for events until `limit` at the latest (none: for ever) and
  /// handles them.
  void run_once(std::optional<clock::time_point> limit);
  /// Runs until `done()`; false when `limit` passes first.
  template <class Done>
  bool run_until(Done done, std::optional<clock::time_point> limit = std::nullopt) {
    while (!done()) {
      if (limit && clock::now() >= *limit) return false;
      run_once(limit);
    }
    return true;
  }

  /// Until the next timer; -1: there is none.
  [[nodiscard]] int milliseconds_to_timer() const;

  using timer_id = std::uint64_t;
  timer_id at(clock::time_point when, std::function<void()> what);
  timer_id after(clock::duration delay, std::function<void()> what) {
    return at(clock::now() + delay, std::move(what));
  }
  void cancel(timer_id timer);

  /// What a handler calls this is handled before the other events of one wait.
  static constexpr unsigned urgent_event = 0;
  /// Descriptors of one handler share a slot: freeing it makes events already fetched stale.
  using slot = std::uint32_t;
  slot take_slot(event_handler& handler);
  void free_slot(slot s);
  void watch(slot s, unsigned which, int fd, bool writable = false);
  void unwatch(int fd) { poller_.remove(fd); }

  scratch& shared_buffer() noexcept { return scratch_; }
  /// For control sockets, which are read while a frame in the other buffer is being handled.
  scratch& control_buffer() noexcept { return control_scratch_; }
  [[nodiscard]] int fd() const noexcept { return poller_.fd(); }

  /// Makes the zygote now, by fork: only while this is the only thread. Else the first start does.
  void fork_zygote();
  /// Starts a process; the link registers itself here until it has ended.
  link_ptr start(role what);
  /// A channel, opened ahead where that was possible: its dozen system calls then cost no start.
  channel take_channel();
  void open_spare_channel();
  void ended(link& l);  ///< called by a link when its report is complete
  void needs_flush(const link_ptr& l) { unflushed_.push_back(l); }

  [[nodiscard]] std::vector<link_ptr> links() const;
  /// Stops all processes in reverse order of their start, within one deadline.
  void stop_all(clock::duration within);
  /// Kills and reaps everything now, the zygote too; what the destructor does.
  void end_now();

  /// `dead_worker` has ended; soon looks for what it left behind.
  void look_for_orphans(int dead_worker);
  void forget_pid(int pid);
  /// For one that does not answer; the loop then starts another.
  void kill_zygote();

  void log(std::string_view text) const;
  void pass_on_error_line(std::string_view line) const;

private:
  class zygote_watch;

  void kill_all() noexcept;
  [[nodiscard]] os::zygote_config zygote_config() const;
  void flush_all();
  void fire_timers();
  void on_zygote_event();
  void request_start(const link_ptr& of);
  void execute_zygote();
  void send_starts();
  void sweep_soon();
  void sweep_orphans();
  [[nodiscard]] std::set<int> known_pids() const;
  void replace_zygote();
  [[nodiscard]] std::uint64_t tag(slot s, unsigned which) const;

  core_options options_;
  os::poller poller_;
  scratch scratch_;
  scratch control_scratch_{control_buffer_bytes};

  struct registered {
    event_handler* handler = nullptr;
    std::uint32_t generation = 0;
  };
  std::vector<registered> slots_;
  std::vector<slot> free_slots_;

  struct timer {
    timer_id id;
    std::function<void()> what;
  };
  std::multimap<clock::time_point, timer> timers_;
  std::unordered_map<timer_id, clock::time_point> timer_times_;
  timer_id next_timer_ = 1;

  std::optional<os::zygote> zygote_;
  std::unique_ptr<zygote_watch> zygote_watch_;
  std::map<std::uint64_t, link_ptr> links_;     ///< by start order
  std::map<std::uint64_t, link_ptr> starting_;  ///< asked of the zygote, not yet answered
  std::vector<std::uint64_t> unasked_;          ///< the zygote's socket was full
  std::vector<link_ptr> unflushed_;
  std::uint64_t next_link_ = 1;
  std::optional<channel> spare_;
  unsigned zygote_deaths_ = 0;        ///< since one last answered
  std::optional<orphanage> orphans_;  ///< only where this process adopts them
  std::size_t sweep_ = 0;             ///< step in the pauses between two looks
  std::size_t looks_ = 0;             ///< more of them, though nothing was found
  timer_id sweep_timer_ = 0;
};

}  // namespace troupe::engine
