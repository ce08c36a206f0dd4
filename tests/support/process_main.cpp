// A test program is its own parent and its own workers: tests run inside the program's lambda.
#include <support/run_catch.hpp>
#include <support/runtime.hpp>
#include <troupe/troupe.hpp>

int main(int argc, char** argv) {
  troupe::program program{argc, argv};
  return program.run([&](troupe::runtime& rt) -> int {
    test::set_runtime(&rt);
    const int failed = test::run_catch(argc, argv);
    test::set_runtime(nullptr);
    return failed;
  });
}
