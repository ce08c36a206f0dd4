#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "troupe/engine/channel.hpp"
#include "troupe/engine/inbox.hpp"
#include "troupe/engine/keeper.hpp"
#include "troupe/engine/loop_owner.hpp"
#include "troupe/engine/orphanage.hpp"
#include "troupe/engine/timer_queue.hpp"
#include "troupe/engine_api.hpp"
#include "troupe/os/poller.hpp"
#include "troupe/os/zygote.hpp"
#include "troupe/wire/frame.hpp"

namespace troupe::engine {

class actor_host;
class control_groups;
class control_server;
class line_output;
class orderly_end;
class reserve;
class uplink;
struct program_role;

struct core_options {
  std::string program;  ///< argv[0]
  std::string mark;     ///< of this tree, for the programs that workers start
  os::start_method method = os::start_method::fork;
  std::size_t max_message_bytes = wire::default_max_frame_bytes;
  bool debug_log = false;
  bool adopts_orphans = false;         ///< this process is the tree's subreaper
  bool control = false;                ///< answers on a control socket
  std::vector<std::uint32_t> path;     ///< of this process in its tree
  std::uint64_t incarnation = 0;       ///< likewise
  std::vector<std::byte> predecessor;  ///< what is known of the process that was there before
  void (*worker_entry)() = nullptr;
  void (*warm_up)(bool (*has_time)()) = nullptr;  ///< in a spare
  void (*warm_up_zygote)() = nullptr;             ///< in a zygote, before it serves
  os::huge_code huge_code = os::huge_code::soon;  ///< of zygotes
};

/// The system has not got what a process needs: descriptors, memory, a thread.
class start_refused : public std::runtime_error {
  using runtime_error::runtime_error;
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
/// Runs in: its owner, one thread at a time (loop_owner.hpp): all but what is said to be for any
/// thread is for the one that holds a `guard`.
/// Ends: the destructor kills what still runs (`stop_all` is the orderly way) and reaps everything.
class core {
public:
  explicit core(core_options options);
  core(const core&) = delete;
  core& operator=(const core&) = delete;
  ~core();

  [[nodiscard]] const core_options& options() const noexcept { return options_; }
  /// What this process has become since the loop was made: `path` and what comes with it.
  void set_options(core_options options) { options_ = std::move(options); }

  /// Makes the calling thread the owner while it lives; waits for it. Nests. Any thread.
  class guard {
  public:
    explicit guard(core& of) : core_(of) { core_.enter(); }
    ~guard() { core_.leave(); }
    guard(const guard&) = delete;
    guard& operator=(const guard&) = delete;

  private:
    core& core_;
  };
  /// Lets others own the loop while user code runs in a thread that owns it.
  class released {
  public:
    explicit released(core& of) : core_(of), depth_(of.owner_.let_go()) { core_.note_leave(); }
    ~released() {
      core_.owner_.retake(depth_, [this] { core_.wake(); });
    }
    released(const released&) = delete;
    released& operator=(const released&) = delete;

  private:
    core& core_;
    unsigned depth_;
  };
  [[nodiscard]] loop_owner& owner() noexcept { return owner_; }
  void enter() {
    owner_.take([this] { wake(); });
  }
  void leave() noexcept {
    if (owner_.give_up()) note_leave();
  }
  /// Lets another thread that waits for the loop have it for a moment.
  void yield();
  /// Ends the wait of whoever sleeps in the loop. Any thread.
  void wake() noexcept { os::signal_event(wake_); }
  /// What the keeper does with the loop: runs it until another thread wants it.
  void run_until_wanted();
  /// A thread is about to block outside the loop: what it waits for goes on in the keeper. Any
  /// thread.
  void keep_running();
  /// As `keep_running`, but only should that last. Any thread.
  void need_keeper();
  /// Before what its actors use goes; waits for the handler that it may be in.
  void stop_keeper();

  /// The link of a worker to its parent, to be flushed like the others.
  void set_uplink(uplink* to) noexcept { uplink_ = to; }
  void set_actors(actor_host* host) noexcept { actors_ = host; }
  /// Null while no actor lives in this process.
  [[nodiscard]] actor_host* actors() const noexcept { return actors_; }

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

