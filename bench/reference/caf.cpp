// caf ask|start: CAF by itself. ask: a scoped_actor and an actor of CAF's own scheduler in one
// process. start: from the spawn of a program with an actor system to the first answer of an actor
// in it.
#include <spawn.h>

#include <caf/all.hpp>

#include "reference.hpp"

using namespace reference;

namespace {

constexpr int asks = 5000;
constexpr int starts = 200;

caf::behavior echo() {
  return {[](std::uint64_t n) { return n; }, [](char c) { return c; }};
}

void ask() {
  caf::actor_system_config config;
  caf::actor_system system{config};
  caf::scoped_actor self{system};
  const auto actor = self->spawn(echo);
  std::vector<double> times;
  for (std::uint64_t i = 0; i < asks; ++i) {
    const auto begin = clock::now();
    self->request(actor, caf::infinite, i)
        .receive([&](std::uint64_t n) { require(n == i, "a wrong echo"); },
                 [](caf::error&) { require(false, "no answer"); });
    if (i >= asks / 10) times.push_back(us(clock::now() - begin));
  }
  percentiles("B1", "caf_local", "", times);
  self->send_exit(actor, caf::exit_reason::user_shutdown);
}

/// The spawned program: answers bytes of its stdin through an actor.
void serve() {
  caf::actor_system_config config;
  caf::actor_system system{config};
  caf::scoped_actor self{system};
  const auto actor = self->spawn(echo);
  for (char c; read_all(0, &c, 1);)
    self->request(actor, caf::infinite, c)
        .receive([](char same) { write_all(1, &same, 1); }, [](caf::error&) { std::_Exit(1); });
  self->send_exit(actor, caf::exit_reason::user_shutdown);
}

void start() {
  std::vector<double> times;
  for (int i = -10; i < starts; ++i) {
    const auto begin = clock::now();
    int down[2];
    int up[2];
    require(pipe2(down, O_CLOEXEC) == 0 && pipe2(up, O_CLOEXEC) == 0, "pipe2");
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, down[0], 0);
    posix_spawn_file_actions_adddup2(&actions, up[1], 1);
    char name[] = "caf";
    char word[] = "serve";
    char* const words[] = {name, word, nullptr};
    child c{-1, down[1], up[0]};
    require(posix_spawn(&c.pid, "/proc/self/exe", &actions, nullptr, words, environ) == 0, "spawn");
    posix_spawn_file_actions_destroy(&actions);
    close(down[0]);
    close(up[1]);
    char byte = 'p';
    write_all(c.to, &byte, 1);
    require(read_all(c.from, &byte, 1) && byte == 'p', "no answer");
    if (i >= 0) times.push_back(us(clock::now() - begin));
    c.reap();
  }
  percentiles("B4", "raw_spawn_caf", "start_", times);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  if (what == "ask") {
    ask();
  } else if (what == "start") {
    start();
  } else if (what == "serve") {
    serve();
  } else {
    return 2;
  }
}
