#pragma once

#include <map>
#include <optional>

#include "programs.hpp"
#include "snapshot.hpp"
#include "troupe/os/poller.hpp"

namespace troupe::tool {

/// A running program, seen whole: what it tells, what those of its workers tell that have processes
/// of their own, and what the system tells of them all.
class view {
public:
  explicit view(found_program of) : root_(std::move(of.talk)) {}

  [[nodiscard]] const std::string& with() const noexcept { return root_.with(); }

  /// The tree, asked for now. @throws trouble
  snapshot look();
  /// Why a process told nothing of those below it, by pid.
  [[nodiscard]] const std::map<int, std::string>& silent() const noexcept { return silent_; }
  /// Whoever answers for a node of the last look.
  conversation& teller_of(const node& which);

  /// From now on the program says when its tree changes.
  void watch(int interrupt);
  enum class event : std::uint8_t { changed, interrupted, ended };
  /// Waits for something new. @throws trouble
  event wait();
  /// The tree as it was told last; empty before it was.
  std::optional<snapshot> current();

private:
  template <class What>
  void attempt_each(std::map<int, conversation>& parts, What what);
  bool hear_root();
  void hear_part(int pid);
  void meet_parts();

  conversation root_;
  std::map<int, conversation> parts_;
  std::map<int, std::string> silent_;
  std::optional<snapshot> latest_;
  std::map<int, snapshot> latest_parts_;
  meter meter_;
  std::optional<os::poller> poller_;
};

}  // namespace troupe::tool
