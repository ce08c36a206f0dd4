#include "troupe/engine/pool_core.hpp"

#include <algorithm>
#include <csignal>
#include <stdexcept>
#include <utility>

#include "troupe/os/interrupt.hpp"
#include "troupe/os/spin.hpp"
#include "troupe/policy/refused_start.hpp"

namespace troupe::engine {

using namespace std::chrono_literals;

namespace {

constexpr double worth_spinning = 10e3;  ///< ns of an item
constexpr unsigned spins_between_turns = 64;
constexpr unsigned looks_between_yields = 16;
constexpr auto longest_pause = 1s;  ///< between starts that the system refuses

using event = pool_event::kind;

}  // namespace

pool_core::pool_core(core& in, const pool_settings& how, std::string name,
                     pool_process::calls calls)
    : core_(in),
      how_(how),
      name_(std::move(name)),
      calls_(std::move(calls)),
      retirement_{how.max_tasks_per_child, how.max_growth_bytes, how.max_age},
      rate_(how.items_per_second > 0 ? policy::token_bucket{how.items_per_second}
                                     : policy::token_bucket{}) {
  const std::size_t first =
      how_.least_workers != 0 ? std::min(how_.least_workers, how_.workers) : how_.workers;
  for (std::size_t i = 0; i < first; ++i)
    members_.push_back(std::make_unique<pool_member>(*this, i, new_process()));
  keep_spares();
  if (needs_upkeep()) wake_at(clock::now() + 100ms);
  if (how_.interruptible) interrupts_ = interrupts::of(core_);
  if (interrupts_ != nullptr) interrupts_->add(*this);
}

pool_core::~pool_core() {
  const core::guard mine{core_};
  end();
  if (interrupts_ != nullptr) interrupts_->remove(*this);
  core_.cancel(timer_);
}

void pool_core::end() noexcept {
  try {
    terminate();
    join(std::min(deadline(how_.stop_grace), clock::time_point::max() - 1s) + 1s);
  } catch (const std::exception& e) {
    core_.pass_on_error_line(std::string{"troupe: a pool did not end well: "} + e.what() + '\n');
  }
}

// --- processes ---

std::unique_ptr<pool_process> pool_core::new_process() {
  for (auto& spare : spares_) {
    if (!spare->is_up()) continue;
    auto taken = std::move(spare);
    std::erase(spares_, nullptr);
    wake_at(clock::now());  // for another spare
    return taken;
  }
  return std::make_unique<pool_process>(core_, name_, calls_, *this);
}

std::unique_ptr<pool_process> pool_core::try_new_process() try {
  return new_process();
} catch (const start_refused& e) {
  refusal_ = e.what();
  return nullptr;
}

void pool_core::keep_spares() try {
  if (stopping_ || !broken_.empty()) return;
  while (spares_.size() < how_.spares)
    spares_.push_back(std::make_unique<pool_process>(core_, name_, calls_, *this));
} catch (const start_refused&) {
  wake_at(clock::now() + longest_pause);
}

/// As long as others work it goes on with those.
std::optional<clock::duration> pool_core::pause_after_refusal(unsigned n) {
  if (n == 1) tell({event::worker_delayed, refusal_});
  if (const auto pause = policy::pause_after_refusal(n)) return *pause;
  if (has_living_member()) return longest_pause;
  break_down(refusal_, nullptr);
  return std::nullopt;
}

bool pool_core::has_living_member() const {
  return std::any_of(members_.begin(), members_.end(), [](const auto& m) {
    return m->process().is_up() && !m->process().has_ended();
  });
}

void pool_core::break_down(std::string why, std::shared_ptr<const exit_report> report) {
  broken_ = std::move(why);
  tell({event::broken, "gave up: " + broken_, {}, std::move(report)});
}

void pool_core::on_up(pool_process&) {
  if (first_up_ == clock::time_point{}) first_up_ = clock::now();
  start_failures_.came_up();
  feed_now();
}

bool pool_core::replaces(const pool_process& dead, bool had_come_up, bool meant) {
  const auto& report = *dead.process().report();
  if (draining_) return false;
  const bool on_purpose = meant || (report.cause == exit_cause::killed && dead.trouble().empty());
  const auto gives_up = [&] {
    const bool by_others = report.signal == SIGKILL && report.cause != exit_cause::killed;
    return by_others ? start_failures_.killed() : start_failures_.failed();
  };
  const bool was_made = report.pid > 0;  // else the system has refused it for long
  if (!had_come_up && !on_purpose && (was_made || !has_living_member()) && gives_up()) {
    break_down(dead.why_it_ended(), dead.process().report());
    return false;
  }
  ++total_.restarts;
  tell({event::worker_lost, "replaced: " + report.sentence(), {}, dead.process().report()});
  return true;
}

void pool_core::dismissed(std::unique_ptr<pool_process> p) {
  p->belongs_to(*this);
  p->leave();
  if (!p->has_ended()) leaving_.push_back(std::move(p));
}

/// Of a spare, or of one that was to end.
void pool_core::on_ended(pool_process& which) {
  std::erase_if(leaving_, [&](const auto& p) { return p.get() == &which; });
  const auto spare = std::find_if(spares_.begin(), spares_.end(),
                                  [&](const auto& p) { return p.get() == &which; });
  if (spare == spares_.end()) return;
  const bool again = replaces(which, which.is_up(), false);
  spares_.erase(spare);
  if (again) wake_at(clock::now());
}

void pool_core::tell(pool_event what) {
  core_.log("pool " + name_ + ": " + what.text);
  if (events_) call_soon([events = events_, what = std::move(what)] { events(what); });
}

// --- calls ---

void pool_core::reject_if_closed() const {
  if (draining_ && os::interrupts() != 0) throw interrupted{};
  if (closed_ || stopping_)
    throw std::logic_error{"this pool is closed: it takes no more calls; make another one"};
}

job_ptr pool_core::begin(const role& what, std::shared_ptr<job> items, const map_options& how) {
  reject_if_closed();
  if (jobs_.empty()) {
    add(before_, total_);
    total_ = {};
  }
  job_ptr made{new pool_job{what, std::move(items), how}};  // its memory goes before weak ones do
  made->position = jobs_.insert(jobs_.end(), made);
  list(made);
  if (made->progress().total == 1) made->pull_all();
  feed(true);
  return made;
}

void pool_core::list(const job_ptr& which) {
  if (which->exhausted() || std::exchange(which->listed, true)) return;
  listed_[which->how().urgent ? 0 : 1].push_back(which);
}

bool pool_core::advance(const job_ptr& of, std::optional<clock::time_point> limit) {
  struct pulling {
    unsigned& count;
    explicit pulling(unsigned& c) : count(c) { ++count; }
    ~pulling() { --count; }
  } const now{pulls_};
  if (feeding_ == loop_owner::this_thread())
    throw std::logic_error{
        "the input of a call can't wait for its own pool, which waits for that input: give it "
        "another pool"};
  const std::uint64_t before = of->delivered;
  for (;;) {
    list(of);  // what was read made room for more
    feed(true);
    if (auto error = of->take_input_error()) {
      abandon(of);
      std::rethrow_exception(error);
    }
    if (of->delivered != before) return true;
    if (of->done()) {
      settle(of);
      return false;
    }
    if (!broken_.empty())
      throw std::runtime_error{"the pool's workers can't be started: " + broken_};
    if (limit && clock::now() >= *limit) return true;
    if (!spin_for_answers(*of)) core_.run_once(limit);
  }
}

/// Where nothing waits in the workers and items are short, an answer is due before sleeping would
/// pay. True: one has come.
bool pool_core::spin_for_answers(pool_job& of) {
  if (how_.prefetch != 0 || of.sizes().mean_ns() == 0 || of.sizes().mean_ns() > worth_spinning)
    return false;
  if (++spins_ % spins_between_turns == 0) return false;  // the loop has other work, too
  for (const auto& m : members_) m->process().process().flush();
  os::spin_wait spin{looks_between_yields};
  do {
    bool any = false;
    for (std::size_t i = 0; i < members_.size(); ++i) any = members_[i]->take_finished() || any;
    if (any) return true;
  } while (spin.again());
  return false;
}

/// A job that has ended is forgotten here; whoever asks for it has it.
void pool_core::settle(const job_ptr& which) {
  if (!which->done() || which->settled) return;
  which->settled = true;
  which->ended = clock::now();
  add(total_, which->progress());
  which->let_go();
  jobs_.erase(which->position);
}

void pool_core::abandon(const job_ptr& which) {
  which->abandon();
  for (const auto& m : members_) m->drop(which);
  settle(which);
  feed_now();  // items of others may have come back
}

void pool_core::call_soon(std::function<void()> what) {
  core_.after_for_user(clock::duration{}, [&loop = core_, what = std::move(what)] {
    try {
      what();
    } catch (const std::exception& e) {
      loop.pass_on_error_line(std::string{"troupe: a pool's callback threw: "} + e.what() +
                              "; the pool goes on\n");
    } catch (...) {
      loop.pass_on_error_line("troupe: a pool's callback threw; the pool goes on\n");
    }
  });
}

void pool_core::terminate() {
  if (std::exchange(stopping_, true)) return;
  drop_waiting();
  end_members();
}

/// What has not begun never does.
void pool_core::drop_waiting() {
  closed_ = true;
  draining_ = true;
  for (const auto& m : members_) {
    m->take_back();
    m->give_back_rest();
  }
  const auto all = jobs_;
  for (const auto& j : all) {
    j->drop_waiting(not_begun());
    settle(j);
  }
}

failure pool_core::not_begun() {
  return {errc::stopped, "the pool was stopped before this item began", nullptr, {}};
}

void pool_core::on_interrupt(unsigned count) {
  if (count > 1) {
    if (!stopping_) tell({event::stopped, "interrupted again: what runs is ended"});
    terminate();
  } else if (!draining_) {
    drop_waiting();
    tell({event::interrupted, "interrupted: what has begun ends, nothing more begins"});
  }
}

bool pool_core::join(std::optional<clock::time_point> limit) {
  if (!closed_)
    throw std::logic_error{
        "join before close or terminate would wait for ever: the pool still "
        "takes calls; close it first"};
  while (!jobs_.empty() && broken_.empty()) {
    if (limit && clock::now() >= *limit) return false;
    const job_ptr next = jobs_.front();
    if (!advance(next, limit)) settle(next);
  }
  end_members();
  return core_.run_until(
      [this] {
        return leaving_.empty() && std::all_of(members_.begin(), members_.end(), [](const auto& m) {
                 return m->process().has_ended();
               });
      },
      limit);
}

/// All processes are asked to end, at the same time.
void pool_core::end_members() {
  stopping_ = true;
  draining_ = true;
  closed_ = true;
  for (const auto& m : members_) m->stop();
  for (auto& s : std::exchange(spares_, {})) dismissed(std::move(s));
}

}  // namespace troupe::engine
