// A test program is its own parent and its own workers: tests run inside the program's lambda.
#include <support/oracle.hpp>
#include <support/run_catch.hpp>
#include <support/runtime.hpp>
#include <support/victim.hpp>

#include <cstdlib>
#include <troupe/troupe.hpp>

int main(int argc, char** argv) {
  troupe::program program{argc, argv};
  test::set_program(program);
  const bool victim = test::is_victim();
  if (std::getenv("TROUPE_TEST_NO_CONTROL") != nullptr) program.control(false);
  const int code = program.run([&](troupe::runtime& rt) -> int {
    test::set_runtime(&rt);
    const int failed = victim ? test::run_victim(rt) : test::run_catch(argc, argv);
    test::set_runtime(nullptr);
    return failed;
  });
  if (victim || code != 0) return code;
  return test::nothing_is_left() ? 0 : 1;
}