  using timer_id = timer_queue::id;
  timer_id at(clock::time_point when, std::function<void()> what);
  timer_id after(clock::duration delay, std::function<void()> what) {
    return at(deadline(delay), std::move(what));
  }
  /// The same for a function of the user's: never called by the keeper.
  timer_id after_for_user(clock::duration delay, std::function<void()> what);
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
  /// `place`: see link. @throws start_refused
  link_ptr start(role what, std::optional<std::uint32_t> place = std::nullopt);
  /// The same for any program.
  link_ptr start_program(program_role what, std::optional<std::uint32_t> place);
  /// Asks the zygote for the process of a link. @throws kj::Exception
  void request_start(const link_ptr& of);
  /// A channel, opened ahead where that was possible: its dozen system calls then cost no start.
  channel take_channel();
  /// Closes it when the loop has time: to unmap it costs as much as half a start.
  void discard(channel what);
  void discard(os::descriptor what);
  /// What a start or a restart leaves to do is done when every process has done what it was started
  /// for, as then nobody waits for this thread; or in 2 ms.
  void tidy_soon();
  /// Processes without a role, see there.
  [[nodiscard]] class reserve& reserve() noexcept { return *reserve_; }
  /// Of its children that have some of their own, see there.
  [[nodiscard]] class control_groups& control_groups();
  /// For the reserve: names a request, and makes it. False: not now.
  [[nodiscard]] std::uint64_t new_token() noexcept { return next_link_++; }
  [[nodiscard]] bool ask_zygote(std::uint64_t token, const os::worker_ends& ends);
  void ended(link& l);  ///< called by a link when its report is complete
  void needs_flush(const link_ptr& l) { unflushed_.push_back(l); }

  /// Counts processes that have not said hello yet.
  void start_begins() noexcept { ++starting_count_; }
  void start_ends() noexcept { --starting_count_; }
  [[nodiscard]] int starting_count() const noexcept { return starting_count_; }
  [[nodiscard]] std::vector<link_ptr> links() const;
  /// Null when it has ended.
  [[nodiscard]] link* find_link(std::uint64_t id) const noexcept {
    const auto found = links_.find(id);
    return found != links_.end() ? found->second.get() : nullptr;
  }
  /// Stops all processes in reverse order of their start, within one deadline.
  void stop_all(clock::duration within);
  /// The same without waiting: tells all of it to end, see orderly_end.hpp. `then`: once, when it
  /// has.
  void end_in_order(std::function<void()> then);
  /// The program's function has returned.
  void note_return() noexcept { has_returned_ = true; }
  [[nodiscard]] bool has_returned() const noexcept { return has_returned_; }
  /// Kills and reaps everything now, the zygote too. What asks for a process from then on gets
  /// none.
  void end_now();

  /// Opens the control socket, if this process is to have one and has none yet: there is something
  /// to see.
  void open_control();
  /// Whoever watches the tree has something new to see.
  void note_change();
  [[nodiscard]] clock::time_point created_at() const noexcept { return created_at_; }

  /// `dead_worker` has ended; soon looks for what it left behind.
  void look_for_orphans(int dead_worker);
  /// A process somewhere below has ended: whoever adopts what it left looks for it soon.
  void orphans_may_be_there();
  void forget_pid(int pid);
  /// For one that has answered nothing for so long; the loop then starts another. One that is only
  /// slow, with many starts to go, lives on.
  void kill_zygote_silent_for(clock::duration limit);

  void log(std::string_view text);
  /// To stderr. A root's never waits for who reads that.
  void pass_on_error_line(std::string_view line) noexcept;
  /// stdout, for what programs print there.
  [[nodiscard]] line_output& output();
  /// Waits until all of that is written; false: it could not be.
  [[nodiscard]] bool finish_output() noexcept;

private:
  void start_keeper();
  void note_leave() noexcept {
    if (keeper* const k = keeper_now_.load(std::memory_order_acquire)) k->note_leave();
  }
  [[nodiscard]] bool in_keeper() const noexcept {
    return keeper_mark_ != 0 && keeper_mark_ == loop_owner::this_thread();
  }
  class wake_watch;
  class zygote_watch;

