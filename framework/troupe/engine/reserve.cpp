#include "troupe/engine/reserve.hpp"

#include <algorithm>
#include <csignal>
#include <utility>

#include "troupe/os/child.hpp"
#include "troupe/os/descriptor.hpp"
#include "troupe/wire/envelope.hpp"

namespace troupe::engine {

using namespace std::chrono_literals;

namespace {

/// One that died unused, or could not be started, is not replaced at once: what ended it may go on.
constexpr auto pause_after_death = 1s;

}  // namespace

class reserve::entry final : public event_handler {
public:
  entry(reserve& of, blank what)
      : content(kj::mv(what)), of_(of), slot_(of.core_.take_slot(*this)) {}
  ~entry() {
    unwatch();
    of_.core_.free_slot(slot_);
  }

  void started(os::zygote::reply& reply) {
    content.through.theirs = {};
    content.answer = kj::mv(reply);
    of_.core_.watch(slot_, core::urgent_event, content.answer->pidfd);
    watched_ = true;
  }
  void on_event(unsigned, bool, bool) override {
    if (os::wait_child(content.answer->pidfd, true).how != os::wait_status::kind::running)
      of_.ended(*this);
  }
  void unwatch() {
    if (std::exchange(watched_, false)) of_.core_.unwatch(content.answer->pidfd);
  }
  /// Looks whether somebody has killed it meanwhile.
  [[nodiscard]] bool is_usable() const {
    return !ending && (!content.answer || os::wait_child(content.answer->pidfd, true).how ==
                                              os::wait_status::kind::running);
  }
  /// Its processor may take 50 us to wake up: meanwhile this process finds out what its role is.
  void wake() const {
    static const wire::byte_queue mail = [] {
      wire::byte_queue bytes;
      wire::append_envelope(bytes, wire::Envelope::Kind::EXPECT, 0, 0, [](auto) {});
      return bytes;
    }();
    os::write_some(content.through.in, mail.view());
  }
  [[nodiscard]] int pid() const { return content.answer ? content.answer->pid : -1; }

  blank content;
  bool ending = false;

private:
  reserve& of_;
  core::slot slot_;
  bool watched_ = false;
};

reserve::reserve(core& of) : core_(of) {}

reserve::~reserve() = default;

std::size_t reserve::usable() const {
  return static_cast<std::size_t>(
      std::count_if(all_.begin(), all_.end(), [](const auto& e) { return !e.second->ending; }));
}

void reserve::keep(int change) {
  wanted_ = static_cast<std::size_t>(static_cast<std::ptrdiff_t>(wanted_) + change);
  settle();
  core_.tidy_soon();
}

template <class Fits>
reserve::entry* reserve::furthest(Fits fits) const {
  entry* best = nullptr;
  for (const auto& [token, e] : all_)
    if ((best == nullptr || !best->content.answer) && fits(*e)) best = e.get();
  return best;
}

void reserve::expect() {
  if (closed_) return;
  const entry* const next = furthest([](const entry& e) { return !e.ending; });
  if (next == nullptr) {
    ask(false);
  } else if (next->content.answer) {
    next->wake();
  }
}

void reserve::settle() {
  for (auto e = all_.rbegin(); e != all_.rend() && usable() > wanted_; ++e)
    if (!e->second->ending) end(*e->second);
}

std::optional<blank> reserve::take() {
  entry* const found = furthest([](const entry& e) { return e.is_usable(); });
  if (found == nullptr) return std::nullopt;
  found->unwatch();
  blank taken = kj::mv(found->content);
  all_.erase(taken.token);
  core_.tidy_soon();
  return taken;
}

/// `ahead`: nobody waits for it, so it takes its time to get ready.
void reserve::ask(bool ahead) {
  try {
    blank fresh{core_.new_token(), core_.take_channel(), {}};
    using kind = wire::shared_page::spare_kind;
    fresh.through.page().spare = ahead ? kind::kept : kind::expected;
    if (keeps_any()) fresh.through.hold_memory();
    if (!core_.ask_zygote(fresh.token, fresh.through.ends())) return;
    const std::uint64_t token = fresh.token;
    all_.emplace(token, std::make_unique<entry>(*this, kj::mv(fresh)));
  } catch (const kj::Exception&) {
    // out of descriptors: who starts a process will be told
  }
}

void reserve::refill() {
  if (closed_ || refill_timer_ != 0) return;
  while (usable() < wanted_) {
    const std::size_t before = all_.size();
    ask(true);
    if (all_.size() == before) return;
  }
}

bool reserve::started(os::zygote::reply& reply) {
  const auto found = all_.find(reply.token);
  if (found == all_.end()) return false;
  if (reply.pid < 0) {
    all_.erase(found);
    refill_later();
  } else {
    found->second->started(reply);
    if (found->second->ending) end(*found->second);
  }
  return true;
}

void reserve::end(entry& which) {
  which.ending = true;
  // Not its group, which it may not have made yet: it has started nothing.
  if (which.content.answer) os::send_signal(which.content.answer->pidfd, SIGKILL);
}

void reserve::ended(entry& which) {
  which.unwatch();
  core_.forget_pid(which.pid());
  os::wait_child(which.content.answer->pidfd, false);
  const bool unasked = !which.ending;
  all_.erase(which.content.token);
  if (unasked) refill_later();
}

void reserve::refill_later() {
  if (closed_ || refill_timer_ != 0) return;
  refill_timer_ = core_.after(pause_after_death, [this] {
    refill_timer_ = 0;
    refill();
  });
}

void reserve::zygote_ended() {
  std::erase_if(all_, [](const auto& e) { return !e.second->content.answer; });
  core_.tidy_soon();
}

void reserve::adopt(os::zygote& by) {
  for (const auto& [token, e] : all_)
    if (e->content.answer) by.adopt(e->pid(), e->content.answer->pidfd);
}

bool reserve::awaits() const {
  return std::any_of(all_.begin(), all_.end(),
                     [](const auto& e) { return !e.second->content.answer; });
}

void reserve::add_pids(std::set<int>& to) const {
  for (const auto& [token, e] : all_)
    if (e->content.answer) to.insert(e->pid());
}

void reserve::end_all() {
  closed_ = true;
  core_.cancel(refill_timer_);
  for (const auto& [token, e] : all_)
    if (!e->ending) end(*e);
}

}  // namespace troupe::engine
