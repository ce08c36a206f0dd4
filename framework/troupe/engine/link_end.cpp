// How a link comes up, goes down, and what its requests are told then.
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "troupe/engine/control_groups.hpp"
#include "troupe/engine/link.hpp"
#include "troupe/os/group_leaf.hpp"
#include "troupe/policy/refused_start.hpp"

namespace troupe::engine {

using namespace std::chrono_literals;

namespace {

/// Reads that empty any pipe of a dead worker, and an end should a program that left its group go
/// on writing there.
constexpr int max_last_reads = 1024;
/// Larger messages are not kept for the next incarnation to look at.
constexpr std::size_t max_blamed_bytes = 64 * 1024;

/// The kernel's out-of-memory kills seen so far; one more beside a SIGKILL is evidence.
std::uint64_t& known_memory_kills() {
  static std::uint64_t known = os::out_of_memory_kills();
  return known;
}

bool memory_ran_out() {
  const std::uint64_t now = os::out_of_memory_kills();
  return std::exchange(known_memory_kills(), now) < now;
}

}  // namespace

bool link::ask(os::zygote& of, os::start_method method) {
  const auto& program = role_.program;
  return of.start(id_, program.empty() ? method : os::start_method::program, channel_.ends(),
                  program, group_folder());
}

int link::group_folder() const noexcept {
  return role_.group != nullptr ? role_.group->folder() : -1;
}

std::string link::why_not_executed(const os::zygote::reply& reply) const {
  if (reply.at == os::exec_failure::group)
    return "it can't enter its control group: " + os::error_text(reply.error);
  const std::string& what = role_.program.empty() ? core_.options().program : role_.program.front();
  return "can't execute " + what + ": " + os::error_text(reply.error);
}

/// A moment without free process ids, memory or descriptors must not end what runs for a night.
/// Without a descriptor for its pidfd it may have lived, and begun something.
bool link::waits_for_system(int error) {
  const bool may_pass = error == EAGAIN || error == ENOMEM || error == EMFILE || error == ENFILE;
  if (!may_pass || ladder_ || cause_ || progress().begun != 0) return false;
  const auto pause = policy::pause_after_refusal(++refusals_);
  if (!pause) return false;
  if (core_.options().debug_log)
    core_.log(role_.name + " can't be started now, the system refused it: " +
              os::error_text(error) + "; it is asked again");
  again_timer_ = core_.after(*pause, [this] { ask_again(); });
  if (observer_ != nullptr) observer_->on_refused(*this);
  return true;
}

void link::ask_again() {
  again_timer_ = 0;
  if (ladder_) return fail_start("it was told to end before the system had a process for it");
  try {
    if (!reopen()) return fail_start("the system could not start it");
    core_.request_start(shared_from_this());
  } catch (const kj::Exception& e) {  // no channel, or no zygote
    if (!waits_for_system(EAGAIN))
      fail_start(std::string{"the system could not start it: "} + e.getDescription().cStr());
  }
}

void link::started(os::zygote::reply reply) {
  channel_.theirs = {};
  pid_ = reply.pid;
  if (reply.pid < 0) {
    fail_start(std::string{"the system could not start it"} +
               (role_.group != nullptr ? " in a control group of its own: " : ": ") +
               os::error_text(reply.error) +
               (refusals_ > 1 ? ", also when it was asked again for some seconds" : "") +
               "; `troupe doctor` tells the limits");
    return;
  }
  pidfd_ = kj::mv(reply.pidfd);
  started_at_ = clock::now();
  register_channel();
  watch(event::death, pidfd_);
  limit_start();
  flush();
  if (reply.error != 0) reject(exit_cause::start_failed, why_not_executed(reply));
  if (cause_ || (ladder_ && !ladder_->next_time())) kill_now();
  if (sent_signal_) send_signal(*sent_signal_);
  if (observer_ != nullptr) observer_->on_started(*this);
}

bool link::is_found() {
  if (channel_.control.get() < 0 || !role_.program.empty()) return false;
  int pid = pid_of_hello();
  if (pid == 0) {
    os::end_reading(channel_.control);
    pid = pid_of_hello();
  }
  if (pid == 0) return false;
  may_have_begun_ = true;
  try {
    auto pidfd = os::find_pidfd(pid);
    // Only a child of this process can be waited for, so it is no other's pid.
    if (!pidfd || os::wait_child(*pidfd, true).how == os::wait_status::kind::unknown) return false;
    started({id_, pid, 0, {}, kj::mv(*pidfd)});
    return true;
  } catch (const kj::Exception&) {  // no descriptor is free for it
    return false;
  }
}

bool link::reopen() {
  if (state_ != state::starting || ladder_ || may_have_begun_) return false;
  unregister_channel();
  channel fresh = core_.take_channel();
  fresh.page().urgent = channel_.page().urgent.load();  // all of them are offered again
  fresh.page().chunk.revoked = channel_.page().chunk.revoked.load();  // but some shall not begin
  channel_ = kj::mv(fresh);
  outbox_.offer_again();
  return true;
}

void link::fail_start(const std::string& why) {
  cause_ = exit_cause::start_failed;
  detail_ = why;
  fill_report();
  finish();
}

void link::on_death() {
  status_ = os::wait_child(pidfd_, true);
  if (status_.how == os::wait_status::kind::running) return;
  read_control();  // whether it had said hello
  if (observer_ != nullptr) observer_->on_death(*this);
  // Its programs, while the unreaped leader keeps the group's id from being used again; before the
  // pipes are emptied, which they could go on filling.
  os::signal_group(pidfd_, pid_, SIGKILL);
  if (role_.group != nullptr) {
    ran_out_of_memory_ = os::out_of_memory_kills(role_.group->folder()) != 0;
    role_.group->kill();  // also what has left the process group
  }
  hold(false);
  drain();
  core_.forget_pid(pid_);
  os::wait_child(pidfd_, false);
  core_.look_for_orphans(pid_);
  fill_report();
  finish();
}

/// What the dead worker had finished: first what the pipe still holds, until it is empty (not until
/// its end: a program of the worker may hold it open), then what never reached the pipe.
void link::take_rest() {
  for (int reads = 0; reads < max_last_reads && read_answers(); ++reads) {
  }
  const auto& page = channel_.page();
  const auto rest =
      wire::rest_of_ring(page.origin.load(std::memory_order_acquire),
                         page.committed.load(std::memory_order_acquire), inbox_.received());
  if (rest.bytes == 0 || cause_) return;
  try {
    inbox_.feed(channel_.ring().subspan(rest.position, rest.bytes),
                [this](auto frame) { on_frame(frame); });
  } catch (const kj::Exception& e) {
    cause_ = exit_cause::bad_message;
    detail_ = e.getDescription().cStr();
  } catch (const std::exception& e) {
    cause_ = exit_cause::bad_message;
    detail_ = e.what();
  }
}

void link::drain() {
  take_rest();
  for (int reads = 0; reads < max_last_reads && channel_.errors.get() >= 0; ++reads) {
    const std::size_t before = errors_text_.seen();
    read_errors();
    if (errors_text_.seen() == before) break;
  }
  errors_text_.finish([this](std::string_view line) { core_.pass_on_error_line(line); });
}

void link::fill_report() {
  const os::wait_status& status = status_;
  exit_report& report = *report_;
  report.pid = pid_;
  report.role = role_.name;
  report.core_dumped = status.core_dumped;
  report.user_time = status.user_time;
  report.system_time = status.system_time;
  report.max_rss_kib = status.max_rss_kib;
  report.stderr_tail = errors_text_.tail();
  report.detail = detail_;
  last_progress_ = progress();
  report.in_progress = last_progress_.running() != 0;
  report.last_message = report.in_progress ? last_progress_.running() : last_progress_.begun;
  using kind = os::wait_status::kind;
  if (status.how == kind::exited) report.exit_code = status.value;
  if (status.how == kind::signaled) report.signal = status.value;
  const bool out_of_memory = ran_out_of_memory_ && report.signal == SIGKILL;
  const bool by_us = sent_signal_ && report.signal == sent_signal_;
  if (cause_) {
    report.cause = *cause_;
  } else if (status.how == kind::unknown || status.how == kind::running) {
    report.cause = exit_cause::unknown;
  } else if (out_of_memory && state_ != state::starting) {
    report.cause = exit_cause::out_of_memory;
  } else if (by_us) {
    report.cause = exit_cause::killed;
  } else if (ladder_ && (report.signal == SIGTERM || report.signal == SIGKILL)) {
    report.cause = exit_cause::stopped;
  } else if (state_ == state::starting) {
    report.cause = exit_cause::start_failed;
    report.detail =
        std::string{"it ended before it "} + sign_of_life() + ", " +
        (report.signal ? "killed by " + os::signal_name(*report.signal)
                       : "with exit code " + std::to_string(report.exit_code.value_or(-1)));
    if (out_of_memory) report.detail += " because it needed more than limits.memory_bytes";
  } else {
    report.cause = report.signal ? exit_cause::signaled : exit_cause::exited;
  }
  if (report.cause == exit_cause::signaled && report.signal == SIGKILL)
    report.maybe_out_of_memory = memory_ran_out();
  if (out_of_memory) report.maybe_out_of_memory = true;
  report.stack_overflow = report.signal == SIGSEGV && channel_.memory.data() != nullptr &&
                          channel_.page().stack_overflow.load(std::memory_order_acquire) != 0;
}

failure link::outcome_of(std::uint64_t number) const {
  const exit_report& report = *report_;
  failure why{errc::not_started, report.sentence(), report_, {}};
  if (last_progress_.has_left(number)) {
    why.code = errc::worker_lost;
    why.text += role_.actor ? "; it had begun this request and not answered it yet: repeat it only "
                              "if that does no harm"
                            : "; the answer to this request is lost, its work was done";
  } else if (last_progress_.has_begun(number)) {
    why.code = errc::worker_lost;
    why.text +=
        "; this request may have been carried out, wholly or in part: repeat it only if "
        "that does no harm";
  } else if (report.cause == exit_cause::start_failed) {
    why.code = errc::start_failed;
    why.text += "; this request was not begun";
  } else if (ladder_) {
    why.code = errc::stopped;
    why.text += "; this request was not begun";
  } else {
    why.text += "; this request was not begun: repeating it is safe";
  }
  return why;
}

namespace {

/// What those who watch are told: how the process ended. No handler ever begins a watch.
failure end_of(const std::shared_ptr<const exit_report>& report) {
  const errc code = report->cause == exit_cause::start_failed ? errc::start_failed
                    : report->cause == exit_cause::stopped    ? errc::stopped
                                                              : errc::worker_lost;
  return {code, report->sentence(), report, {}};
}

}  // namespace

void link::answer_all() {
  std::size_t dropped = 0;
  actor_host* const actors = core_.actors();
  outbox_.each([&](std::uint64_t number, const outbox::entry& entry, auto frame) {
    if (number == last_progress_.running() && !frame.empty() && frame.size() <= max_blamed_bytes &&
        entry.is != outbox::type::order) {
      blamed_.resize(frame.size() / sizeof(std::uint64_t));
      std::memcpy(blamed_.data(), frame.data(), frame.size());
    }
    if (entry.is == outbox::type::tell && !last_progress_.has_begun(number)) {
      ++dropped;
      if (role_.actor && actors != nullptr)
        actors->on_dead_letter(*this, reader_.read(frame), report_);
    }
    if (entry.is != outbox::type::request || entry.answered || entry.sink == nullptr) return;
    failure why = entry.watches ? end_of(report_) : outcome_of(number);
    why.frame = frame;
    entry.sink->failed(entry.tag, why);
  });
  if (dropped != 0)
    core_.log(std::to_string(dropped) + " messages to " + role_.name + " were never begun");
}

void link::finish() {
  const auto keep = shared_from_this();
  end_start();
  core_.cancel(end_timer_);
  core_.cancel(again_timer_);
  state_ = state::ended;
  if (core_.options().debug_log) core_.log(report_->sentence());
  answer_all();
  unregister_channel();
  if (role_.group != nullptr) core_.control_groups().end(std::exchange(role_.group, nullptr));
  channel gone = kj::mv(channel_);  // its page is read until all have been told
  capture_ = nullptr;
  outbox_ = outbox{};
  core_.discard(kj::mv(pidfd_));
  if (core_.actors() != nullptr) core_.actors()->on_gone(*this);
  if (observer_ != nullptr) observer_->on_ended(*this);
  core_.discard(kj::mv(gone));
  core_.ended(*this);
  core_.free_slot(slot_);
}

}  // namespace troupe::engine
