#pragma once

#include <kj/common.h>
#include <caf/blocking_actor.hpp>
#include <caf/exit_reason.hpp>
#include <caf/scoped_execution_unit.hpp>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "troupe/address.hpp"
#include "troupe/bridge/caf_compat.hpp"
#include "troupe/bridge/loop_system.hpp"
#include "troupe/bridge/sender_book.hpp"
#include "troupe/bridge/supervision_view.hpp"
#include "troupe/engine/core.hpp"
#include "troupe/engine/link.hpp"
#include "troupe/engine/peer.hpp"
#include "troupe/engine/termination.hpp"
#include "troupe/error.hpp"
#include "troupe/policy/actions.hpp"
#include "troupe/supervisor.hpp"

namespace troupe::bridge {

class answer_guard;
class main_actor;
class proxy;
class route;
class remote_actor;
class supervisor;

/// Whether the process at `path` lies below the one at `top`.
inline bool is_below(const std::vector<std::uint32_t>& top,
                     const std::vector<std::uint32_t>& path) {
  return path.size() > top.size() && std::equal(top.begin(), top.end(), path.begin());
}

/// Dynamic children, and what is below them, are others in each life of their supervisor.
inline bool is_static(const std::string& path) {
  return !path.empty() && path.find('#') == std::string::npos;
}

/// Of what has this path in every life of its process.
inline std::uint64_t number_of(const std::string& path) {
  return number_for_good | std::hash<std::string>{}(path);
}

/// Who supervises a process that was started here. Called by the owner of the loop.
class child_owner {
public:
  using place = engine::peer::place;

  virtual void on_started(place which) = 0;
  virtual void on_ready(place which) = 0;
  /// Its process is dead; `on_gone` follows when all that it left is looked at.
  virtual void on_death(place which) = 0;
  /// It says why it can't be what it was started for; it ends by itself.
  virtual void on_not_started(place which, const caf::error& why) = 0;
  /// `reason`: of its actor, when that ended in good order; else of the process.
  virtual void on_gone(place which, const caf::error& reason,
                       const std::shared_ptr<const exit_report>& report) = 0;
  /// A message that it never began.
  virtual void give_back(place which, caf::mailbox_element_ptr what) = 0;
  /// Its mailbox, which was full, takes messages again.
  virtual void on_room(place which) = 0;

protected:
  ~child_owner() = default;
};

/// What the one above a supervisor wants to know of it. Called on the loop.
struct supervisor_listener {
  std::function<void()> ready;
  std::function<void(const policy::finish&)> finished;
  /// Whoever listens decides about the handles of its children when it has finished: `start_again`
  /// has them go on, `retire` ends them.
  bool may_start_again = false;
};

/// A message that its receiver never began.
struct lost_message {
  caf::strong_actor_ptr receiver;
  caf::message content;
  std::shared_ptr<const exit_report> report;
};

/// The actors of one process and all that they know of others: CAF's actor system on our loop, the
/// actors that other processes may write to, proxies for those that live elsewhere, and the
/// requests under way between them. Made by the first actor of a process.
///
/// Runs in: the owner of the loop, but for what is said to be for any thread.
class node final : public engine::actor_host, public engine::answer_sink {
public:
  using place = engine::peer::place;

  explicit node(engine::core& loop);
  ~node();

  /// This process's own; made now if there is none yet.
  static node& here();
  static node* if_made() noexcept;
  /// Ends what `here` made: actors first, then CAF.
  static void end_here();

  [[nodiscard]] engine::core& core() noexcept { return core_; }
  [[nodiscard]] caf::actor_system& system() noexcept { return **system_; }
  [[nodiscard]] loop_clock& clock() noexcept;
  /// The actor of this process's main thread.
  caf::blocking_actor* self();
  /// Calls `what` with an actor that waits in this thread, which may be the keeper's.
  template <class What>
  void with_waiting_actor(What what) {
    if (is_main()) return what(*self());
    const caf::strong_actor_ptr made = make_waiting_actor();
    auto& actor = static_cast<caf::blocking_actor&>(*made->get());
    KJ_DEFER(actor.cleanup(caf::exit_reason::normal, nullptr));
    what(actor);
  }