  /// Whether this turn has kept another thread waiting for long: what is left is for the next.
  [[nodiscard]] bool gives_way();
  /// Whether there have been more events than a turn hears of for so long that timers can't wait.
  [[nodiscard]] bool events_last();
  void kill_all() noexcept;
  void tidy();
  void release_holders();
  [[nodiscard]] std::size_t wait(std::span<os::poller::event> into,
                                 std::optional<clock::time_point> limit);
  void open_spare_channel();
  [[nodiscard]] os::zygote_config zygote_config() const;
  void flush_all();
  void fire_timers(timer_queue& of);
  [[nodiscard]] std::optional<clock::time_point> next_timer() const;
  void on_zygote_event();
  void admit(const link_ptr& l);
  void request_first_start(const link_ptr& of);
  void execute_zygote();
  void send_starts();
  void sweep_soon();
  void sweep_for_long();
  void sweep_orphans();
  [[nodiscard]] std::set<int> known_pids() const;
  void replace_zygote();
  void watch_zygote();
  void end_zygote();
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

  timer_queue timers_;
  timer_queue user_timers_;
  timer_id next_timer_id_ = 1;

  loop_owner owner_;
  loop_owner::thread_mark keeper_mark_ = 0;  ///< its thread; it may be in a handler, not the owner
  std::optional<clock::time_point> give_way_at_;  ///< in this turn; none: nobody was seen to wait
  std::optional<clock::time_point> timers_wait_since_;  ///< for events that may have come before
  os::descriptor wake_;
  slot wake_slot_ = 0;
  std::unique_ptr<wake_watch> wake_watch_;
  actor_host* actors_ = nullptr;
  uplink* uplink_ = nullptr;

  std::optional<os::zygote> zygote_;
  std::unique_ptr<zygote_watch> zygote_watch_;
  std::map<std::uint64_t, link_ptr> links_;     ///< by start order
  std::map<std::uint64_t, link_ptr> starting_;  ///< asked of the zygote, not yet answered; by token
  std::vector<std::uint64_t> unasked_;          ///< the zygote's socket was full, or all ends
  bool ending_ = false;                         ///< no process is started any more
  std::vector<link_ptr> unflushed_;
  std::uint64_t next_link_ = 1;
  std::optional<channel> spare_;
  std::vector<channel> discarded_;
  std::vector<channel> held_;  ///< the same, of workers whose memory is held
  std::vector<os::descriptor> closed_later_;
  int starting_count_ = 0;
  std::set<link*> coming_up_;  ///< links that have not done yet what they were started for
  timer_id forget_timer_ = 0;  ///< set: the zygote is to hear of dead processes
  timer_id tidy_timer_ = 0;    ///< set: there is something to tidy
  timer_id holders_timer_ = 0;
  std::unique_ptr<class reserve> reserve_;
  std::unique_ptr<class control_groups> groups_;  ///< once one is wanted
  unsigned zygote_deaths_ = 0;                    ///< since one last answered
  clock::time_point zygote_heard_{};              ///< its last answer
  const clock::time_point created_at_ = clock::now();
  std::unique_ptr<control_server> control_;
  bool opened_control_ = false;
  std::unique_ptr<orderly_end> orderly_end_;  ///< once it was asked for
  std::optional<orphanage> orphans_;          ///< only where this process adopts them
  std::size_t sweep_ = 0;                     ///< step in the pauses between two looks
  std::unique_ptr<line_output> errors_;       ///< only in a root
  std::unique_ptr<line_output> output_;       ///< once a program has printed something
  bool has_returned_ = false;
  std::size_t looks_ = 0;  ///< more of them, though nothing was found
  timer_id sweep_timer_ = 0;
  std::atomic<keeper*> keeper_now_{nullptr};
  std::atomic<bool> keeper_stops_{false};
  std::unique_ptr<keeper> keeper_;  ///< last: it goes before what it uses
};

}  // namespace troupe::engine
