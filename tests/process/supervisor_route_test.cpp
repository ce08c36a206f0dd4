// The handle of a supervised child: what was sent to a process that died reaches the next one.
#include <support/oracle.hpp>
#include <support/processes.hpp>
#include <support/route.hpp>
#include <support/settings.hpp>

#include <unistd.h>

#include <algorithm>
#include <map>

using namespace std::chrono_literals;
using test::a_life;
using test::hanging;
using test::me;
using test::per_sender;
using test::run_until;
using test::sender;
using test::supervise;
using kind = troupe::lifecycle_event::kind;

namespace {

/// Notes each number before it answers with it; a text is as long as it likes.
caf::behavior noting(caf::event_based_actor*, const std::string& place) {
  return {
      [=](int x) {
        test::note(place, static_cast<std::uint64_t>(x));
        return x;
      },
      [=](int x, const std::string&) { test::note(place, static_cast<std::uint64_t>(x)); },
      [](caf::get_atom) -> int { return getpid(); },
      [](caf::put_atom, const std::string& way) { test::hurt_process(way); },
      [](caf::flush_atom) { return true; },
  };
}

/// Sends one number more at each tick.
caf::behavior one_by_one(caf::event_based_actor* self, caf::actor to, int number) {
  auto next = std::make_shared<int>(number * per_sender);
  return {[=](caf::tick_atom) {
    self->send(to, (*next)++, std::string(1000, 'x'));
    return true;
  }};
}

/// Monitors or links to what it is given; tells how that ended, and how many have.
caf::behavior observer(caf::event_based_actor* self, caf::actor report) {
  auto ends = std::make_shared<int>(0);
  const auto note = [=](const caf::error& why) {
    ++*ends;
    self->send(report, test::outcome(why));
  };
  self->set_down_handler([=](caf::down_msg& down) { note(down.reason); });
  self->set_exit_handler([=](caf::exit_msg& gone) {
    if (caf::actor_cast<caf::actor>(gone.source) == nullptr)
      self->quit(gone.reason);
    else
      note(gone.reason);
  });
  return {
      [=](caf::monitor_atom, const caf::actor& whom) {
        self->monitor(whom);
        return true;
      },
      [=](caf::link_atom, const caf::actor& whom) {
        self->link_to(whom);
        return true;
      },
      [=](const caf::actor& whom, caf::get_atom what) { return self->delegate(whom, what); },
      [=](caf::get_atom) -> int { return *ends; },
  };
}

troupe::child_spec noting_spec(const test::ledger& notes) {
  troupe::child_spec spec;
  spec.id = "noting";
  spec.start = troupe::run(noting, notes.place());
  return spec;
}

/// Of each sender: in order and at most once; at most one message in all was lost at each kill.
void check_order(const test::ledger& notes, int senders, int count, int kills) {
  std::map<std::uint64_t, std::vector<std::uint64_t>> of;
  for (const auto x : notes.sequence())
    if (x != a_life) of[x / per_sender].push_back(x % per_sender);
  std::size_t noted = 0;
  for (const auto& [number, sequence] : of) {
    INFO("sender " << number);
    CHECK(std::adjacent_find(sequence.begin(), sequence.end(), std::greater_equal<>{}) ==
          sequence.end());
    noted += sequence.size();
  }
  CHECK(noted + static_cast<std::size_t>(kills) >= static_cast<std::size_t>(senders * count));
}

}  // namespace

TEST_CASE("messages that a dead child never began reach the next one once and in order",
          "[process][supervisor][route]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const bool elsewhere = GENERATE(false, true);
  const int bytes = GENERATE(0, 3000);
  const int count = bytes == 0 ? 1500 : 100;
  constexpr int senders = 3;
  for (int round = 0; round < test::times(3, 100); ++round) {
    INFO("round " << round << ", " << bytes << " bytes, from " << (elsewhere ? "else" : "")
                  << "here");
    const test::ledger notes;
    test::event_log events;
    auto sup = supervise(noting_spec(notes));
    const auto child = sup.child("noting");
    std::vector<caf::actor> from;
    for (int i = 0; i < senders; ++i)
      from.push_back(elsewhere ? rt.spawn(sender, child, me(), i, bytes)
                               : rt.spawn(troupe::in_process, sender, child, me(), i, bytes));
    for (const auto& s : from) rt.self()->send(s, caf::put_atom_v, count);
    int kills = 0;
    for (; kills < 5; ++kills) {
      sup.wait(std::chrono::microseconds{test::random_up_to(4000)});
      test::kill_process(*events.wait_for(kind::ready, "noting").pid);
      events.wait_for(kind::exited, "noting");
    }
    int answered = 0;
    int lost = 0;
    for (int i = 0; i < senders; ++i)
      rt.self()->receive([&](int a, int l, int others) {
        answered += a;
        lost += l;
        CHECK(others == 0);
      });
    CHECK(lost <= kills);
    CHECK(answered + lost == senders * ((count + 3) / 4));
    for (const auto& s : from) {
      if (elsewhere)
        rt.stop(s);
      else
        rt.self()->send_exit(s, caf::exit_reason::kill);
    }
    test::ask<bool>(child, caf::flush_atom_v);  // the last tells
    check_order(notes, senders, count, kills);
    sup.stop();
  }
  oracle.check();
}

