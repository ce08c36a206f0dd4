#pragma once

#include <memory>
#include <optional>
#include <string>

#include "troupe/engine/channel.hpp"
#include "troupe/engine/core.hpp"
#include "troupe/engine/inbox.hpp"
#include "troupe/engine/line_splitter.hpp"
#include "troupe/engine/outbox.hpp"
#include "troupe/engine/peer.hpp"
#include "troupe/policy/stop_ladder.hpp"

namespace troupe::engine {

class program_link;

/// What the owner of a link wants to know beside the answers.
class link_observer {
public:
  /// It has a process.
  virtual void on_started(link&) {}
  /// The system has refused it a process; it is asked again.
  virtual void on_refused(link&) {}
  virtual void on_ready(link& l) = 0;
  /// It is dead and nothing is cleaned up yet: the moment to ask for its replacement.
  virtual void on_death(link& l) = 0;
  /// Its report is complete and each of its requests has had its outcome.
  virtual void on_ended(link& l) = 0;

protected:
  ~link_observer() = default;
};

/// One worker process, as its parent sees it: mailbox, control lane, stderr and death.
///
/// Each request gets exactly one outcome: the worker's answer, or at its death a failure that says
/// whether the work may have happened.
/// Owns: its end of the channel and, until it is reaped, the pid.
/// Runs in: the parent's loop. Ends: `core` keeps it until the process is reaped.
class link : public event_handler, public peer, public std::enable_shared_from_this<link> {
public:
  enum class state : std::uint8_t { starting, ready, ended };

  /// `place`: in this process's part of paths; a supervised child keeps that of its predecessor.
  link(core& owner, std::uint64_t id, place place_in_path, role what, channel through);
  virtual ~link();

  [[nodiscard]] std::uint64_t id() const noexcept { return id_; }
  [[nodiscard]] place place_in_path() const noexcept { return place_in_path_; }
  [[nodiscard]] std::uint64_t incarnation() const noexcept { return incarnation_; }
  [[nodiscard]] int pid() const noexcept { return pid_; }
  /// -1 until it is known, and when the process is reaped.
  [[nodiscard]] int pidfd() const noexcept { return pidfd_.get(); }
  /// Of its own control group; -1: it has none.
  [[nodiscard]] int group_folder() const noexcept;
  [[nodiscard]] state now() const noexcept { return state_; }
  [[nodiscard]] const role& serves() const noexcept { return role_; }
  /// "actor" and so on, for those who look at the tree.
  [[nodiscard]] virtual std::string kind() const;
  /// As sentences name it: "process 12 (name)".
  [[nodiscard]] std::string described() const;
  /// Null when it is a worker.
  virtual program_link* as_program() noexcept { return nullptr; }
  [[nodiscard]] core& owner() const noexcept { return core_; }
  /// The message that a dead worker was at, whole; empty when there was none, or it is not kept.
  [[nodiscard]] std::span<const std::byte> blamed() const noexcept {
    return std::as_bytes(std::span{blamed_});
  }
  [[nodiscard]] bool is_dead() const noexcept {
    return status_.how != os::wait_status::kind::running;
  }
  /// Whether it is dead, and did not end by itself with exit code 0.
  [[nodiscard]] bool has_failed() const noexcept {
    return is_dead() && (status_.how != os::wait_status::kind::exited || status_.value != 0);
  }
  /// It is ready, and has done what it was asked until now.
  [[nodiscard]] bool is_up();
  /// It was a spare, and is not up yet.
  [[nodiscard]] bool is_soon_up() { return was_spare_ && (was_spare_ = !is_up()); }
  void was_spare() noexcept { was_spare_ = true; }
  /// Told to end, and not ended yet.
  [[nodiscard]] bool is_stopping() const noexcept { return ladder_ && state_ != state::ended; }
  /// When its pid became known; zero before.
  [[nodiscard]] clock::time_point started_at() const noexcept { return started_at_; }
  /// Complete when `now()` is `ended`.
  [[nodiscard]] const std::shared_ptr<exit_report>& report() const noexcept { return report_; }
  void observe(link_observer* by) noexcept { observer_ = by; }

