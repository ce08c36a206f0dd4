#pragma once

#include <cstddef>
#include <cstdint>

namespace troupe::policy {

/// When to read the clock for work whose parts are short: for many items at once always, for few
/// now and then, because reading it would cost more than they do. Pure.
class sampling {
public:
  static constexpr std::size_t many = 8;
  static constexpr std::uint32_t every = 16;

  /// How much a measured time counts; 0: it is not to be measured.
  std::uint32_t weight(std::size_t items) {
    if (items >= many) return 1;
    if (few_ < every) {  // the first are measured all
      ++few_;
      return 1;
    }
    return few_++ % every == 0 ? every : 0;
  }

private:
  std::uint32_t few_ = 0;
};

}  // namespace troupe::policy
