// The sender of a message is known to whoever gets it in the end.
#include <support/oracle.hpp>
#include <support/route.hpp>

#include <csignal>

using test::hanging;
using test::me;
using test::run_until;
using test::sender;
using test::supervise;

namespace {

/// Sends its number when it is told to, and tells which one comes back.
caf::behavior greeted(caf::event_based_actor* self, caf::actor to, caf::actor report, int number) {
  return {
      [=](caf::tick_atom) {
        self->send(to, caf::tick_atom_v, number);
        return true;
      },
      [=](caf::ok_atom, int x) { self->send(report, caf::ok_atom_v, number, x); },
  };
}

/// Skips numbers until it is told not to, then answers each one's sender with it.
caf::behavior skipping(caf::event_based_actor* self) {
  self->set_default_handler(caf::skip);
  return {[=](caf::ok_atom) {
    self->become([=](caf::tick_atom, int number) {
      self->send(caf::actor_cast<caf::actor>(self->current_sender()), caf::ok_atom_v, number);
    });
    return true;
  }};
}

}  // namespace

TEST_CASE("the sender of a message that is handled late is not whoever has its number by then",
          "[process][actor][skip]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto to = rt.spawn(skipping);
  std::vector<caf::actor> from;
  for (int i = 0; i < 1500; ++i) {
    from.push_back(rt.spawn(troupe::in_process, greeted, to, me(), i));
    test::ask<bool>(from.back(), caf::tick_atom_v);
  }
  test::ask<bool>(to, caf::ok_atom_v);
  for (std::size_t i = 0; i < from.size(); ++i)
    rt.self()->receive([](caf::ok_atom, int sent, int came_back) { CHECK(sent == came_back); });
  for (const auto& s : from) rt.self()->send_exit(s, caf::exit_reason::kill);
  rt.stop(to);
  oracle.check();
}

TEST_CASE("the sender of a message that was given back is still known",
          "[process][supervisor][route]") {
  const test::ledger notes;
  const test::oracle oracle;
  auto& rt = test::runtime();
  // More of them than a process introduces to another one at a time.
  const int senders = GENERATE(3, 3000);
  auto sup = supervise({.id = "hanging", .start = troupe::run(hanging, notes.place(), me(), 1)});
  const auto child = sup.child("hanging");
  rt.self()->send(child, 0);
  rt.self()->receive([](caf::put_atom, int) {});
  std::vector<caf::actor> from;
  for (int i = 0; i < senders; ++i)
    from.push_back(rt.spawn(troupe::in_process, greeted, child, me(), i));
  const auto other = rt.spawn(greeted, child, me(), senders);
  for (const auto& s : from) test::ask<bool>(s, caf::tick_atom_v);
  test::ask<bool>(other, caf::tick_atom_v);
  rt.kill(sup.process_of("hanging").value());
  for (int i = 0; i <= senders; ++i)
    rt.self()->receive([](caf::ok_atom, int sent, int came_back) { CHECK(sent == came_back); });
  for (const auto& s : from) rt.self()->send_exit(s, caf::exit_reason::kill);
  rt.stop(other);
  sup.stop();
  oracle.check();
}

TEST_CASE("a sender whose first message met a full mailbox is known when its second does not",
          "[process][actor][route]") {
  const test::ledger notes;
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto stopped = rt.spawn(hanging, notes.place(), me(), 0);
  test::ask<bool>(stopped, caf::flush_atom_v);
  int dead_ticks = 0;
  rt.dead_letters([&](const troupe::dead_letter& l) {
    dead_ticks += l.content.match_elements<caf::tick_atom, int>() ? 1 : 0;
  });
  rt.kill(stopped, SIGSTOP);
  const auto flood = rt.spawn(sender, stopped, me(), 0, 1000);
  rt.self()->send(flood, caf::put_atom_v, 4000);
  test::ask(flood, caf::get_atom_v);
  const auto late = rt.spawn(greeted, stopped, me(), 7);
  test::ask<bool>(late, caf::tick_atom_v);
  run_until([&] { return dead_ticks == 1; });
  rt.kill(stopped, SIGCONT);
  rt.self()->receive([](int, int, int others) { CHECK(others > 0); });
  test::ask<bool>(stopped, caf::flush_atom_v);
  test::ask<bool>(late, caf::tick_atom_v);
  rt.self()->receive([](caf::ok_atom, int sent, int came_back) { CHECK(sent == came_back); });
  rt.dead_letters({});
  for (const auto& actor : {stopped, flood, late}) rt.stop(actor);
  oracle.check();
}
