#pragma once

namespace troupe::policy {

/// Deaths in a row of workers that never came up: a pool whose workers can't start is broken, and
/// starting more would go on for ever. Somebody else's SIGKILL says little about that: it takes
/// many. Pure.
class start_failures {
public:
  static constexpr unsigned limit = 3;
  static constexpr unsigned killed_limit = 100;
  void came_up() noexcept { failed_ = killed_ = 0; }
  /// True: give up.
  bool failed() noexcept { return ++failed_ >= limit; }
  bool killed() noexcept { return ++killed_ >= killed_limit; }

private:
  unsigned failed_ = 0;
  unsigned killed_ = 0;
};

}  // namespace troupe::policy
