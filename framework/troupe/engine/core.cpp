#include "troupe/engine/core.hpp"

#include <kj/common.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "troupe/engine/control_groups.hpp"
#include "troupe/engine/control_server.hpp"
#include "troupe/engine/line_output.hpp"
#include "troupe/engine/link.hpp"
#include "troupe/engine/orderly_end.hpp"
#include "troupe/engine/peer.hpp"
#include "troupe/engine/program_link.hpp"
#include "troupe/engine/reserve.hpp"
#include "troupe/engine/uplink.hpp"
#include "troupe/os/child.hpp"

namespace troupe::engine {

using namespace std::chrono_literals;

namespace {

/// Pauses between looks for orphans: a killed process takes a moment to go, a stubborn one is
/// looked at once a second.
constexpr std::array<std::chrono::milliseconds, 4> sweep_pauses{20ms, 50ms, 250ms, 1000ms};
constexpr auto tidy_pause = 2ms;
constexpr int standard_output = 1;
/// A thread that waits for the loop gets it after so long, though the turn has more to do: one of
/// 64 deaths and the restarts they bring takes up to 25 ms on a slow host.
constexpr auto longest_wait = 2ms;
/// What a deadline waits at most for events that came before it.
constexpr auto longest_lateness = 100ms;

int milliseconds_until(clock::time_point when) {
  const auto left = when - clock::now();
  if (left <= clock::duration::zero()) return 0;
  return static_cast<int>(std::min<std::int64_t>(
      std::chrono::ceil<std::chrono::milliseconds>(left).count(), 3'600'000));
}

}  // namespace

class core::zygote_watch final : public event_handler {
public:
  explicit zygote_watch(core& owner) : owner_(owner), slot_(owner.take_slot(*this)) {
    owner_.watch(slot_, 0, owner_.zygote_->fd());
  }
  ~zygote_watch() { owner_.free_slot(slot_); }
  void on_event(unsigned, bool, bool) override { owner_.on_zygote_event(); }

private:
  core& owner_;
  slot slot_;
};

/// Nothing but an end to the sleep.
class core::wake_watch final : public event_handler {
public:
  explicit wake_watch(core& owner) : owner_(owner) {}
  void on_event(unsigned, bool, bool) override { os::clear_event(owner_.wake_); }

private:
  core& owner_;
};

core::core(core_options options)
    : options_(std::move(options)),
      wake_(os::open_event()),
      wake_watch_(std::make_unique<wake_watch>(*this)),
      reserve_(std::make_unique<class reserve>(*this)) {
  wake_slot_ = take_slot(*wake_watch_);
  watch(wake_slot_, 0, wake_);
  if (options_.adopts_orphans) {  // a root
    orphans_.emplace(options_.mark);
    errors_ = std::make_unique<line_output>(*this, os::worker_fd::errors, os::output::most_kept);
    static_cast<void>(output());  // its descriptor is there from the start
  }
}

core::~core() {
  stop_keeper();
  end_now();
  if (errors_) errors_->finish(1'000);
}

void core::end_now() {
  const guard mine{*this};
  ending_ = true;
  reserve_->end_all();
  run_until(
      [this] {
        kill_all();  // those, too, that the zygote was asked for before
        const auto never_asked = std::count_if(
            unasked_.begin(), unasked_.end(), [this](auto id) { return starting_.count(id) != 0; });
        return links_.size() == static_cast<std::size_t>(never_asked) && reserve_->empty() &&
               (groups_ == nullptr || groups_->empty());
      },
      clock::now() + 2s);
  for (const auto& l : links()) l->abandon();
  control_.reset();
  end_zygote();
  groups_.reset();
  if (!orphans_) return;
  // What this process adopted is gone before it is: killed processes need a moment.
  const auto limit = clock::now() + 1s;
  while (orphans_->sweep({}, true) && clock::now() < limit) os::wait_readable({}, 1);
}

void core::watch_zygote() {
  zygote_watch_ = std::make_unique<zygote_watch>(*this);
}

void core::end_zygote() {
  if (!zygote_) return;
  unwatch(zygote_->fd());
  zygote_watch_.reset();
  zygote_->close();
  zygote_.reset();
}

core::slot core::take_slot(event_handler& handler) {
  if (free_slots_.empty()) {
    free_slots_.push_back(static_cast<slot>(slots_.size()));
    slots_.emplace_back();
  }
  const slot s = free_slots_.back();
  free_slots_.pop_back();
  slots_[s].handler = &handler;
  return s;
}

void core::free_slot(slot s) {
  slots_[s].handler = nullptr;
  ++slots_[s].generation;
  free_slots_.push_back(s);
}

std::uint64_t core::tag(slot s, unsigned which) const {
  return (std::uint64_t{slots_[s].generation & 0xffffffU} << 40) | (std::uint64_t{s} << 8) | which;
}

void core::watch(slot s, unsigned which, int fd, bool writable) {
  poller_.add(fd, tag(s, which), writable);
}

void core::yield() {
  const unsigned depth = owner_.let_go();
  while (owner_.is_wanted() && owner_.is_free()) std::this_thread::yield();
  owner_.retake(depth, [this] { wake(); });
}

namespace {

/// Turns of loops that this thread is inside of: more than one, if a handler waits for something.
thread_local unsigned turns = 0;

}  // namespace

void core::run_once(std::optional<clock::time_point> limit) {
  if (owner_.is_wanted() && (turns != 0 || !in_keeper())) {
    yield();
    return;  // what the caller waits for may have come meanwhile
  }
  ++turns;
  KJ_DEFER(--turns);
  const bool more = actors_ != nullptr && actors_->run_actors();
  flush_all();
  if (more) {
    limit = clock::now();
  } else if (const auto timer = next_timer(); timer && (!limit || *timer < *limit)) {
    limit = timer;
  }
  std::array<os::poller::event, 64> events;
  const std::size_t count = wait(events, limit);
  give_way_at_.reset();
  bool heard_all = count < events.size();
  // A death first: its pipes then need no event of their own. What is left out comes again.
  for (const bool urgent : {true, false})
    for (std::size_t i = 0; i < count; ++i) {
      if (gives_way()) {
        heard_all = false;
        break;
      }
      const auto s = static_cast<slot>((events[i].tag >> 8) & 0xffffffffU);
      const unsigned which = events[i].tag & 0xffU;
      if ((which == urgent_event) != urgent) continue;
      // A handler may have gone, or changed places, since the event was fetched.
      if (slots_[s].handler != nullptr && tag(s, which) == events[i].tag)
        slots_[s].handler->on_event(which, events[i].readable, events[i].writable);
    }
  if (heard_all || events_last()) {
    fire_timers(timers_);
    if (!in_keeper()) fire_timers(user_timers_);
    if (heard_all) timers_wait_since_.reset();
  }
  if (actors_ != nullptr) actors_->run_actors();
  flush_all();
  while (!coming_up_.empty() && (*coming_up_.begin())->is_up())
    coming_up_.erase(coming_up_.begin());
}

std::size_t core::wait(std::span<os::poller::event> into, std::optional<clock::time_point> limit) {
  if (tidy_timer_ != 0 && coming_up_.empty() && !reserve_->awaits()) {
    if (const std::size_t count = poller_.wait(into, 0)) return count;
    tidy();
  }
  return poller_.wait(into, limit ? milliseconds_until(*limit) : -1);
}

/// After a process was stopped for a while, all its deadlines have passed, and an answer or a sign
/// of life that came in time lies among the events of a hundred others.
bool core::events_last() {
  const auto now = clock::now();
  if (!timers_wait_since_) timers_wait_since_ = now;
  return now - *timers_wait_since_ >= longest_lateness;
}

bool core::gives_way() {
  if (!owner_.is_wanted()) return false;
  const auto now = clock::now();
  if (!give_way_at_) give_way_at_ = now + longest_wait;
  return now >= *give_way_at_;
}

void core::tidy_soon() {
  if (tidy_timer_ == 0) tidy_timer_ = after(tidy_pause, [this] { tidy(); });
}

void core::tidy() {
  cancel(std::exchange(tidy_timer_, 0));
  while (!discarded_.empty()) {
    discarded_.pop_back();
    if (gives_way()) return tidy_soon();
  }
  closed_later_.clear();
  reserve_->refill();
  open_spare_channel();
}

/// With the channel ends a holder of the dead worker's memory: as all the work of freeing that, it
/// waits until the next worker surely has what it was started for.
void core::discard(channel what) {
  const bool held = what.has_holder;
  (held ? held_ : discarded_).push_back(kj::mv(what));
  if (held && holders_timer_ == 0)
    holders_timer_ = after(tidy_pause, [this] { release_holders(); });
  tidy_soon();
}

void core::release_holders() {
  cancel(std::exchange(holders_timer_, 0));
  for (const auto& c : held_) os::hang_up(c.control);
  held_.clear();
}

void core::discard(os::descriptor what) {
  closed_later_.push_back(kj::mv(what));
  tidy_soon();
}

void core::run_until_wanted() {
  keeper_mark_ = loop_owner::this_thread();
  while (!owner_.is_wanted() && !keeper_stops_) run_once(std::nullopt);
}

void core::start_keeper() {
  if (keeper_) return;
  keeper_ = std::make_unique<keeper>(*this);
  keeper_now_ = keeper_.get();
}

/// The loop is let go meanwhile: the keeper may be in an actor's handler, and take it back after
/// that.
void core::stop_keeper() {
  if (!keeper_) return;
  keeper_now_ = nullptr;
  keeper_stops_ = true;
  const bool mine = owner_.is_mine();
  const unsigned depth = mine ? owner_.let_go() : 0;
  keeper_.reset();
  if (mine) owner_.retake(depth, [this] { wake(); });
  keeper_stops_ = false;
}

void core::need_keeper() {
  if (keeper_now_ != nullptr) return;
  if (!owner_.try_take()) {
    wake();  // its owner is awake now and looks after what waits
    return;
  }
  start_keeper();
  owner_.give_up();
}

void core::keep_running() {
  need_keeper();
  if (keeper* const k = keeper_now_) k->take_now();
}

std::optional<clock::time_point> core::next_timer() const {
  const auto timer = timers_.next();
  const auto users = in_keeper() ? std::nullopt : user_timers_.next();
  return !timer ? users : !users ? timer : std::min(timer, users);
}

void core::flush_all() {
  const auto due = std::exchange(unflushed_, {});
  for (const auto& l : due) l->flush_if_due();
  if (uplink_ != nullptr) uplink_->flush();
}

core::timer_id core::at(clock::time_point when, std::function<void()> what) {
  timers_.add(next_timer_id_, when, std::move(what));
  return next_timer_id_++;
}

core::timer_id core::after_for_user(clock::duration delay, std::function<void()> what) {
  user_timers_.add(next_timer_id_, deadline(delay), std::move(what));
  return next_timer_id_++;
}

void core::cancel(timer_id timer) {
  timers_.cancel(timer);
  user_timers_.cancel(timer);
}

void core::fire_timers(timer_queue& of) {
  if (!of.next()) return;
  const auto now = clock::now();
  do {
    const auto what = of.take(now);
    if (!what) return;
    what();
  } while (!gives_way());
}

void core::open_control() {
  if (!options_.control || std::exchange(opened_control_, true)) return;
  control_ = control_server::open(*this);
}

void core::note_change() {
  if (orderly_end_) orderly_end_->go_on();
  if (control_) control_->changed();
}

void core::end_in_order(std::function<void()> then) {
  if (orderly_end_ == nullptr) orderly_end_ = std::make_unique<orderly_end>(*this);
  orderly_end_->begin(std::move(then));
}

class control_groups& core::control_groups() {
  if (groups_ == nullptr) groups_ = std::make_unique<class control_groups>(*this);
  return *groups_;
}

void core::ended(link& l) {
  coming_up_.erase(&l);
  std::erase_if(starting_, [&l](const auto& s) { return s.second.get() == &l; });
  links_.erase(l.id());
  if (links_.empty()) {
    tidy();
    release_holders();
  }
  if (control_) control_->process_ended(l.pid());
  note_change();
}

std::vector<link_ptr> core::links() const {
  std::vector<link_ptr> all;
  for (const auto& [id, l] : links_) all.push_back(l);
  return all;
}

void core::stop_all(clock::duration within) {
  auto all = links();
  for (auto l = all.rbegin(); l != all.rend(); ++l) (*l)->stop(within);
  run_until([this] { return links_.empty(); }, clock::now() + within + 1s);
}

void core::kill_all() noexcept {
  for (const auto& [id, l] : links_) l->kill_now();
}

std::set<int> core::known_pids() const {
  std::set<int> known;
  if (zygote_) known.insert(zygote_->pid());
  for (const auto& [id, l] : links_) known.insert(l->pid());
  reserve_->add_pids(known);
  return known;
}

void core::look_for_orphans(int dead_worker) {
  if (orphans_ && os::group_exists(dead_worker)) orphans_->group_remains(dead_worker);
  orphans_may_be_there();
}

void core::orphans_may_be_there() {
  sweep_soon();
  if (!orphans_ && uplink_ != nullptr) uplink_->tell_of_end();
}

void core::sweep_soon() {
  if (!orphans_) return;
  if (sweep_timer_ != 0 && sweep_ == 0) return;  // soon enough
  sweep_ = 0;
  cancel(sweep_timer_);
  sweep_timer_ = after(sweep_pauses.front(), [this] { sweep_orphans(); });
}

void core::sweep_for_long() {
  looks_ = sweep_pauses.size();
  sweep_soon();
}

void core::sweep_orphans() {
  sweep_timer_ = 0;
  // A worker just cloned, of which the zygote has not told yet, must not be taken for an orphan.
  const bool left = !starting_.empty() || reserve_->awaits() ||
                    orphans_->sweep(known_pids(), false) || looks_ > 0;
  looks_ -= looks_ > 0 ? 1 : 0;
  sweep_ = std::min(sweep_ + 1, sweep_pauses.size() - 1);
  if (left) sweep_timer_ = after(sweep_pauses[sweep_], [this] { sweep_orphans(); });
}

void core::log(std::string_view text) {
  if (options_.debug_log) pass_on_error_line("troupe: " + std::string{text} + '\n');
}

void core::pass_on_error_line(std::string_view line) noexcept {
  if (errors_) return errors_->write(line);
  os::write_what_fits(os::worker_fd::errors, std::as_bytes(std::span{line}));
}

/// Whoever has more to print waits meanwhile.
line_output& core::output() {
  constexpr std::size_t no_limit = std::numeric_limits<std::size_t>::max();
  if (output_ == nullptr)
    output_ = std::make_unique<line_output>(*this, standard_output, no_limit, [this] {
      for (const auto& l : links())
        if (program_link* const program = l->as_program()) program->go_on();
    });
  return *output_;
}

bool core::finish_output() noexcept {
  if (output_ == nullptr) return true;
  output_->finish(-1);
  return !output_->has_failed();
}

}  // namespace troupe::engine
