#include <support/service.hpp>

#include <unistd.h>

#include <iostream>
#include <optional>
#include <stdexcept>

namespace test {

using namespace std::chrono_literals;

namespace {

caf::behavior echo() {
  return {[](int x) { return x; }};
}

caf::behavior stuck() {
  return {[](int) {
    std::cout << "begun" << std::endl;
    for (;;) pause();
  }};
}

int wait_for_ever() {
  std::cout << "begun" << std::endl;
  for (;;) pause();
}

/// An actor with two processes of its own, one of them supervised.
caf::behavior parent(caf::event_based_actor*, troupe::runtime& rt) {
  troupe::supervisor_spec below;
  below.children = {{.id = "grandchild", .start = troupe::run(echo)}};
  const auto supervised = std::make_shared<troupe::supervisor>(rt.supervise(below));
  const auto plain = rt.spawn(troupe::process_options{"nephew"}, wait_for_ever);
  return {[supervised, plain](int x) { return x; }};
}

troupe::supervisor_spec spec_of_service(const std::string& argument) {
  troupe::supervisor_spec workers;
  workers.strategy = troupe::restart_strategy::one_for_all;
  workers.intensity = 1000;
  workers.children = {{.id = "a", .start = troupe::run(echo)},
                      {.id = "b", .start = troupe::run(stuck), .shutdown = troupe::brutal_kill}};
  troupe::supervisor_spec spec;
  spec.intensity = 1000;
  spec.children = {{.id = "store", .start = troupe::run(echo)},
                   {.id = "workers",
                    .start = troupe::supervise(workers),
                    .type = troupe::child_type::supervisor},
                   {.id = "log", .start = troupe::run(echo)}};
  if (argument != "a family") return spec;
  troupe::supervisor_spec apart;
  apart.strategy = troupe::restart_strategy::rest_for_one;
  apart.children = {{.id = "twin", .start = troupe::run(echo)}};
  spec.children.push_back({.id = "parent", .start = troupe::run(parent)});
  spec.children.push_back({.id = "apart",
                           .start = troupe::supervise(troupe::own_process, apart),
                           .type = troupe::child_type::supervisor});
  return spec;
}

int run_service(troupe::runtime& rt, const std::string& argument) {
  const auto top = rt.supervise(spec_of_service(argument));
  std::optional<troupe::supervisor> other;
  if (argument == "two trees")
    other = rt.supervise({.children = {{.id = "store", .start = troupe::run(echo)}}});
  auto pool = rt.pool(1);
  static_cast<void>(pool.map([](int x) { return x; }, {1}));
  rt.spawn(troupe::process_options{"sleeper"}, wait_for_ever);
  if (argument == "long names")
    for (int i = 0; i < 4; ++i)
      rt.spawn(troupe::process_options{std::string(100'000, 'x')}, wait_for_ever);
  const auto b = top.nested("workers").child("b");
  for (int i = 0; i < 5; ++i) rt.self()->send(b, i);
  rt.flush();
  static_cast<void>(top.wait(1h));
  return 3;
}

const victim_role the_role{"service", run_service};

}  // namespace

service::service(const std::string& argument) : victim("service", {argument, {}, false}) {
  int more = 2;  // who never returns says first that he has begun
  if (argument == "long names") more += 4;
  if (argument == "a family") more += 1;
  for (; more > 0; --more)
    if (const std::string said = line(); said != "begun")
      throw std::runtime_error{"the service says: " + said};
}

}  // namespace test
