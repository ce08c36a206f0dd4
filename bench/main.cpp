// troupe_bench [--json] [--only REGEX] [--list]: what Troupe costs on this machine.
//
// --json  one JSON object a line: {"bench","system","metric","value","unit"}
// --only  systems whose "BENCH system" matches, as in --only "B1 troupe_ask_function$"
//
// Each system runs in a process of its own, so that none finds what another has left behind.
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <regex>

#include "bench.hpp"

namespace {

constexpr unsigned limit_s = 20;

std::vector<bench::entry> all_entries() {
  std::vector<bench::entry> all;
  for (auto&& some : {bench::ask_entries(), bench::tell_entries(), bench::start_entries(),
                      bench::map_entries(), bench::restart_entries(), bench::actor_entries(),
                      bench::decide_entries(), bench::supervise_entries()})
    all.insert(all.end(), some.begin(), some.end());
  return all;
}

/// The last core that this process may use: interrupts tend to go to the first.
void share_one_core() {
  cpu_set_t allowed;
  sched_getaffinity(0, sizeof allowed, &allowed);
  int core = CPU_SETSIZE - 1;
  while (core > 0 && !CPU_ISSET(core, &allowed)) --core;
  CPU_ZERO(&allowed);
  CPU_SET(core, &allowed);
  sched_setaffinity(0, sizeof allowed, &allowed);
}

bool run_in_process(const bench::entry& e, bool json) {
  const pid_t child = fork();
  if (child == 0) {
    if (e.one_core) share_one_core();
    if (e.by_exec) setenv("TROUPE_START", "spawn", 1);
    execl("/proc/self/exe", "troupe_bench", "--one", e.system.c_str(), json ? "--json" : nullptr,
          nullptr);
    _exit(127);
  }
  int status = -1;
  waitpid(child, &status, 0);
  if (status != 0)
    std::fprintf(stderr, "%s %s failed (wait status %d)\n", e.benchmark.c_str(), e.system.c_str(),
                 status);
  return status == 0;
}

int run_one(troupe::program& program, const std::string& system, bool json) {
  for (const auto& e : all_entries()) {
    if (e.system != system) continue;
    alarm(limit_s);
    bench::report out{e.benchmark, e.system, json};
    return program.run([&](troupe::runtime& rt) { e.run(rt, out); });
  }
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  troupe::program program{argc, argv};
  bool json = false;
  bool list = false;
  std::string one;
  std::regex only{""};
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--json") {
      json = true;
    } else if (word == "--list") {
      list = true;
    } else if (word == "--only" && i + 1 < argc) {
      only = std::regex{argv[++i]};
    } else if (word == "--one" && i + 1 < argc) {
      one = argv[++i];
    } else {
      std::fprintf(stderr, "usage: troupe_bench [--json] [--only REGEX] [--list]\n");
      return 2;
    }
  }
  if (!one.empty()) return run_one(program, one, json);
  bool good = true;
  for (const auto& e : all_entries()) {
    const std::string name = e.benchmark + ' ' + e.system;
    if (!std::regex_search(name, only)) continue;
    if (list) {
      std::puts(name.c_str());
    } else {
      good = run_in_process(e, json) && good;
    }
  }
  return good ? 0 : 1;
}
