#include <support/catch.hpp>
#include <support/processes.hpp>

#include <troupe/os/child.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>

TEST_CASE("a process is identified by name, group and mark", "[process][os]") {
  const auto self = troupe::os::identify(getpid(), "NO_SUCH_MARK=1");
  REQUIRE(self.has_value());
  CHECK(self->group == getpgid(0));
  CHECK_FALSE(self->zombie);
  CHECK_FALSE(self->marked);

  setenv("UNIT_TEST_MARK", "17", 1);
  const int marked = test::start_program({"sh", "-c", "kill -STOP $$"});
  unsetenv("UNIT_TEST_MARK");
  REQUIRE(waitpid(marked, nullptr, WUNTRACED) == marked);  // its exec is complete
  const auto all = troupe::os::children_of_this_process();
  CHECK(std::count(all.begin(), all.end(), marked) == 1);
  const auto who = troupe::os::identify(marked, "UNIT_TEST_MARK=17");
  REQUIRE(who.has_value());
  CHECK(who->marked);
  CHECK_FALSE(troupe::os::identify(marked, "UNIT_TEST_MARK=1")->marked);
  CHECK_FALSE(troupe::os::identify(marked, "TEST_MARK=17")->marked);
  test::end_program(marked);
  CHECK_FALSE(troupe::os::identify(marked, "").has_value());
}

TEST_CASE("the status of a child can be looked at before it is reaped", "[process][os]") {
  using kind = troupe::os::wait_status::kind;
  const int pid = test::start_program({"sh", "-c", "exit 3"});
  const auto pidfd = troupe::os::open_pidfd(pid);
  REQUIRE(test::ended({pid}, std::chrono::seconds{10}));
  const auto looked = troupe::os::wait_child(pidfd.get(), true);
  CHECK(looked.how == kind::exited);
  CHECK(looked.value == 3);
  CHECK(troupe::os::identify(pid, "")->zombie);
  CHECK(troupe::os::wait_child(pidfd.get(), false).value == 3);
  CHECK(troupe::os::wait_child(pidfd.get(), false).how == kind::unknown);
  CHECK_FALSE(troupe::os::send_signal(pidfd.get(), SIGKILL));
}

TEST_CASE("a running child has no status, a killed one its signal", "[process][os]") {
  using kind = troupe::os::wait_status::kind;
  const int pid = test::start_program({"sleep", "1000"});
  const auto pidfd = troupe::os::open_pidfd(pid);
  CHECK(troupe::os::wait_child(pidfd.get(), false).how == kind::running);
  CHECK(troupe::os::send_signal(pidfd.get(), SIGTERM));
  troupe::os::reap_blocking(pidfd.get());
  CHECK(troupe::os::wait_child(pidfd.get(), false).how == kind::unknown);
  CHECK_THROWS_AS(troupe::os::open_pidfd(pid), kj::Exception);
}
