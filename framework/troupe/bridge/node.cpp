// The actors of one process: how it comes up and goes down, and how its actors get to run.
#include "troupe/bridge/node.hpp"

#include <caf/actor_registry.hpp>
#include <caf/make_actor.hpp>
#include <caf/scheduled_actor.hpp>
#include <caf/system_messages.hpp>

#include <algorithm>

#include "troupe/bridge/answer_guard.hpp"
#include "troupe/bridge/content.hpp"
#include "troupe/bridge/hosted_actor.hpp"
#include "troupe/bridge/main_actor.hpp"
#include "troupe/bridge/supervisor.hpp"
#include "troupe/bridge/supervisor_actor.hpp"
#include "troupe/engine/link.hpp"
#include "troupe/engine/uplink.hpp"
#include "troupe/engine/worker.hpp"
#include "troupe/message_types.hpp"
#include "troupe/os/spin.hpp"

namespace troupe::bridge {

using namespace std::chrono_literals;

namespace {

/// Ids of requests from elsewhere, apart from those that any actor here gives its own.
constexpr std::uint64_t first_request = std::uint64_t{1} << 58;
constexpr std::size_t throughput = 64;  ///< jobs, and messages of each, between two looks around
constexpr auto end_limit = 5s;
/// In which a spare has got its role and answered, as a rule.
constexpr auto soon = 150us;

node* the_node = nullptr;

/// How many handlers this thread is in.
thread_local unsigned handlers = 0;
/// How many calls that pass on what others sent.
thread_local unsigned passages = 0;
/// Calls a handler of the user's, which may run the loop, and with it this, or set another handler.
template <class What>
void tell_user(std::deque<What>& unseen, const std::function<void(const What&)>& handler) {
  while (!unseen.empty()) {
    const What next = std::move(unseen.front());
    unseen.pop_front();
    if (const auto call = handler) call(next);  // a copy: it may be replaced in the call
  }
}

/// Code of a type may throw there, too.
std::string text_of(const caf::message& content) try {
  return to_string(content);
} catch (const std::exception& e) {
  return std::string{"its text can't be made: "} + e.what();
}

struct scope {
  explicit scope(unsigned& of) : depth(of) { ++depth; }
  ~scope() { --depth; }
  scope(const scope&) = delete;
  scope& operator=(const scope&) = delete;
  unsigned& depth;
};

}  // namespace

node::node(engine::core& loop)
    : core_(loop),
      main_thread_(std::this_thread::get_id()),
      unit_(*this),
      system_(loop_system::take()),
      next_request_(first_request) {
  system_->serve(*this);
  unit_.system_ptr(&system());
  guard_ = fresh_guard();
  core_.set_actors(this);
  if (!engine::in_worker()) core_.need_keeper();
}

node::~node() {
  core_.set_actors(nullptr);
  core_.cancel(timer_);
  core_.cancel(watch_timer_);
  // Each moved away first: an actor that goes with its last handle calls back.
  std::exchange(exports_, {}).clear();
  std::exchange(senders_, {}).clear();
  std::exchange(children_, {}).clear();
  std::exchange(asked_, {}).clear();
  std::exchange(recent_, {}).clear();
  std::exchange(to_watch_again_, {}).clear();
  std::exchange(events_, nullptr).reset();
  std::exchange(unseen_losses_, {}).clear();
  ends_.clear();
  std::exchange(hosted_, nullptr).reset();
  std::exchange(guard_, nullptr).reset();
  std::exchange(self_, nullptr).reset();
  hot_ = nullptr;
  system_.reset();
}

node& node::here() {
  if (the_node == nullptr) {
    engine::core& loop = engine::local_core();
    const engine::core::guard mine{loop};
    the_node = new node{loop};
  }
  return *the_node;
}

node* node::if_made() noexcept {
  return the_node;
}

void node::end_here() {
  if (the_node == nullptr) return;
  const engine::core::guard mine{the_node->core_};
  the_node->core_.stop_keeper();
  the_node->end();
  the_node->core_.end_now();  // while there is somebody to be told of it
  delete std::exchange(the_node, nullptr);
}

loop_clock& node::clock() noexcept {
  return system_->clock();
}

caf::strong_actor_ptr node::make_waiting_actor() {
  const engine::core::guard mine{core_};
  caf::actor_config config{&unit_};
  return caf::make_actor<main_actor, caf::strong_actor_ptr>(
      system().next_actor_id(), system().node(), &system(), config, *this);
}

caf::blocking_actor* node::self() {
  if (self_ == nullptr) self_ = make_waiting_actor();
  return static_cast<main_actor*>(self_->get());
}

node::turn::turn(node& of) : node_(of), is_mine_(of.core_.owner().try_take()) {
  if (is_mine_ && node_.has_posted_.load(std::memory_order_acquire)) node_.run_posted();
}

node::turn::~turn() {
  if (is_mine_) node_.core_.leave();
}

void node::post(std::function<void()> what) {
  {
    const std::lock_guard lock{jobs_mutex_};
    posted_.push_back(std::move(what));
    has_posted_.store(true, std::memory_order_release);
  }
  if (!core_.owner().is_mine()) core_.wake();
}

void node::run_posted() {
  std::vector<std::function<void()>> due;
  {
    const std::lock_guard lock{jobs_mutex_};
    due.swap(posted_);
    has_posted_.store(false, std::memory_order_release);
  }
  const passage inside;
  for (const auto& what : due) try {
      what();
    } catch (const std::exception& e) {  // whoever posted it has long gone on
      core_.pass_on_error_line(std::string{"troupe: what another thread had to do failed: "} +
                               e.what() + '\n');
    }
}

void node::run_later(caf::resumable* job) {
  {
    const std::lock_guard lock{jobs_mutex_};
    (job == hosted_job_ ? hosted_jobs_ : jobs_).push_back(job);
    has_jobs_.store(true, std::memory_order_release);
  }
  if (core_.owner().is_mine()) return;
  if (core_.owner().is_free()) {
    if (job != hosted_job_) core_.need_keeper();
  } else {
    core_.wake();
  }
}

bool node::run_job(caf::resumable* job) {
  caf::resumable::resume_result what;
  {
    const scope running{running_};
    const engine::core::released others_may_run_it{core_};
    const scope inside{handlers};
    what = job->resume(&unit_, throughput);
    engine::end_if_forked();
  }
  if (what == caf::resumable::resume_later) return true;
  if (what != caf::resumable::shutdown_execution_unit) intrusive_ptr_release(job);
  return false;
}

bool node::run_actors() {
  if (!has_posted_.load(std::memory_order_acquire) && !has_jobs_.load(std::memory_order_acquire) &&
      clock().is_empty() && unseen_losses_.empty() && unseen_events_.empty())
    return false;
  bool ran = has_posted_.load(std::memory_order_acquire);
  if (ran) run_posted();
  const auto next = [&] {
    const passage inside;
    return clock().fire(ran);
  }();
  if (clock().wants_tidying() && running_ == 0) clock().tidy();
  if (next && !clock().frozen() && (!timer_at_ || *next < *timer_at_)) {
    core_.cancel(timer_);
    timer_at_ = next;
    timer_ = core_.at(*next, [this] { timer_at_.reset(); });
  }
  if (is_main() && (!unseen_losses_.empty() || !unseen_events_.empty())) {
    ran = true;  // what the caller waits for may come of it
    tell_losses();
    tell_user(unseen_events_, watcher_);
  }
  // The hosted actor runs in the worker's main thread alone, one handler at a time.
  const bool may_run_hosted = is_main() && handlers == 0;
  const bool has_jobs = has_jobs_.load(std::memory_order_acquire);
  for (std::size_t i = 0; i < throughput && has_jobs_.load(std::memory_order_acquire); ++i) {
    caf::resumable* job = nullptr;
    {
      const std::lock_guard lock{jobs_mutex_};
      auto& from = may_run_hosted && !hosted_jobs_.empty() ? hosted_jobs_ : jobs_;
      if (!from.empty()) {
        job = from.front();
        from.pop_front();
      }
      has_jobs_.store(!jobs_.empty() || (may_run_hosted && !hosted_jobs_.empty()),
                      std::memory_order_release);
    }
    if (job == nullptr) break;
    ran = true;
    const bool is_hosted = job == hosted_job_;
    if (run_job(job)) run_later(job);
    if (is_hosted) engine::offer_skipped_again();
  }
  if (!ran && !has_jobs) return false;
  // Those of the hosted actor may have had to wait for its handler, or for its thread.
  const std::lock_guard lock{jobs_mutex_};
  has_jobs_.store(!jobs_.empty() || !hosted_jobs_.empty(), std::memory_order_release);
  return ran || !jobs_.empty() || (may_run_hosted && !hosted_jobs_.empty());
}

void node::drop_jobs() {
  for (;;) {
    caf::resumable* job = nullptr;
    {
      const std::lock_guard lock{jobs_mutex_};
      auto& from = jobs_.empty() ? hosted_jobs_ : jobs_;
      if (from.empty()) return;
      job = from.front();
      from.pop_front();
    }
    caf::scheduler::abstract_coordinator::cleanup_and_release(job);
  }
}

/// The actor of this process ends with it, as if told so; others in a root get a moment to do what
/// they have been told already.
void node::end() {
  // Those of a worker have the time that its own parent gives it.
  stop_supervisors(hosted_ != nullptr ? engine::clock::time_point::max()
                                      : engine::clock::now() + end_limit);
  if (hosted_ != nullptr) {
    auto& actor = static_cast<caf::scheduled_actor&>(*hosted_->get());
    if (!actor.getf(caf::abstract_actor::is_terminated_flag)) {
      const scope inside{handlers};
      actor.cleanup(caf::make_error(caf::exit_reason::user_shutdown), &unit_);
    }
    return;
  }
  if (engine::in_worker()) core_.stop_all(end_limit);  // a root has done so
  if (self_ != nullptr)
    static_cast<main_actor*>(self_->get())->cleanup(caf::exit_reason::normal, &unit_);
  const auto limit = engine::clock::now() + end_limit;
  while (engine::clock::now() < limit) {
    if (!run_actors()) {
      let_go();
      if (system().registry().running() == 0) return;
    }
    core_.run_once(std::min(limit, engine::clock::now() + 10ms));
  }
}

/// Of actors that have nothing to do any more: what other processes know them by, and what is due
/// later. Most of them end by that.
void node::let_go() {
  std::exchange(exports_, {}).clear();
  std::exchange(senders_, {}).clear();
  last_senders_ = {0, nullptr};
  std::exchange(recent_, {}).clear();
  clock().cancel_all();
}

bool node::run_until(const std::function<bool()>& done,
                     std::optional<engine::clock::time_point> limit) {
  const engine::core::guard mine{core_};
  if (has_posted_.load(std::memory_order_acquire)) run_posted();
  static thread_local unsigned turns = 0;
  if (++turns % 64 == 0) core_.run_once(engine::clock::now());  // others have their turn too
  if (hot_ != nullptr && !has_jobs_.load(std::memory_order_relaxed)) {
    hot_->flush();
    os::let_receiver_run();
    os::spin_wait spin;
    if (hot_->is_soon_up()) spin = os::spin_wait{soon};
    while (!done() && !has_jobs_.load(std::memory_order_relaxed)) {
      if (hot_->read_answers()) {
        spin.reset();
      } else if (!spin.again()) {
        break;
      }
    }
  }
  return core_.run_until(done, limit);
}

caf::strong_actor_ptr node::fresh_guard() {
  caf::actor_config config;
  return caf::make_actor<answer_guard, caf::strong_actor_ptr>(
      system().next_actor_id(), system().node(), &system(), config, *this);
}

void node::forward(const caf::strong_actor_ptr& to, caf::mailbox_element_ptr what) {
  const passage inside;
  to->enqueue(std::move(what), &unit_);
}

void node::host(std::uint64_t number, std::string_view name, caf::strong_actor_ptr actor) {
  hosted_number_ = number;
  hosted_ = actor;
  auto& scheduled = static_cast<caf::scheduled_actor&>(*actor->get());
  hosted_job_ = &scheduled;
  exports_[number] = actor;
  numbers_[actor->id()] = number;
  const auto state = std::make_shared<hosted_actor>();
  state->name = name;
  scheduled.attach_functor([this, number, state](const caf::error& reason) {
    const caf::message content = caf::make_message(reason);
    locally([this, number, content, state] {
      const wire::header head{wire::Envelope::Kind::EXIT, 0, number};
      engine::parent_link()->post(head, source_of(content.content()), nullptr, 0);
      engine::end_worker_soon(state->thrown != nullptr ? 1 : 0);
    });
  });
  set_defaults(scheduled, state);
  {
    const scope running{running_};
    const engine::core::released others_may_run_it{core_};
    const scope inside{handlers};
    scheduled.activate(&unit_);
    engine::end_if_forked();
  }
  state->is_made = true;
  if (!scheduled.getf(caf::abstract_actor::is_terminated_flag)) return;
  if (has_posted_.load(std::memory_order_acquire)) run_posted();  // its end
  if (state->thrown != nullptr) std::rethrow_exception(state->thrown);
  if (!scheduled.fail_state()) throw engine::not_wanted{};
  throw std::runtime_error{describe(scheduled.fail_state())};
}

/// The handler is the program's: only its main thread calls it, and not in the middle of anything.
void node::lose(lost_message what) {
  if (!lost_) {
    core_.log("a message that was never begun is lost: " + text_of(what.content));
  } else {
    unseen_losses_.push_back(std::move(what));
  }
}

void node::tell_losses() {
  tell_user(unseen_losses_, lost_);
}

void node::tell_seen_events() {
  if (is_main()) tell_user(unseen_events_, watcher_);
}

const caf::strong_actor_ptr& node::events() {
  if (events_ == nullptr) events_ = caf::actor_cast<caf::strong_actor_ptr>(sink_of(*this));
  return events_;
}

std::size_t node::proxies() const {
  const std::lock_guard lock{imports_mutex_};
  return imports_.size();
}

bool node::in_handler() noexcept {
  return handlers != 0;
}

bool node::passes_on() noexcept {
  return passages != 0;
}

node::passage::passage() noexcept {
  ++passages;
}

node::passage::~passage() {
  --passages;
}

bool node::on_message(engine::peer& from, const wire::incoming& message) {
  const passage inside;
  senders_at(from).note(message);
  if (message.is_early() && engine::start_lasts()) return false;
  if (message.has_receiver()) {
    const address receiver = wire::address_of(message.envelope->getContext().getReceiver());
    if (receiver.path != core_.options().path) {
      relay(from, message, receiver);
      return true;
    }
    return deliver(from, message, is_me(receiver) ? receiver.number : 0);
  }
  return deliver(from, message, message.target);
}

bool node::activate_hosted(caf::mailbox_element& what) {
  auto& actor = static_cast<caf::scheduled_actor&>(*hosted_->get());
  if (actor.getf(caf::abstract_actor::is_terminated_flag)) return false;  // its end is posted
  const scope running{running_};
  const engine::core::released others_may_run_it{core_};
  const scope inside{handlers};
  const auto how = actor.activate(&unit_, what);
  engine::end_if_forked();
  return how != caf::scheduled_actor::activation_result::skipped;
}

}  // namespace troupe::bridge