  // --- any thread ---

  /// Calls `what` as owner of the loop: now if that is possible, else soon.
  void post(std::function<void()> what);
  template <class F>
  void locally(F&& what) {
    if (const turn mine{*this}) {
      what();
    } else {
      post(std::forward<F>(what));
    }
  }
  /// A message for an actor that lives elsewhere.
  void send(remote_actor& to, caf::mailbox_element_ptr what);
  void run_later(caf::resumable* job);
  /// A message of the loop's own to any actor; never waits for room.
  void forward(const caf::strong_actor_ptr& to, caf::mailbox_element_ptr what);
  void forget(const address& where, caf::actor_control_block* who);

  // --- parents ---

  /// Starts a process for an actor; its handle.
  caf::strong_actor_ptr start(engine::role what, const payload_source& arguments);
  /// The same for a child of `owner`, which hears of it until `disown`.
  caf::strong_actor_ptr start_child(engine::role what, const payload_source& arguments,
                                    child_owner& owner, std::optional<place> place_in_path);
  /// The same for any program.
  caf::strong_actor_ptr start_program(engine::program_role what, child_owner& owner,
                                      std::optional<place> place_in_path);
  /// A message that its process never began, to whoever supervises that; false: nobody does.
  bool give_back(place which, caf::mailbox_element_ptr what);
  /// Nobody will take that place in paths again.
  void free_place(place place_in_path, const caf::error& reason);
  void keep_place(place place_in_path) { kept_places_[place_in_path] = {}; }
  /// The same in every life of this process, whatever else it starts meanwhile; none: another has
  /// it.
  [[nodiscard]] std::optional<place> place_for(const std::string& path) const;
  /// Whether this actor lives in, or below, a process of this one's that has been told to end.
  [[nodiscard]] bool is_stopping(const caf::strong_actor_ptr& actor);
  /// Routes tell whether messages wait in them; of these, requests of those who are to end are
  /// answered: their end may be what is waited for.
  void note_waiting(route& which, bool any);
  void release_stopping();
  /// Nothing will start what belongs there but a call: what is sent there meanwhile fails with
  /// `why`.
  void place_is_down(place place_in_path, const caf::error& why);
  /// `actor` is the one of that number, also in the next life of this process.
  void export_for_good(const caf::strong_actor_ptr& actor, std::uint64_t number);
  void disown(child_owner& owner) noexcept;
  [[nodiscard]] static engine::link_ptr link_of(const caf::strong_actor_ptr& handle);
  void on_lost(std::function<void(const lost_message&)> handler) { lost_ = std::move(handler); }
  void lose(lost_message what);

  /// The content of a frame, as far as it is one for an actor; else empty.
  caf::message content_of(std::span<const std::byte> frame);
  [[nodiscard]] bool has_export(std::uint64_t number) const { return exports_.count(number) != 0; }
  /// A supervisor of this process, above all others. The caller starts it, in which it may finish.
  std::shared_ptr<supervisor> supervise(supervisor_spec spec, std::string path,
                                        supervisor_listener to);
  void supervisor_finished();
  [[nodiscard]] static caf::error being_restarted();
  void tell_lifecycle(lifecycle_event what);
  /// An actor that takes such events from processes below.
  const caf::strong_actor_ptr& events();
  void on_lifecycle(std::function<void(const lifecycle_event&)> handler) {
    watcher_ = std::move(handler);
  }
  [[nodiscard]] bool watches_lifecycle() const noexcept { return watcher_ != nullptr; }
  /// What the program's handler has not been told yet, if this is its thread.
  void tell_seen_events();
  /// Before anything else stops the processes of this one; false when `limit` passes first.
  bool stop_supervisors(engine::clock::time_point limit);

  // --- workers ---

