#include "troupe/os/random.hpp"

#include <kj/debug.h>
#include <sys/random.h>

namespace troupe::os {

random_bits random_number() {
  random_bits number;
  KJ_SYSCALL(getrandom(&number, sizeof number, 0));
  return number;
}

}  // namespace troupe::os
