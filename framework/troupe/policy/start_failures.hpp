#pragma once

namespace troupe::policy {

/// Deaths in a row of workers that never came up: a pool whose workers can't start is broken, and
/// starting more would go on for ever. Pure.
class start_failures {
public:
  static constexpr unsigned limit = 3;
  void came_up() noexcept { in_a_row_ = 0; }
  /// True: give up.
  bool failed() noexcept { return ++in_a_row_ >= limit; }

private:
  unsigned in_a_row_ = 0;
};

}  // namespace troupe::policy