  /// Makes `actor` the one that messages to `number` are for; the process ends with it, with exit
  /// code 1 when that was by an exception.
  void host(std::uint64_t number, std::string_view name, caf::strong_actor_ptr actor);

  // --- addresses ---

  address address_of(const caf::strong_actor_ptr& actor);
  caf::strong_actor_ptr actor_at(const address& where);
  /// The same as a weak handle; one that lived here and has ended is itself.
  caf::actor_addr weak_actor_at(const address& where);
  /// The address of an actor that may be gone; nothing when it never had one.
  std::optional<address> last_address_of(const caf::actor_addr& actor) const;
  /// A proxy is to hear of its actor's end.
  void watch(proxy& who);

  // --- answers of actors here ---

  /// The one answer to a request from elsewhere; later ones are dropped. Any thread.
  void respond(std::uint64_t request, caf::mailbox_element_ptr what);
  void broken_promise(std::uint64_t request);
  /// Whether a message of this id answers such a request.
  [[nodiscard]] static bool is_ours(caf::message_id id) noexcept;

  // --- the loop, for remote actors ---

  /// Sends it through `to`, for `as`; an answer comes from `as`. Why not, when it was not taken.
  /// `early`: its actor is being made, and is not to get it before it is ready.
  std::optional<engine::failure> try_send(proxy& to, caf::mailbox_element& what, remote_actor& as,
                                          bool early = false);
  /// Sends it, or tells whom it concerns that it can't be sent.
  void send_now(proxy& to, caf::mailbox_element_ptr what);
  void refuse(remote_actor& to, caf::mailbox_element_ptr what, const engine::failure& why);
  /// Whether the caller stands outside of any actor: only such a one waits for room, the others get
  /// an error, and so does what the loop itself passes on: a loop that waited could go round in it.
  [[nodiscard]] bool may_wait() const noexcept {
    return is_main() && !in_handler() && !passes_on();
  }

  // --- the loop, for the actor of the main thread ---

  /// Runs the loop until `done`; false when `limit` passes first.
  bool run_until(const std::function<bool()>& done, std::optional<engine::clock::time_point> limit);
  /// Throws away what is scheduled, as CAF ends.
  void drop_jobs();
  [[nodiscard]] std::size_t proxies() const;

  bool on_message(engine::peer& from, const wire::incoming& message) override;
  void on_exit(engine::peer& from, const wire::incoming& message) override;
  void on_gone(engine::peer& from) override;
  void on_room(engine::peer& of) override;
  void on_dead_letter(engine::peer& to, const wire::incoming& message,
                      const std::shared_ptr<const exit_report>& why) override;
  bool run_actors() override;
  engine::control_source& supervision() override { return supervision_view_; }
  void end() override;
  void answered(std::uint64_t tag, const payload_view& answer) override;
  void failed(std::uint64_t tag, const engine::failure& why) override;

private:
  /// A request of this process, or one on its way through it, that waits for its answer.
  struct asked {
    enum class kind : std::uint8_t { free, request, watch, relay, start } is = kind::free;
    caf::strong_actor_ptr sender;  ///< request: who asked; watch: the proxy
    caf::strong_actor_ptr to;      ///< request: the proxy
    caf::message_id id;
    caf::mailbox_element::forwarding_stack stages;
    place from =
        0;  ///< request, start: where it went; relay: where it came from, and its number there
    std::uint64_t number = 0;
    place via = 0;          ///< relay: where it went
    bool is_watch = false;  ///< relay: and its end, for good, is the answer
    bool by_route = false;  ///< request: to whoever serves that route
  };
  struct inbound {
    place from = 0;
    std::uint64_t number = 0;
  };
  struct child {
    engine::link_ptr link;
    caf::strong_actor_ptr proxy;
    std::optional<caf::error> reason;
    child_owner* owner = nullptr;
  };
  /// Processes of supervised children.
  class child_watch final : public engine::link_observer {
  public:
    explicit child_watch(node& of) : node_(of) {}
    void on_started(engine::link& l) override;
    void on_ready(engine::link& l) override;
    void on_death(engine::link& l) override;
    void on_ended(engine::link& l) override;