TEST_CASE("what a child gave back that hung at its first message goes before what waited behind it",
          "[process][supervisor][route]") {
  const test::ledger notes;
  const test::oracle oracle;
  auto& rt = test::runtime();
  auto sup = supervise({.id = "hanging", .start = troupe::run(hanging, notes.place(), me(), 3)});
  const auto child = sup.child("hanging");
  constexpr int senders = 200;
  constexpr int each = 9;
  std::vector<caf::actor> from;
  for (int i = 0; i < senders; ++i)
    from.push_back(rt.spawn(troupe::in_process, one_by_one, child, i + 1));
  // The first life then knows who they are, the others don't: the same messages are longer there,
  // and not all that the first one had fit into the mailbox of the second.
  for (const auto& s : from) test::ask<bool>(s, caf::tick_atom_v);
  test::ask<bool>(child, caf::flush_atom_v);
  for (int i = 1; i < each; ++i)
    for (const auto& s : from) test::ask<bool>(s, caf::tick_atom_v);
  for (int life = 1; life <= 3; ++life) {
    rt.self()->receive([&](caf::put_atom, int is) { CHECK(is == life); });
    rt.kill(sup.process_of("hanging").value());
  }
  test::ask<bool>(child, caf::flush_atom_v);
  check_order(notes, senders, each, 0);
  for (const auto& s : from) rt.self()->send_exit(s, caf::exit_reason::kill);
  sup.stop();
  oracle.check();
}

TEST_CASE("begun requests are answered worker_lost, others wait for the next life",
          "[process][supervisor][route]") {
  const test::ledger notes;
  const test::oracle oracle;
  auto& rt = test::runtime();
  auto sup = supervise({.id = "hanging", .start = troupe::run(hanging, notes.place(), me(), 2)});
  const auto child = sup.child("hanging");
  std::vector<decltype(rt.self()->request(child, caf::infinite, 1))> open;
  for (int i = 1; i <= 10; ++i) open.push_back(rt.self()->request(child, caf::infinite, i));
  for (int life = 1; life <= 2; ++life) {
    rt.self()->receive([&](caf::put_atom, int is) { CHECK(is == life); });
    rt.kill(sup.process_of("hanging").value());
  }
  std::string outcomes;
  for (auto& o : open)
    o.receive([&](int) { outcomes += "value "; },
              [&](const caf::error& e) { outcomes += test::outcome(e) + ' '; });
  CHECK(outcomes == "worker_lost worker_lost value value value value value value value value ");
  CHECK(notes.notes().at(10) == 1);
  sup.stop();
  oracle.check();
}

TEST_CASE("urgent messages stay urgent, and are handled at most once, over restarts",
          "[process][supervisor][route]") {
  const test::ledger notes;
  const test::oracle oracle;
  auto& rt = test::runtime();
  auto sup = supervise({.id = "hanging", .start = troupe::run(hanging, notes.place(), me(), 1)});
  const auto child = sup.child("hanging");
  rt.self()->send(child, 1);
  rt.self()->receive([](caf::put_atom, int) {});
  for (int i = 2; i <= 5; ++i) rt.self()->send(child, i);
  for (int i = 12; i <= 15; ++i) rt.self()->send<caf::message_priority::high>(child, i);
  rt.kill(sup.process_of("hanging").value());
  test::ask<bool>(child, caf::flush_atom_v);
  auto sequence = notes.sequence();
  std::erase_if(sequence, [](auto x) { return x >= a_life; });
  const auto of = [&](std::uint64_t x) {
    return std::find(sequence.begin(), sequence.end(), x) - sequence.begin();
  };
  REQUIRE(sequence.size() == 9);
  for (const std::uint64_t i : {2U, 3U, 4U}) {
    CHECK(of(i) < of(i + 1));
    CHECK(of(10 + i) < of(11 + i));
  }
  CHECK(of(12) < of(5));  // it overtook something
  sup.stop();
  oracle.check();
}

TEST_CASE("a message larger than a mailbox reaches the next life", "[process][supervisor][route]") {
  const test::ledger notes;
  const test::oracle oracle;
  auto& rt = test::runtime();
  auto sup = supervise({.id = "hanging", .start = troupe::run(hanging, notes.place(), me(), 2)});
  const auto child = sup.child("hanging");
  const std::string large(3 << 20, 'l');
  rt.self()->send(child, 1);
  rt.self()->send(child, 2, large);
  rt.self()->send(child, 3, large);
  for (int life = 1; life <= 2; ++life) {
    rt.self()->receive([&](caf::put_atom, int is) { CHECK(is == life); });
    rt.kill(sup.process_of("hanging").value());
  }
  test::ask<bool>(child, caf::flush_atom_v);
  auto sequence = notes.sequence();
  std::erase_if(sequence, [](auto x) { return x >= a_life; });
  CHECK(sequence == std::vector<std::uint64_t>{1, 2, 3});
  sup.stop();
  oracle.check();
}

