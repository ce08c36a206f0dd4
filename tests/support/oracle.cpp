#include <support/catch.hpp>
#include <support/oracle.hpp>
#include <support/processes.hpp>
#include <support/runtime.hpp>

#include <unistd.h>

#include <cstdlib>
#include <iostream>

namespace test {

using namespace std::chrono_literals;

namespace {

int echo(int x) {
  return x;
}

/// A first process also starts the zygote where `run` did not.
void ping() {
  const auto answering = runtime().serve(echo);
  CHECK(answering.ask(7).value() == 7);
  runtime().stop(answering);
}

}  // namespace

oracle::oracle()
    : children_((ping(), children().size())), descriptors_(open_descriptors().size()) {}

void oracle::check() const {
  // Orphans of a process that was killed end a moment later; the loop reaps them.
  const auto answering = runtime().serve(echo);
  CHECK(answering.ask(7).value() == 7);
  const auto limit = std::chrono::steady_clock::now() + 10s;
  while ((unreaped_child() > 0 || children().size() > children_ + 1) &&
         std::chrono::steady_clock::now() < limit)
    static_cast<void>(runtime().join(answering, 1ms));
  runtime().stop(answering);
  for (const int pid : children())
    UNSCOPED_INFO("child " << pid << ' ' << status_of(pid, "Name") << ", "
                           << status_of(pid, "State") << ", group " << getpgid(pid));
  CHECK(unreaped_child() == 0);
  CHECK(children().size() == children_);
  CHECK(open_descriptors().size() == descriptors_);
}

bool nothing_is_left() {
  bool nothing = true;
  if (const int child = unreaped_child(); child != -1) {
    std::cerr << "after the runtime's end there is a child of this process";
    if (child > 0) std::cerr << ": " << child << " is a zombie";
    for (const int pid : children())
      std::cerr << ' ' << pid << " (" << status_of(pid, "Name") << ')';
    std::cerr << std::endl;
    nothing = false;
  }
  const char* token = std::getenv("TROUPE_TEST_TOKEN");
  if (token == nullptr) return nothing;
  for (const int pid : processes_with(std::string{"TROUPE_TEST_TOKEN="} + token)) {
    if (pid == getpid()) continue;
    std::cerr << "after the runtime's end process " << pid << " (" << status_of(pid, "Name")
              << ") of this test lives" << std::endl;
    nothing = false;
  }
  return nothing;
}

}  // namespace test