  private:
    node& node_;
  };
  class unit final : public caf::scoped_execution_unit {
  public:
    explicit unit(node& of) : node_(of) {}
    void exec_later(caf::resumable* job) override { node_.run_later(job); }

  private:
    node& node_;
  };

  /// Makes the calling thread the owner of the loop while it lives, if nobody else is; what was
  /// posted is done first.
  class turn {
  public:
    explicit turn(node& of);
    ~turn();
    turn(const turn&) = delete;
    turn& operator=(const turn&) = delete;
    explicit operator bool() const noexcept { return is_mine_; }

  private:
    node& node_;
    const bool is_mine_;
  };
  [[nodiscard]] bool is_next(const std::vector<std::uint32_t>& path) const;
  /// Whether this thread is inside an actor's handler.
  [[nodiscard]] static bool in_handler() noexcept;
  /// Whether this thread passes on what another thread or process has sent.
  [[nodiscard]] static bool passes_on() noexcept;
  /// While what others sent is passed on, nothing waits for room.
  struct passage {
    passage() noexcept;
    ~passage();
    passage(const passage&) = delete;
    passage& operator=(const passage&) = delete;
  };
  /// False: it was skipped.
  bool activate_hosted(caf::mailbox_element& what);
  caf::strong_actor_ptr make_waiting_actor();
  void answer(std::uint64_t request, const caf::type_erased_tuple& content);
  std::optional<inbound> close(std::uint64_t request);
  void kill_below(const std::vector<std::uint32_t>& path, const caf::error& reason);
  void let_go();
  void flush_if_lone(engine::peer& to);
  void run_posted();
  bool run_job(caf::resumable* job);
  child_owner* owner_of(place which);
  caf::strong_actor_ptr start_process(engine::role what, std::optional<place> place_in_path);
  caf::strong_actor_ptr take_process(const engine::link_ptr& link,
                                     std::optional<place> place_in_path);
  std::optional<engine::failure> write_line(engine::program_link& to, caf::mailbox_element& what,
                                            remote_actor& as);
  /// Whether a supervisor has not started all its children yet.
  [[nodiscard]] bool supervisors_start() const;
  /// Whether a function runs here, which may not have got to the supervisor of this child yet.
  [[nodiscard]] bool function_may_supervise(const address& who) const;
  /// Whether its place is kept, so that it, or its next life, is to be there again.
  [[nodiscard]] bool comes_back(const address& who) const;
  /// The same while supervisors have not got to all places yet.
  [[nodiscard]] bool may_come_back(const address& who) const;
  [[nodiscard]] caf::error end_on_the_way(const address& who, const caf::error& why) const;
  /// Whether its process will be there again: who waits for its end goes on waiting.
  [[nodiscard]] bool is_kept(const std::vector<std::uint32_t>& path) const;
  [[nodiscard]] caf::error why_away(const std::vector<std::uint32_t>& path) const;
  [[nodiscard]] bool is_me(const address& where) const noexcept;
  void watch_again(proxy& who);
  void watch_those_again();
  [[nodiscard]] engine::peer* way_to(const address& where);
  void end_watch(proxy& who, const caf::error& reason);
  [[nodiscard]] caf::error ended_on_the_way(const asked& request, const caf::error& why) const;
  [[nodiscard]] engine::peer* peer_at(place where);
  sender_book& senders_at(engine::peer& which);
  /// Null when there is none, or nobody knows any more.
  sender_book::known_sender* known_sender_of(engine::peer& from, const wire::incoming& message);
  caf::strong_actor_ptr sender_of(engine::peer& from, const wire::incoming& message);
  void relay(engine::peer& from, const wire::incoming& message, const address& receiver);
  bool deliver(engine::peer& from, const wire::incoming& message, std::uint64_t number);
  void answer_watch(const caf::strong_actor_ptr& actor, engine::peer& from, std::uint64_t number);
  void answer_with(place to, std::uint64_t number, const caf::error& what);
  void give(asked& request, const payload_view& answer);
  void give_error(asked& request, const caf::error& why) {
    give_message(request, caf::make_message(why));
  }
  void give_message(asked& request, const caf::message& content);
  std::uint64_t remember(asked what);
  asked release(std::uint64_t tag);
  caf::strong_actor_ptr fresh_guard();
  void tell_losses();
  void note_end(const address& of, const caf::error& reason, caf::weak_actor_ptr who = nullptr);
  /// Holds an actor of which a message has only a weak handle, until 256 others have come.
  void keep(caf::strong_actor_ptr actor);
  [[nodiscard]] caf::error end_of(const address& who) const;
  [[nodiscard]] bool is_main() const noexcept { return std::this_thread::get_id() == main_thread_; }

