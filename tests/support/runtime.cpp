#include <support/runtime.hpp>

#include <stdexcept>

namespace test {

namespace {
troupe::runtime* current = nullptr;
}

troupe::runtime& runtime() {
  if (current == nullptr) throw std::logic_error("test::runtime() outside of a process test");
  return *current;
}

void set_runtime(troupe::runtime* rt) {
  current = rt;
}

}  // namespace test
