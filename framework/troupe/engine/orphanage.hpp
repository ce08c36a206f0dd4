#pragma once

#include <map>
#include <set>
#include <string>

#include "troupe/os/descriptor.hpp"

namespace troupe::engine {

/// Orphans of dead workers that this process adopted as subreaper: kills and reaps them, and never
/// touches a child that the host program started itself.
///
/// An orphan is ours if it still carries the name that a worker or zygote gave itself, if its
/// environment carries the tree's mark (everything exec'd below a worker), if it died in the middle
/// of its exec, if it is in the process group of a worker that died, in the session of a worker's
/// zygote, or in the control group of a child.
class orphanage {
public:
  explicit orphanage(std::string mark) : mark_(std::move(mark)) {}

  /// A worker is reaped and others of its process group are not: the group's id stays theirs.
  void group_remains(int group) { groups_.insert(group); }

  /// Looks at every child that is not `known`. True while one of ours is left,
  /// or may be.
  /// `kill_zygotes`: also those of dead workers, which otherwise end by themselves when they have
  /// killed what their owner left.
  bool sweep(const std::set<int>& known, bool kill_zygotes);

  /// Kills and reaps, waiting, whatever a dead zygote had started without telling. `programs`: it
  /// may have been one; they can't be told from those that code of the user's has started here.
  void end_untold_workers(const std::set<int>& known, bool programs);

private:
  /// True when there were any.
  bool reap_killed();

  std::string mark_;
  std::map<int, os::descriptor> killed_;  ///< pidfds by pid, until they are reaped
  std::set<int> groups_;
  std::set<int> sessions_;
};

}  // namespace troupe::engine
