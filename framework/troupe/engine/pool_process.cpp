#include "troupe/engine/pool_process.hpp"

#include <algorithm>
#include <csignal>
#include <utility>

#include "troupe/os/random.hpp"

namespace troupe::engine {

pool_process::pool_process(core& in, const std::string& name, const calls& how,
                           pool_process_owner& owner)
    : core_(in),
      how_(how),
      owner_(&owner),
      random_(static_cast<std::uint32_t>(os::random_number().low)) {
  role idle;
  idle.name = name;
  link_ = core_.start(std::move(idle));
  link_->observe(this);
  if (!how_.initializer) {
    initialized_ = true;
    return;
  }
  post(*how_.initializer, initialize);
  if (how_.start_limit.count() > 0)
    start_timer_ = core_.after(how_.start_limit, [this] {
      start_timer_ = 0;
      trouble_ = "its initializer did not end in time";
      link_->signal(SIGKILL);
    });
}

pool_process::~pool_process() {
  core_.cancel(start_timer_);
  link_->observe(nullptr);
  link_->forget(*this);
  link_->stop(how_.grace);
}

std::uint64_t pool_process::post(const role& what, call tag) {
  const std::uint64_t target = link_->bind(what);
  const wire::header head{wire::Envelope::Kind::REQUEST, 0, target};
  link_->post(head, {}, this, tag);
  return target;
}

std::uint64_t pool_process::target_of(const role& what) {
  const auto same = [&what](const known& k) {
    return k.stub == what.stub && k.function == what.function;
  };
  const auto found = std::find_if(known_.begin(), known_.end(), same);
  if (found != known_.end()) {
    known_.splice(known_.begin(), known_, found);
    return known_.front().target;
  }
  if (known_.size() == most_known) {
    link_->unbind(known_.back().target);
    known_.pop_back();
  }
  known_.push_front({what.stub, what.function, link_->bind(what)});
  return known_.front().target;
}

void pool_process::leave() {
  if (std::exchange(leaving_, true) || has_ended()) return;
  if (!how_.finalizer || !initialized_) {
    link_->stop(how_.grace);
    return;
  }
  post(*how_.finalizer, finalize);
  link_->flush();
  core_.cancel(start_timer_);
  start_timer_ = core_.after(how_.grace, [this] {
    start_timer_ = 0;
    link_->stop(how_.grace);
  });
}

void pool_process::answered(std::uint64_t tag, const payload_view&) {
  core_.cancel(std::exchange(start_timer_, 0));
  if (tag == finalize) {
    link_->stop(how_.grace);
    return;
  }
  if (dying_) return;  // it did not outlive its answer
  initialized_ = true;
  if (link_->now() == link::state::ready) owner_->on_up(*this);
}

void pool_process::failed(std::uint64_t tag, const failure& why) {
  core_.cancel(std::exchange(start_timer_, 0));
  if (why.report != nullptr) return;  // its end will be told
  if (tag == finalize) {
    core_.pass_on_error_line("troupe: the finalizer of a pool worker failed: " + why.text + '\n');
    link_->stop(how_.grace);
    return;
  }
  trouble_ = "its initializer failed: " + why.text;
  link_->signal(SIGKILL);
}

std::string pool_process::why_it_ended() const {
  exit_report report = *link_->report();
  if (!trouble_.empty())
    return "process " + std::to_string(report.pid) + " (" + report.role + "): " + trouble_;
  if (report.cause == exit_cause::start_failed) return report.sentence();
  const bool in_initializer = how_.initializer && std::exchange(report.in_progress, false);
  return report.sentence() + (in_initializer ? " in its initializer" : " before it was up");
}

void pool_process::on_ready(link&) {
  if (initialized_) owner_->on_up(*this);
}

void pool_process::on_death(link&) {
  dying_ = true;
  owner_->on_death(*this);
}

void pool_process::on_ended(link&) {
  owner_->on_ended(*this);
}

void pool_process::on_refused(link&) {
  owner_->on_refused(*this);
}

}  // namespace troupe::engine
