// The supervisors that live in one process: the root's, or those of a worker's actor.
#include <algorithm>

#include "troupe/bridge/node.hpp"
#include "troupe/bridge/supervisor.hpp"
#include "troupe/engine/worker.hpp"

namespace troupe::bridge {

std::shared_ptr<supervisor> node::supervise(supervisor_spec spec, std::string path,
                                            supervisor_listener to) {
  std::erase_if(supervisors_, [](const auto& s) { return s->finish().has_value(); });
  auto made = std::make_shared<supervisor>(*this, std::move(spec), std::move(path), std::move(to));
  if (termination_ == nullptr && !engine::in_worker())
    termination_ = std::make_unique<engine::termination>(core_);
  supervisors_.push_back(made);
  engine::note_supervisors(true);
  core_.open_control();
  return made;
}

void node::supervisor_finished() {
  if (std::all_of(supervisors_.begin(), supervisors_.end(),
                  [](const auto& s) { return s->finish().has_value(); })) {
    termination_.reset();
    engine::note_supervisors(false);
  }
  core_.note_change();
}

bool node::supervisors_start() const {
  return std::any_of(supervisors_.begin(), supervisors_.end(), [](const auto& s) {
    return !s->is_up() && (!s->finish() || s->may_start_again());
  });
}

bool node::function_may_supervise(const address& who) const {
  return engine::in_worker() && hosted_ == nullptr && ends_.count(who) == 0;
}

void node::tell_lifecycle(lifecycle_event what) {
  core_.log(std::string{what.path} + ": " + std::string{to_string(what.what)} +
            (what.reason.empty() ? "" : ": " + what.reason));
  if (watcher_) unseen_events_.push_back(std::move(what));
}

bool node::stop_supervisors(engine::clock::time_point limit) {
  bool all = true;
  while (!supervisors_.empty()) {
    const auto last = supervisors_.back();
    last->stop();
    all = core_.run_until([&] { return last->finish().has_value(); }, limit) && all;
    last->abandon();
    std::erase(supervisors_, last);
  }
  return all;
}

}  // namespace troupe::bridge