  /// Makes `what` an actor of the worker; its number is the target of messages to it.
  std::uint64_t bind(const role& what);
  void unbind(std::uint64_t target);

  /// See engine_api.hpp; target 1 is the role the process was started with.
  std::optional<failure> post(const wire::header& head, const payload_source& what,
                              answer_sink* sink, std::uint64_t tag) override;
  void answer(std::uint64_t number, const payload_source& what) override;
  [[nodiscard]] place where() const noexcept override { return static_cast<place>(id_); }
  /// Whether a message would be taken now, without waiting.
  [[nodiscard]] bool has_room() const noexcept { return outbox_.admits(0); }
  /// Whether a sender that found the mailbox full may go on: there is room, and half of what waited
  /// has left, so that it is not woken for each message. Until then the pipe will tell of room.
  [[nodiscard]] bool takes(std::size_t bytes);
  void flush();
  void flush_if_due() {
    if (flush_is_due_) flush();
  }
  /// Writes out a message that has no company: one sent more than 50 us after the last write.
  void flush_if_lone();
  /// One read, without waiting; true when something came.
  bool read_answers();
  void forget(const answer_sink& sink) noexcept { outbox_.forget(sink); }

  /// Number of the oldest message that may come back.
  [[nodiscard]] std::uint64_t first_kept() const noexcept { return outbox_.first_number(); }

  /// Number of the message whose handler runs now, as the worker's page says.
  [[nodiscard]] std::optional<std::uint64_t> in_progress() const noexcept;
  /// Number of the message that was put into the mailbox last.
  [[nodiscard]] std::uint64_t last_number() const noexcept { return outbox_.last_number(); }
  /// How far the worker is with its messages, as its page says now or said when it died.
  [[nodiscard]] wire::progress progress() const noexcept;
  /// How far it is inside a chunk, and the outcomes that it has not sent yet. Valid until its end
  /// has been told to everybody. Null while there is no page.
  [[nodiscard]] chunk_slot* chunk() const noexcept {
    return channel_.memory.data() != nullptr ? &channel_.page().chunk : nullptr;
  }
  [[nodiscard]] std::span<const std::byte> outcomes() const noexcept { return channel_.outcomes(); }

  /// Messages that it has not begun, as its page says.
  [[nodiscard]] std::size_t waiting() const;
  void signal(int number);
  void stop(clock::duration grace);
  void capture_to(const std::string& path);

  // For tests: a slow pipe, and bytes that the worker did not write.
  void hold(bool on);
  void inject(std::span<const std::byte> bytes);

  // Called by core.
  /// Asks the zygote to start it; false: try again later.
  virtual bool ask(os::zygote& of, os::start_method method);
  virtual void started(os::zygote::reply reply);
  /// The system has refused to make it. True: it may have what is wanted soon, and is asked again.
  [[nodiscard]] bool waits_for_system(int error);
  /// The zygote died before it answered. A worker says hello before it reads its mailbox: true, it
  /// has done so, and goes on; else it can't any more, and ends.
  [[nodiscard]] bool is_found();
  /// After that: gets ready for another process. False: there was one that may have begun
  /// something, or it was to be stopped.
  [[nodiscard]] virtual bool reopen();
  /// The loop ends before it has: whoever waits for it is told so.
  void abandon();
  void fail_start(const std::string& why);
  void kill_now() noexcept;
  void on_event(unsigned which, bool readable, bool writable) override;

protected:
  enum class event : unsigned { death = core::urgent_event, data, control, errors, room };

  void watch(event what, int fd, bool writable = false) {
    core_.watch(slot_, static_cast<unsigned>(what), fd, writable);
  }
  void become_ready();
  /// SIGTERM, and SIGCONT because a stopped process acts on none.
  void send_term();
  void reject(exit_cause why, const std::string& detail);
  void expect_no_hello() { core_.cancel(start_timer_); }