  engine::core& core_;
  std::thread::id main_thread_;
  unit unit_;
  std::unique_ptr<loop_system> system_;
  std::unordered_map<std::uint64_t, caf::strong_actor_ptr> exports_;
  std::unordered_map<caf::actor_id, std::uint64_t> numbers_;
  std::unordered_map<place, sender_book> senders_;  ///< by the process next to this one
  std::pair<place, sender_book*> last_senders_{0, nullptr};
  std::map<place, child> children_;
  std::unordered_map<place, engine::link_ptr> reused_places_;
  std::unordered_set<route*> with_waiting_;
  std::vector<caf::strong_actor_ptr> to_watch_again_;
  engine::core::timer_id watch_timer_ = 0;
  std::map<place, caf::error> kept_places_;  ///< why nobody is there; none: somebody soon is
  child_watch child_watch_{*this};
  std::vector<asked> asked_;
  std::vector<std::uint64_t> free_;
  std::unordered_map<std::uint64_t, inbound> inbound_;
  struct {
    std::uint64_t request = 0;
    inbound from;
  } in_hand_;  ///< the one whose handler runs, until it is answered: most never get into the map
  std::uint64_t next_request_;
  caf::strong_actor_ptr guard_;
  engine::link_ptr hot_;  ///< where the last request went
  std::function<void(const lost_message&)> lost_;
  std::deque<lost_message> unseen_losses_;  ///< for the main thread
  std::function<void(const lifecycle_event&)> watcher_;
  std::deque<lifecycle_event> unseen_events_;  ///< likewise
  std::vector<std::shared_ptr<supervisor>> supervisors_;
  std::unique_ptr<engine::termination> termination_;  ///< while there are any, in a root
  caf::strong_actor_ptr events_;
  supervision_view supervision_view_{supervisors_};
  engine::core::timer_id timer_ = 0;
  std::optional<loop_clock::time_point> timer_at_;

  caf::strong_actor_ptr hosted_;
  std::uint64_t hosted_number_ = 0;
  caf::resumable* hosted_job_ = nullptr;
  caf::strong_actor_ptr self_;

  unsigned running_ = 0;  ///< handlers, in all threads; counted by the owner of the loop

  std::mutex jobs_mutex_;
  std::deque<caf::resumable*> jobs_;
  std::deque<caf::resumable*> hosted_jobs_;  ///< only the worker's main thread runs that actor
  std::vector<std::function<void()>> posted_;
  std::atomic<bool> has_posted_{false};
  std::atomic<bool> has_jobs_{false};

  /// How the actors ended that lived here, and the processes below; the last 1,024.
  struct end_note {
    caf::error reason;
    caf::weak_actor_ptr who;  ///< of an actor that lived here
  };
  std::map<address, end_note> ends_;
  std::deque<address> ends_order_;
  std::deque<caf::strong_actor_ptr> recent_;
  wire::envelope_reader again_;  ///< of what comes back

  mutable std::mutex imports_mutex_;
  std::map<address, caf::weak_actor_ptr> imports_;
};

}  // namespace troupe::bridge
