#pragma once

#include <cstddef>

namespace test {

/// What must hold after every fault, whatever it was: the runtime answers, no process is left, none
/// is a zombie, no descriptor leaked. Outcomes and causes are for the test itself to count.
///
/// Made at the beginning of a test, `check`ed at its end, when the test has stopped its processes.
class oracle {
public:
  oracle();
  void check() const;

private:
  std::size_t children_;
  std::size_t descriptors_;
};

/// Once the runtime has ended: says on stderr what it left behind. True: nothing.
bool nothing_is_left();

}  // namespace test
