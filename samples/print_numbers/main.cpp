// Starts a process that prints five numbers, waits for it and looks at its exit code.
#include <iostream>
#include <troupe/troupe.hpp>

int print_numbers(int last) {
  for (int i = 1; i <= last; ++i) std::cout << i << '\n';
  return 0;
}

int main(int argc, char** argv) {
  return troupe::program{argc, argv}.run([](troupe::runtime& rt) {
    // region join
    auto child = rt.spawn(print_numbers, 5);        // runs in a process of its own
    const troupe::exit_report end = rt.join(child);  // waits for it
    std::cout << "exit code " << *end.exit_code << '\n';
    // endregion
  });
}
