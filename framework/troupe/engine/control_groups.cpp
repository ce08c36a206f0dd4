#include "troupe/engine/control_groups.hpp"

#include <kj/exception.h>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <utility>

#include "troupe/os/child.hpp"

namespace troupe::engine {

using namespace std::chrono_literals;

namespace {

/// A killed process takes a moment to go; one that the kernel holds is looked at once a second.
constexpr std::array<std::chrono::milliseconds, 5> pauses{1ms, 5ms, 20ms, 250ms, 1000ms};

}  // namespace

control_groups::~control_groups() {
  core_.cancel(timer_);
  ending_.clear();
  if (place_.folder.get() < 0 || !core_.options().path.empty()) return;
  os::group_leaf::take_left(place_.folder);
  os::close_group_place(place_.folder, os::own_pid());
}

const policy::group_facts& control_groups::facts() {
  open();
  return facts_;
}

void control_groups::open() {
  if (std::exchange(opened_, true)) return;
  const auto root = os::ancestor(core_.options().path.size());
  place_ = os::open_group_place(os::own_control_group().folder, root, {"memory", "pids"});
  facts_.memory = place_.missing["memory"];
  facts_.pids = place_.missing["pids"];
  if (place_.folder.get() >= 0) os::group_leaf::take_left(place_.folder);
}

std::shared_ptr<os::group_leaf> control_groups::make(const process_limits& what,
                                                     std::string_view child) {
  open();
  const std::string refused = "it can't have the control group that its limits need: ";
  if (what.memory_bytes && !facts_.memory.empty())
    throw std::runtime_error{refused + facts_.memory};
  if (what.pids && !facts_.pids.empty()) throw std::runtime_error{refused + facts_.pids};
  try {
    return std::make_shared<os::group_leaf>(
        os::group_leaf::make(place_.folder, {what.memory_bytes, what.pids}, child));
  } catch (const kj::Exception& e) {
    throw start_refused{refused + e.getDescription().cStr()};
  }
}

void control_groups::end(std::shared_ptr<os::group_leaf> group) {
  group->kill();
  ending_.push_back(std::move(group));
  pause_ = 0;
  core_.cancel(timer_);
  remove_ended();
}

/// A child's own limited children have groups beside its own, which nobody has when it is dead.
void control_groups::remove_ended() {
  timer_ = 0;
  const std::size_t removed = std::erase_if(ending_, [](const auto& g) { return g->remove(); });
  if (removed != 0) {
    take_left();
    core_.orphans_may_be_there();  // what was killed there
  }
  if (ending_.empty()) return;
  timer_ = core_.after(pauses[pause_], [this] { remove_ended(); });
  pause_ = std::min(pause_ + 1, pauses.size() - 1);
}

void control_groups::take_left() {
  if (place_.folder.get() < 0) return;
  for (auto& left : os::group_leaf::take_left(place_.folder))
    ending_.push_back(std::make_shared<os::group_leaf>(std::move(left)));
}

}  // namespace troupe::engine
