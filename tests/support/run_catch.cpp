// The one file that holds Catch2 v2's implementation; v3 has it in a library and ignores the macro.
#define CATCH_CONFIG_RUNNER
#include <support/run_catch.hpp>

#include <support/catch.hpp>

namespace test {

int run_catch(int argc, char** argv) {
  return Catch::Session().run(argc, argv);
}

}  // namespace test
