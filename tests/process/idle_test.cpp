#include <support/catch.hpp>
#include <support/oracle.hpp>
#include <support/processes.hpp>
#include <support/runtime.hpp>

#include <unistd.h>

#include <algorithm>

using namespace std::chrono_literals;

TEST_CASE("an idle worker and its zygote never wake", "[process][idle]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto worker = rt.serve([](int x) { return x; });
  auto pool = std::make_unique<troupe::pool>(rt.pool(1));
  REQUIRE(worker.ask(1).value() == 1);
  REQUIRE(pool->map([](int x) { return x; }, {1, 2, 3}).size() == 3);
  std::vector<int> pids{worker.pid(), pool->workers().front().process.pid()};
  for (const int pid : test::children_named("troupe-zygote")) pids.push_back(pid);
  const auto asleep = [](int pid) { return test::status_of(pid, "State").front() == 'S'; };
  do {
    static_cast<void>(rt.join(worker, 50ms));
  } while (!std::all_of(pids.begin(), pids.end(), asleep));
  const auto wake_ups = [&] {
    std::vector<std::string> counts;
    for (const int pid : pids) counts.push_back(test::status_of(pid, "voluntary_ctxt_switches"));
    return counts;
  };
  const auto before = wake_ups();
  const auto own = test::status_of(getpid(), "voluntary_ctxt_switches");
  CHECK_FALSE(rt.join(worker, 1s).has_value());
  CHECK(wake_ups() == before);
  CHECK(std::stol(test::status_of(getpid(), "voluntary_ctxt_switches")) - std::stol(own) < 10);
  CHECK(worker.ask(2).value() == 2);
  pool.reset();
  rt.stop(worker);
  oracle.check();
}
