// What a program of the tree prints to this program's stdout.
#include <support/folder.hpp>
#include <support/supervised.hpp>
#include <support/victim.hpp>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

using namespace std::chrono_literals;
using troupe::execute;

namespace {

constexpr int lines = 100'000;  // more than the pipes on their way hold

caf::behavior next() {
  return {[](int x) { return x + 1; }};
}

bool is_stdout_full() {
  int unread = 0;
  return ioctl(STDOUT_FILENO, FIONREAD, &unread) == 0 &&
         unread > fcntl(STDOUT_FILENO, F_GETPIPE_SZ) - 2 * getpagesize();
}

int ask(troupe::runtime& rt, const caf::actor& who, int x) {
  int answer = 0;
  rt.self()
      ->request(who, caf::infinite, x)
      .receive([&](int y) { answer = y; },
               [](const caf::error& e) { std::cerr << troupe::describe(e) << std::endl; });
  return answer;
}

/// Tells at `place` when a restart was possible though nobody reads what a program prints.
int unread_root(troupe::runtime& rt, const std::string& place) {
  auto sup = rt.supervise({.auto_shutdown = troupe::auto_shutdown_mode::any_significant,
                           .children = {{.id = "next", .start = troupe::run(next)},
                                        {.id = "talker",
                                         .start = execute({.argv = {"seq", std::to_string(lines)},
                                                           .ready = troupe::ready_when::line()}),
                                         .restart = troupe::restart_type::transient,
                                         .significant = true}}});
  const auto child = sup.child("next");
  while (!is_stdout_full()) static_cast<void>(ask(rt, child, 1));
  const auto victim = *sup.process_of("next");
  rt.kill(victim);
  rt.join(victim);
  std::ofstream{place} << ask(rt, child, 41) << std::endl;
  sup.wait(1h);
  return 0;
}
const test::victim_role unread{"unread root", unread_root};

}  // namespace

TEST_CASE("supervision goes on while nobody reads what a program prints",
          "[process][program][output]") {
  const test::folder place;
  const std::string fifo = place.path() + "/answer";
  REQUIRE(mkfifo(fifo.c_str(), 0600) == 0);
  test::victim root{"unread root", {.argument = fifo, .through = {}}};
  int answer = 0;
  std::ifstream{fifo} >> answer;
  CHECK(answer == 42);
  for (int i = 1; i <= lines; ++i) REQUIRE(root.line() == std::to_string(i));
  CHECK(root.rest().empty());
  CHECK(root.status() == 0);
}