  // What differs where no worker is at the other end.
  virtual void register_channel();
  virtual void unregister_channel() noexcept;
  virtual void on_data() { read_answers(); }
  virtual void on_control() { read_control(); }
  virtual void on_writable() { flush(); }
  [[nodiscard]] virtual policy::stop_ladder ladder(clock::duration grace) const;
  [[nodiscard]] virtual const char* sign_of_life() const noexcept { return "said hello"; }
  [[nodiscard]] virtual std::string why_not_executed(const os::zygote::reply& reply) const;
  /// What the dead process has left in its pipes, but for stderr.
  virtual void take_rest();
  /// Those who wait for something hear what became of it.
  virtual void answer_all();

  core& core_;
  channel channel_;
  os::descriptor pidfd_;
  bool registered_ = false;
  bool waits_for_room_ = false;
  bool was_full_ = false;         ///< and nobody was told yet that it is no longer
  core::timer_id end_timer_ = 0;  ///< grace after a closed channel, or the ladder's next step

private:
  void ask_again();
  /// Gives the zygote, and then the worker, 10 s each; more if others start beside it.
  void limit_start();
  void end_start() noexcept;
  void read_control();
  void read_errors();
  void on_frame(std::span<const std::byte> frame);
  void on_control_frame(std::span<const std::byte> frame);
  void on_hello(const wire::Envelope::Reader& envelope);
  /// As it says itself, in a hello that waits to be read; 0: there is none.
  [[nodiscard]] int pid_of_hello() const;
  void on_closed();
  void hung_up();
  void on_death();
  void drain();
  void fill_report();
  void finish();
  void climb_ladder();
  void close_mailbox();
  void send_signal(int number) noexcept;
  void send_control(wire::Envelope::Kind kind, std::uint64_t target);
  /// Lets go of messages that can't be needed again; `closely`: looks at the worker's page for it.
  void settle(bool closely);
  void schedule_flush();
  [[nodiscard]] failure outcome_of(std::uint64_t number) const;
  void note_progress(std::uint64_t number) noexcept {
    if (number > known_begun_) known_begun_ = number;
  }

  const std::uint64_t id_;
  const place place_in_path_;
  const std::uint64_t incarnation_;
  role role_;
  core::slot slot_;
  os::descriptor capture_;
  int pid_ = -1;
  state state_ = state::starting;
  bool start_counts_ = true;     ///< among those that the core gives more time for
  bool may_have_begun_ = false;  ///< a process that nobody can find
  bool flush_is_due_ = false;
  bool closed_ = false;
  bool hung_up_ = false;    ///< some descriptor of it was closed
  bool was_spare_ = false;  ///< and, when last looked at, was not up yet
  bool held_ = false;
  std::uint64_t targets_ = 0;
  std::uint64_t known_begun_ = 0;      ///< begun at least, without a look at the page
  wire::progress last_progress_;       ///< when it died
  std::vector<std::uint64_t> blamed_;  ///< whole words
  std::size_t flush_at_ = 16 * 1024;   ///< a quarter of the pipe
  std::optional<int> sent_signal_;     ///< by `signal`
  unsigned refusals_ = 0;              ///< by the system, of starts
  core::timer_id again_timer_ = 0;     ///< set: it will be asked again
  clock::time_point last_flush_{};
  clock::time_point started_at_{};
  os::wait_status status_;          ///< when it is dead
  bool ran_out_of_memory_ = false;  ///< that its group may have

  outbox outbox_;
  inbox inbox_;
  wire::envelope_reader reader_;
  inbox control_inbox_;
  line_splitter errors_text_;
  std::uint64_t stray_ = 0;  ///< answers that nobody waits for, messages to nobody

  std::optional<exit_cause> cause_;  ///< decided before the status was known
  std::string detail_;
  std::shared_ptr<exit_report> report_;
  std::optional<policy::stop_ladder> ladder_;
  bool is_out_of_reach_ = false;
  clock::time_point ladder_start_;
  core::timer_id start_timer_ = 0;
  link_observer* observer_ = nullptr;
};

}  // namespace troupe::engine
