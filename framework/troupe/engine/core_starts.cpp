// How a loop gets its processes: the zygote that makes them, and the channels to them.
#include <kj/exception.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "troupe/engine/core.hpp"
#include "troupe/engine/link.hpp"
#include "troupe/engine/program_link.hpp"
#include "troupe/engine/reserve.hpp"

namespace troupe::engine {

using namespace std::chrono_literals;

namespace {

constexpr unsigned max_zygote_deaths = 3;
/// So many starts at once have nobody who waits for one of them alone.
constexpr int many_starting = 8;
/// Until the zygote is told of a dead process, unless a start tells it.
constexpr auto forget_pause = 50ms;

/// What the system refuses is no news of this code's to whoever asked for a process.
template <class F>
link_ptr started(const std::string& name, F start) try {
  return start();
} catch (const kj::Exception& e) {
  throw start_refused{"a process for " + name +
                      " can't be started, the system refused what it needs: " +
                      e.getDescription().cStr() + "; `troupe doctor` tells the limits"};
}

}  // namespace

link_ptr core::start(role what, std::optional<std::uint32_t> place) {
  const std::string name = what.name;
  return started(name, [&] {
    const std::uint64_t id = next_link_++;
    const bool any = what.program.empty() && what.group == nullptr;
    auto blank = any ? reserve_->take() : std::nullopt;
    channel through = blank ? kj::mv(blank->through) : take_channel();
    if (!blank && any && reserve_->keeps_any()) through.hold_memory();
    through.page().is_one_of_many = starting_count_ < many_starting ? 0 : 1;
    const auto l = std::make_shared<link>(*this, id, place.value_or(static_cast<std::uint32_t>(id)),
                                          std::move(what), kj::mv(through));
    admit(l);
    if (!blank) request_first_start(l);
    if (l->serves().stub != nullptr) l->bind(l->serves());
    if (blank && blank->answer) {
      l->flush();  // first of all: it works on that while this process does the rest
      l->started(kj::mv(*blank->answer));
      l->was_spare();
    }
    if (blank && !blank->answer) starting_.emplace(blank->token, l);
    return l;
  });
}

link_ptr core::start_program(program_role what, std::optional<std::uint32_t> place) {
  const std::string name = what.what.argv.front();
  return started(name, [&] {
    const std::uint64_t id = next_link_++;
    const auto l = std::make_shared<program_link>(
        *this, id, place.value_or(static_cast<std::uint32_t>(id)), std::move(what));
    admit(l);
    request_first_start(l);
    return link_ptr{l};
  });
}

void core::admit(const link_ptr& l) {
  start_keeper();  // it may throw
  links_.emplace(l->id(), l);
  coming_up_.insert(l.get());
  if (options_.debug_log) log("starting " + l->serves().name);
  open_control();
  note_change();
}

os::zygote_config core::zygote_config() const {
  return {options_.program, options_.mark, options_.worker_entry, options_.warm_up_zygote,
          options_.huge_code};
}

channel core::take_channel() {
  if (!spare_) return channel::open();
  channel taken = kj::mv(*spare_);
  spare_.reset();
  return taken;
}

void core::open_spare_channel() {
  if (spare_) return;
  try {
    spare_ = channel::open();
  } catch (const kj::Exception&) {
    // out of descriptors: the start that needs one will say so
  }
}

void core::fork_zygote() {
  zygote_ = os::zygote::forked(zygote_config());
  watch_zygote();
  open_spare_channel();
}

void core::request_start(const link_ptr& of) {
  if (zygote_) zygote_->keep_room();
  starting_.emplace(of->id(), of);
  unasked_.push_back(of->id());
  try {
    send_starts();
  } catch (...) {
    starting_.erase(of->id());
    std::erase(unasked_, of->id());
    throw;
  }
}

/// If it can't be asked for, it never was.
void core::request_first_start(const link_ptr& of) {
  try {
    request_start(of);
  } catch (...) {
    coming_up_.erase(of.get());
    links_.erase(of->id());
    throw;
  }
}

/// Workers of an earlier zygote come under the watch of this one.
void core::execute_zygote() {
  zygote_ = os::zygote::executed(zygote_config());
  watch_zygote();
  for (const auto& [id, l] : links_)
    if (l->pidfd() >= 0) zygote_->adopt(l->pid(), l->pidfd(), l->group_folder());
  reserve_->adopt(*zygote_);
}

bool core::ask_zygote(std::uint64_t token, const os::worker_ends& ends) {
  if (!unasked_.empty()) return false;
  if (!zygote_) execute_zygote();
  return zygote_->start(token, options_.method, ends, {});
}

void core::send_starts() {
  if (ending_) return;
  if (!zygote_) execute_zygote();
  std::size_t sent = 0;
  for (; sent < unasked_.size(); ++sent) {
    const auto found = starting_.find(unasked_[sent]);
    if (found == starting_.end()) continue;
    if (!found->second->ask(*zygote_, options_.method)) break;
  }
  unasked_.erase(unasked_.begin(), unasked_.begin() + static_cast<std::ptrdiff_t>(sent));
}

void core::on_zygote_event() {
  bool gone = false;
  while (auto reply = zygote_->next(gone)) {
    zygote_deaths_ = 0;
    zygote_heard_ = clock::now();
    tidy_soon();
    if (reserve_->started(*reply)) continue;
    const auto found = starting_.find(reply->token);
    if (found == starting_.end()) continue;
    const link_ptr l = found->second;
    starting_.erase(found);
    if (reply->pid < 0 && l->waits_for_system(reply->error)) continue;
    l->started(kj::mv(*reply));
  }
  if (gone) {
    replace_zygote();
  } else if (!unasked_.empty()) {
    send_starts();
  }
}

/// The zygote died. What it was asked for and did not confirm may exist or not: end it, then ask a
/// new one. Its confirmed workers are this process's own children and live on.
void core::replace_zygote() {
  log("the zygote ended; starting another");
  options_.huge_code = os::huge_code::never;  // a system may kill for executable memory, too
  end_zygote();
  std::erase_if(starting_, [](const auto& s) { return s.second->is_found(); });
  const bool may_have_started = !starting_.empty() || reserve_->awaits();
  const bool programs = std::any_of(starting_.begin(), starting_.end(), [](const auto& s) {
    return s.second->as_program() != nullptr;
  });
  if (may_have_started) orphanage{options_.mark}.end_untold_workers(known_pids(), programs);
  reserve_->zygote_ended();
  const auto again = std::exchange(starting_, {});
  unasked_.clear();
  ++zygote_deaths_;
  const bool goes_on = zygote_deaths_ < max_zygote_deaths;
  try {
    if (!links_.empty() && goes_on && !ending_) execute_zygote();
  } catch (const kj::Exception& e) {  // the next start tries again
    log(std::string{"no zygote can be started now: "} + e.getDescription().cStr());
  }
  for (const auto& [id, l] : again) {
    std::string why = "the zygote process was killed while it started this one; start it again";
    try {
      if (goes_on && l->reopen()) {
        request_start(l);
        continue;
      }
    } catch (const kj::Exception& e) {
      why += std::string{"; there is no other: "} + e.getDescription().cStr();
    }
    l->fail_start(why);
  }
  sweep_for_long();  // a process in the middle of its exec can't be told yet
}

/// A start takes the news along. Alone it would wake the zygote, and hold up who dies or starts.
void core::forget_pid(int pid) {
  if (!zygote_) return;
  zygote_->forget(pid);
  if (forget_timer_ != 0) return;
  forget_timer_ = after(forget_pause, [this] {
    forget_timer_ = 0;
    if (zygote_) zygote_->tell_forgotten();
  });
}

void core::kill_zygote_silent_for(clock::duration limit) {
  if (zygote_ && clock::now() - zygote_heard_ >= limit) zygote_->kill();
}

}  // namespace troupe::engine
