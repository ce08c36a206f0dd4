#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "troupe/engine/core.hpp"
#include "troupe/os/control_group.hpp"
#include "troupe/os/group_leaf.hpp"
#include "troupe/policy/spec.hpp"

namespace troupe::engine {

/// Control groups for those children of a process whose limits need one.
///
/// Owns: the groups of children that have ended, until they are removed. Runs in: the loop.
/// Ends: the destructor removes what is left, and in the first process of a tree gives the group of
/// the whole program back as it was.
class control_groups {
public:
  explicit control_groups(core& of) : core_(of) {}
  control_groups(const control_groups&) = delete;
  control_groups& operator=(const control_groups&) = delete;
  ~control_groups();

  /// Which limits can be kept here. The first time it finds the place for groups, makes it ready
  /// and removes what dead programs have left there; may block for that, 1 s for each group.
  const policy::group_facts& facts();
  /// Makes one for a child with these limits. @throws std::runtime_error, one sentence.
  std::shared_ptr<os::group_leaf> make(const process_limits& what, std::string_view child);
  /// Its child has ended: what is left in it is killed, the group removed.
  void end(std::shared_ptr<os::group_leaf> group);
  [[nodiscard]] bool empty() const noexcept { return ending_.empty(); }

private:
  void open();
  void remove_ended();
  void take_left();

  core& core_;
  os::group_place place_;
  bool opened_ = false;
  policy::group_facts facts_;
  std::vector<std::shared_ptr<os::group_leaf>> ending_;
  core::timer_id timer_ = 0;
  std::size_t pause_ = 0;
};

}  // namespace troupe::engine
