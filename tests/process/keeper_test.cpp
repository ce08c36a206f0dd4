// Local actors whose handlers wait through the runtime, in the second thread of the program.
#include <support/oracle.hpp>
#include <support/supervised.hpp>

#include <future>

using namespace std::chrono_literals;

namespace {

std::promise<void>* begun = nullptr;

void for_ever() {
  for (;;) pause();
}

/// Waits for the end of a process when it is told to.
caf::behavior joiner(caf::event_based_actor*, troupe::runtime& rt, const troupe::process& whom) {
  return {[&rt, whom](caf::tick_atom) {
            begun->set_value();
            static_cast<void>(rt.join(whom));
          },
          [](int x) { return x; }};
}

/// Looks names up, by a supervisor's handle its children.
caf::behavior looker(caf::event_based_actor*, troupe::runtime& rt, const caf::actor& supervisor) {
  return {[&rt, supervisor](int times) {
    int found = 0;
    for (int i = 0; i < times; ++i) {
      found += rt.names().find("somebody") ? 1 : 0;
      found += static_cast<int>(troupe::supervisor{supervisor}.count_children().active);
    }
    return found;
  }};
}

}  // namespace

TEST_CASE("a handler in the second thread that waits for a process lets the first one end it",
          "[process][actor][keeper]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  std::promise<void> has_begun;
  begun = &has_begun;
  const auto process = rt.spawn(for_ever);
  const auto local = rt.spawn(troupe::in_process, joiner, process);
  rt.self()->send(local, caf::tick_atom_v);
  has_begun.get_future().wait();  // outside the loop, so the other thread runs that
  rt.kill(process);
  CHECK(test::ask(local, 4) == 4);
  rt.self()->send_exit(local, caf::exit_reason::kill);
  oracle.check();
}

TEST_CASE("names and supervisors answer local actors while the program waits for these",
          "[process][actor][keeper]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  auto apart = troupe::supervisor_spec{};
  apart.children = {test::patient_spec("child")};
  auto sup = rt.supervise({.children = {{.id = "apart",
                                         .start = troupe::supervise(troupe::own_process, apart),
                                         .type = troupe::child_type::supervisor}}});
  const auto below = sup.nested("apart").handle();
  rt.names().add("somebody", test::me());
  for (int i = 0; i < 5; ++i) {
    const auto local = rt.spawn(troupe::in_process, looker, below);
    CHECK(test::ask(local, 20) == 40);
    rt.self()->send_exit(local, caf::exit_reason::kill);
  }
  rt.names().remove("somebody");
  sup.stop();
  oracle.check();
}
