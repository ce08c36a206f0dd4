#pragma once

namespace test {

/// Runs the tests that the command line names and returns the exit code of the program.
int run_catch(int argc, char** argv);

}  // namespace test
