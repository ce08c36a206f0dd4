// Supervised children, which are CAF behaviours: from SIGKILL to the answer of the next life, the
// start of many by one call, and the longest answer to a call while many restart.
#include <signal.h>

#include <caf/all.hpp>

#include <algorithm>

#include "bench.hpp"

namespace bench {

namespace {

using namespace std::chrono_literals;

constexpr int warm_up = 5;
constexpr int kills = 200;
constexpr std::size_t many = 1000;
constexpr std::size_t killed_at_once = 256;

caf::behavior next() {
  return {[](int x) { return x + 1; }};
}

int ask(troupe::runtime& rt, const caf::actor& who, int x) {
  int answer = 0;
  rt.self()
      ->request(who, 10s, x)
      .receive([&](int y) { answer = y; },
               [](const caf::error& e) { require(false, troupe::describe(e).c_str()); });
  return answer;
}

void restart(troupe::runtime& rt, report& out, int spares) {
  auto tree = rt.supervise({.intensity = kills + warm_up,
                            .spares = spares,
                            .children = {{.id = "next", .start = troupe::run(next)}}});
  const auto child = tree.child("next");
  samples times;
  for (int i = -warm_up; i < kills; ++i) {
    const auto victim = *tree.process_of("next");
    // So that a spare is there; nobody sleeps, and the reference does the same.
    const auto enough = clock::now() + (spares != 0 ? 10ms : 0ms);
    while (clock::now() < enough) require(ask(rt, child, i) == i + 1, "a wrong answer");
    const auto begin = clock::now();
    rt.kill(victim);
    rt.join(victim);  // else the question could go to it, and be lost with it
    require(ask(rt, child, i) == i + 1, "a wrong answer");
    if (i >= 0) times.add(clock::now() - begin);
  }
  times.print(out, "restart_");
  require(tree.which_child("next")->restarts == kills + warm_up, "another number of restarts");
}

void start_many(troupe::runtime& rt, report& out) {
  auto tree = rt.supervise({.strategy = troupe::restart_strategy::dynamic,
                            .children = {{.id = "next", .start = troupe::run(next)}}});
  const auto begin = clock::now();
  const auto started = tree.start_children(
      std::vector<std::shared_ptr<const troupe::child_start>>(many, troupe::run(next)));
  const duration<double, std::milli> time = clock::now() - begin;
  require(started.size() == many && tree.count_children().active == many, "not all have started");
  out.value("start_all", time.count(), "ms");
  require(ask(rt, tree.child(started.back().key), 1) == 2, "a wrong answer");
  double pss = sum_of("/proc/self/smaps_rollup", {"Pss"});
  for (const auto& child : tree.which_children())
    pss += sum_of("/proc/" + std::to_string(*child.pid) + "/smaps_rollup", {"Pss"});
  out.value("pss_all", pss / 1024, "MiB");
}

/// Calls from the moment at which all children are killed until all of them run again.
void answer_after_kills(troupe::runtime& rt, report& out) {
  auto tree = rt.supervise({.strategy = troupe::restart_strategy::dynamic,
                            .intensity = static_cast<int>(killed_at_once),
                            .children = {{.id = "next", .start = troupe::run(next)}}});
  tree.start_children(
      std::vector<std::shared_ptr<const troupe::child_start>>(killed_at_once, troupe::run(next)));
  for (const auto& c : tree.which_children()) require(kill(*c.pid, SIGKILL) == 0, "no kill");
  duration<double, std::milli> longest{};
  for (std::size_t back = 0; back < killed_at_once;) {
    const auto begin = clock::now();
    const auto all = tree.which_children();
    longest = std::max<duration<double, std::milli>>(longest, clock::now() - begin);
    back = 0;
    for (const auto& c : all)
      back += c.restarts == 1 && c.now == troupe::child_status::state::running ? 1U : 0U;
    if (back < killed_at_once) static_cast<void>(tree.wait(1ms));
  }
  out.value("longest_answer", longest.count(), "ms");
}

}  // namespace

std::vector<entry> supervise_entries() {
  return {
      {"B7", "troupe_supervised_restart",
       [](troupe::runtime& rt, report& out) { restart(rt, out, 0); }},
      {"B7", "troupe_spare_restart", [](troupe::runtime& rt, report& out) { restart(rt, out, 1); }},
      {"B8", "troupe_dynamic", start_many},
      {"B8", "troupe_killed_at_once", answer_after_kills}};
}

}  // namespace bench
