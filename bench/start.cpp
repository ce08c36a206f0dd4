// B4: from the start of a worker to its first answer; what it costs when it is idle.
#include "bench.hpp"

#include <thread>

namespace bench {

namespace {

using namespace std::chrono_literals;

constexpr int warm_up = 10;
constexpr int starts = 200;
constexpr int alive = 20;

char echo(char what) {
  return what;
}

/// A worker may answer before its parent was told its pid.
std::string pid_of(troupe::runtime& rt, const troupe::process& worker) {
  while (worker.pid() < 0) rt.join(worker, 1ms);
  return std::to_string(worker.pid());
}

void memory(troupe::runtime& rt, report& out) {
  std::vector<troupe::worker<char(char)>> workers;
  for (int i = 0; i < alive; ++i) workers.push_back(rt.serve(&echo));
  double pss = 0;
  double uss = 0;
  double rss = 0;
  for (const auto& w : workers) require(w.ask('p').has_value(), "no answer");
  for (const auto& w : workers) {
    const std::string path = "/proc/" + pid_of(rt, w) + "/smaps_rollup";
    pss += sum_of(path, {"Pss"});
    uss += sum_of(path, {"Private_Clean", "Private_Dirty"});
    rss += sum_of(path, {"Rss"});
  }
  out.value("pss", pss / alive, "KiB");
  out.value("uss", uss / alive, "KiB");
  out.value("rss", rss / alive, "KiB");
  for (const auto& w : workers) rt.stop(w);
}

void start(troupe::runtime& rt, report& out) {
  samples times;
  for (int i = -warm_up; i < starts; ++i) {
    const auto begin = clock::now();
    const auto worker = rt.serve(&echo);
    const auto answer = worker.ask('p');
    const auto time = clock::now() - begin;
    require(answer.has_value() && answer.value() == 'p', "a wrong echo");
    rt.stop(worker);
    if (i >= 0) times.add(time);
  }
  times.print(out, "start_");
  memory(rt, out);
}

/// How often an idle worker and its idle parent wake in one second.
void idle(troupe::runtime& rt, report& out) {
  const auto worker = rt.serve(&echo);
  require(worker.ask('p').has_value(), "no answer");
  std::this_thread::sleep_for(100ms);
  const auto switches = [](const std::string& pid) {
    return sum_of("/proc/" + pid + "/status",
                  {"voluntary_ctxt_switches", "nonvoluntary_ctxt_switches"});
  };
  const std::string pid = pid_of(rt, worker);
  const double own_before = switches("self");
  const double before = switches(pid);
  rt.join(worker, 1s);
  out.value("idle_wakeups", switches(pid) - before, "1/s");
  out.value("idle_wakeups_parent", switches("self") - own_before, "1/s");
}

}  // namespace

std::vector<entry> start_entries() {
  return {{"B4", "troupe_start", start},
          {"B4", "troupe_start_spawn", start, false, true},
          {"B4", "troupe_idle", idle}};
}

}  // namespace bench
