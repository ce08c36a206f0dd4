#include "troupe/os/random.hpp"

#include <kj/debug.h>
#include <sys/random.h>

namespace troupe::os {

std::uint64_t random_number() {
  std::uint64_t number = 0;
  KJ_SYSCALL(getrandom(&number, sizeof number, 0));
  return number;
}

}  // namespace troupe::os
