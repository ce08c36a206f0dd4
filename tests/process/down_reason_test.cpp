// What those who watch an actor of another process are told when that is killed.
#include <support/oracle.hpp>
#include <support/supervised.hpp>

using test::ask;
using test::me;

namespace {

/// Monitors it, or links to it, and reports what it hears of its end.
caf::behavior watcher(caf::event_based_actor* self, const caf::actor& whom, bool links,
                      const caf::actor& report) {
  self->set_down_handler(
      [=](const caf::down_msg& down) { self->send(report, troupe::describe(down.reason)); });
  self->set_exit_handler(
      [=](const caf::exit_msg& end) { self->send(report, troupe::describe(end.reason)); });
  if (links) {
    self->link_to(whom);
  } else {
    self->monitor(whom);
  }
  return {[](int x) { return x; }, [=](caf::get_atom what) { return self->delegate(whom, what); }};
}

std::string next_report() {
  std::string said;
  test::runtime().self()->receive([&](const std::string& text) { said = text; });
  return said;
}

}  // namespace

TEST_CASE("who watches an actor hears how its process ended, and of no request",
          "[process][actor][crash]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const bool links = GENERATE(false, true);
  const bool hangs = GENERATE(false, true);
  INFO((links ? "a link" : "a monitor") << (hangs ? ", to one that hangs" : ""));
  const auto actor = hangs ? rt.spawn(test::stubborn, me()) : rt.spawn(test::patient);
  if (hangs) test::hang(actor);
  const auto other = rt.spawn(watcher, actor, links, me());
  CHECK(ask(other, 7) == 7);                           // the watch is on its way
  if (!hangs) CHECK(ask(other, caf::get_atom_v) > 0);  // and has come
  rt.kill(actor);
  CHECK(next_report() == "worker_lost: " + rt.join(actor).sentence());
  rt.stop(other);
  oracle.check();
}