TEST_CASE("messages from main wait for a child that is down, and then for room",
          "[process][supervisor][route]") {
  const test::ledger notes;
  const test::oracle oracle;
  auto& rt = test::runtime();
  troupe::child_spec spec = noting_spec(notes);
  spec.back_off = troupe::backoff{50ms, 50ms, 1.0, 0.0, 1h};
  auto sup = supervise(spec);
  test::event_log events;
  const auto child = sup.child("noting");
  for (int i = 0; i < 2; ++i) {  // the second restart waits
    rt.kill(sup.process_of("noting").value());
    events.wait_for(kind::exited, "noting");
    if (i == 0) events.wait_for(kind::ready, "noting");
  }
  CHECK(test::states(sup) == "noting restarting");
  constexpr int count = 20'000;  // more than may wait
  for (int i = 0; i < count; ++i) rt.self()->send(child, i);
  CHECK(sup.which_child("noting")->restarts == 2);  // main has waited
  test::ask<bool>(child, caf::flush_atom_v);
  CHECK(notes.sequence().size() == count);
  check_order(notes, 1, count, 0);
  sup.stop();
  oracle.check();
}

TEST_CASE("actors that send to a child that is down hear when too much waits",
          "[process][supervisor][route]") {
  const test::ledger notes;
  const test::oracle oracle;
  auto& rt = test::runtime();
  const bool elsewhere = GENERATE(false, true);
  troupe::child_spec spec = noting_spec(notes);
  spec.back_off = troupe::backoff{1h, 1h, 1.0, 0.0, 2h};
  auto sup = supervise(spec);
  test::event_log events;
  const auto child = sup.child("noting");
  for (int i = 0; i < 2; ++i) {
    rt.kill(sup.process_of("noting").value());
    events.wait_for(kind::exited, "noting");
    if (i == 0) events.wait_for(kind::ready, "noting");
  }
  int dead = 0;
  rt.dead_letters([&](const troupe::dead_letter&) { ++dead; });
  constexpr int count = 40'000;
  const auto from = elsewhere ? rt.spawn(sender, child, me(), 0, 0)
                              : rt.spawn(troupe::in_process, sender, child, me(), 0, 0);
  rt.self()->send(from, caf::put_atom_v, count);
  // Requests beyond the bound fail at once; those before it wait with the tells.
  test::ask(from, caf::get_atom_v);
  if (elsewhere) rt.stop(from);
  const auto waiting = static_cast<int>(sup.which_child("noting")->waiting);
  CHECK(waiting > 10'000);  // a MiB of them
  CHECK(waiting <= 16'384);
  run_until([&] { return dead >= (count - waiting) * 3 / 4; });
  CHECK(dead == (count - waiting) * 3 / 4);
  sup.terminate_child("noting");
  run_until([&] { return dead >= count * 3 / 4; });
  CHECK(dead == count * 3 / 4);
  if (!elsewhere) {
    rt.self()->receive([&](int answered, int lost, int others) {
      CHECK(answered == 0);
      CHECK(lost == 0);
      CHECK(others == count / 4);
    });
    rt.self()->send_exit(from, caf::exit_reason::kill);
  }
  rt.dead_letters({});
  CHECK(notes.notes().empty());
  sup.stop();
  oracle.check();
}

TEST_CASE("a handle in another process survives restarts, and its monitor fires once, at the end",
          "[process][supervisor][route]") {
  const test::ledger notes;
  const test::oracle oracle;
  auto& rt = test::runtime();
  test::event_log events;
  auto sup = supervise(noting_spec(notes), 3);
  const auto child = sup.child("noting");
  const auto observing = rt.spawn(observer, me());
  const auto linked = rt.spawn(observer, me());
  test::ask<bool>(observing, caf::monitor_atom_v, child);
  test::ask<bool>(linked, caf::link_atom_v, child);
  rt.self()->monitor(child);
  for (int restart = 0; restart < 3; ++restart) {
    const int before = test::ask(observing, child, caf::get_atom_v);
    test::kill_process(before);
    events.wait_for(kind::ready, "noting");
    CHECK(test::ask(observing, child, caf::get_atom_v) != before);
  }
  CHECK(test::ask(observing, caf::get_atom_v) == 0);  // no down yet
  test::kill_process(test::ask(child, caf::get_atom_v));
  for (int i = 0; i < 2; ++i)
    rt.self()->receive([](const std::string& why) { CHECK(why == "gave_up"); });
  rt.self()->receive([&](const caf::down_msg& down) {
    CHECK(down.source == child.address());
    CHECK(down.reason == troupe::errc::gave_up);
  });
  CHECK(test::outcome_of(child, caf::get_atom_v) == "gave_up");
  CHECK(test::ask(observing, caf::get_atom_v) == 1);
  CHECK(test::ask(linked, caf::get_atom_v) == 1);
  CHECK_FALSE(sup.running());
  rt.stop(observing);
  rt.stop(linked);
  oracle.check();
}
