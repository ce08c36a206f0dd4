// The handle of a supervised child: what was sent to a process that died reaches the next one.
#include <support/gate.hpp>
#include <support/ledger.hpp>
#include <support/oracle.hpp>
#include <support/processes.hpp>
#include <support/settings.hpp>
#include <support/supervised.hpp>

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <set>
#include <thread>
#include <troupe/engine/core.hpp>
#include <troupe/engine/worker.hpp>

using namespace std::chrono_literals;
using test::me;
using kind = troupe::lifecycle_event::kind;

namespace {

constexpr int per_sender = 1'000'000;
constexpr int many_restarts = 1'000'000;

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

/// Sends numbers in a row when it is told how many, each as a tell or, every fourth, as a request;
/// tells how many of those were answered, and lost.
caf::behavior sender(caf::event_based_actor* self, caf::actor to, caf::actor report, int number,
                     int bytes) {
  auto answered = std::make_shared<int>(0);
  auto lost = std::make_shared<int>(0);
  auto others = std::make_shared<int>(0);
  const auto send_all = [=](caf::put_atom, int count) {
    const std::string text(static_cast<std::size_t>(bytes), 'x');
    const int asks = (count + 3) / 4;
    const auto done = [=](int& which) {
      ++which;
      if (*answered + *lost + *others == asks) self->send(report, *answered, *lost, *others);
    };
    for (int i = 0; i < count; ++i) {
      const int x = number * per_sender + i;
      if (i % 4 == 0) {
        self->request(to, caf::infinite, x)
            .then([=](int) { done(*answered); },
                  [=](const caf::error& e) {
                    done(e == troupe::errc::worker_lost ? *lost : *others);
                  });
      } else if (bytes != 0) {
        self->send(to, x, text);
      } else {
        self->send(to, x);
      }
    }
  };
  return {send_all, [](caf::get_atom) { return 0; }, [](int) {}};  // what a tell is answered with
}

constexpr std::uint64_t a_life = std::uint64_t{1} << 40;

std::size_t count_lives(const std::string& place) {
  test::note(place, a_life);
  const auto noted = test::notes_at(place);
  return static_cast<std::size_t>(std::count(noted.begin(), noted.end(), a_life));
}

/// Its first lives say so and hang at the first message but number 0 of each sender, after they
/// noted it.
caf::behavior hanging(caf::event_based_actor* self, const std::string& place, caf::actor report,
                      int hanging_lives) {
  const int life = static_cast<int>(count_lives(place));
  const auto take = [=](int x) {
    test::note(place, static_cast<std::uint64_t>(x));
    if (life > hanging_lives || (x % per_sender == 0 && x != 0)) return x;
    self->send(report, caf::put_atom_v, life);
    for (;;) pause();
  };
  return {
      take,
      [=](int x, const std::string&) { take(x); },
      [=](caf::tick_atom, int x) {
        take(x);
        self->send(caf::actor_cast<caf::actor>(self->current_sender()), caf::ok_atom_v, x);
      },
      [](caf::flush_atom) { return true; },
  };
}

/// Its first life skips all but the message that kills it.
caf::behavior choosy(caf::event_based_actor* self, const std::string& place) {
  self->set_default_handler(caf::skip);
  return {[=](caf::delete_atom) { std::abort(); }, [](caf::ok_atom) { return true; },
          [=](caf::join_atom) {
            self->become([=](int x) { test::note(place, static_cast<std::uint64_t>(x)); },
                         [](caf::flush_atom) { return true; });
          }};
}

/// Its first life tells that it waits, and reads on when it may.
caf::behavior held(caf::event_based_actor*, const std::string& place, const std::string& waits,
                   const std::string& may_read) {
  test::note(place, a_life);
  return {
      [=](caf::wait_for_atom) {
        test::open_gate(waits);
        test::pass(may_read);
      },
      [](caf::delete_atom) { std::abort(); },
      [=](int x) { test::note(place, static_cast<std::uint64_t>(x)); },
      [](caf::flush_atom) { return true; },
  };
}

/// Quits while another thread of its process has the loop, so that the loop hears of it later.
class quitting final : public caf::event_based_actor {
public:
  quitting(caf::actor_config& config, std::string place, const std::string& over)
      : event_based_actor(config), place_(std::move(place)), over_(over) {
    attach_functor([over] { test::open_gate(over); });  // when all others know
  }
  ~quitting() override {
    if (other_.joinable()) other_.join();
  }

  caf::behavior make_behavior() override {
    return {
        [this](caf::delete_atom) {
          std::atomic<bool> has_it{false};
          other_ = std::thread{[this, &has_it] {
            const troupe::engine::core::guard mine{troupe::engine::local_core()};
            const std::string over = over_;
            has_it = true;
            test::pass(over);
          }};
          while (!has_it) {
          }
          quit();
        },
        [this](int x) { test::note(place_, static_cast<std::uint64_t>(x)); },
        [](caf::flush_atom) { return true; },
    };
  }

private:
  std::string place_, over_;
  std::thread other_;
};

/// Sends one number more at each tick.
caf::behavior one_by_one(caf::event_based_actor* self, caf::actor to, int number) {
  auto next = std::make_shared<int>(number * per_sender);
  return {[=](caf::tick_atom) {
    self->send(to, (*next)++, std::string(1000, 'x'));
    return true;
  }};
}

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

/// Its first life links to what it is given.
caf::behavior linked_to_first(caf::event_based_actor* self) {
  return {[=](const caf::actor& whom) { self->link_to(whom); }};
}

/// Dead letters are told while the loop runs.
template <class Done>
void run_until(Done done) {
  while (!done()) test::runtime().self()->receive(caf::after(1ms) >> [] {});
}

troupe::supervisor supervise(troupe::child_spec child, int intensity = many_restarts) {
  troupe::supervisor_spec spec;
  spec.intensity = intensity;
  spec.children = {std::move(child)};
  return test::runtime().supervise(spec);
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
      test::kill_process(events.wait_for(kind::ready, "noting").pid);
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

TEST_CASE("what a child skipped goes to the next life, too", "[process][supervisor][route]") {
  const test::ledger notes;
  const test::oracle oracle;
  auto& rt = test::runtime();
  const int count = GENERATE(5, 1000);
  INFO(count << " messages");
  auto sup = supervise({.id = "choosy", .start = troupe::run(choosy, notes.place())});
  const auto child = sup.child("choosy");
  for (int i = 1; i <= count; ++i) rt.self()->send(child, i);
  rt.self()->send(child, caf::delete_atom_v);  // its first life wants nothing but this
  rt.self()->send(child, caf::join_atom_v);
  test::ask<bool>(child, caf::flush_atom_v);
  std::vector<std::uint64_t> all;
  for (int i = 1; i <= count; ++i) all.push_back(static_cast<std::uint64_t>(i));
  CHECK(notes.sequence() == all);
  sup.stop();
  oracle.check();
}

TEST_CASE("what an urgent message overtakes that ends a child goes to the next life",
          "[process][supervisor][route]") {
  const test::ledger notes;
  const test::oracle oracle;
  {
    auto& rt = test::runtime();
    constexpr std::uint64_t count = 150;  // are read at once
    const test::gate waits;
    test::gate may_read;
    auto sup = supervise(
        {.id = "held", .start = troupe::run(held, notes.place(), waits.place(), may_read.place())});
    const auto child = sup.child("held");
    rt.self()->send(child, caf::wait_for_atom_v);
    rt.flush();
    test::pass(waits.place());
    for (std::uint64_t i = 1; i <= count; ++i) rt.self()->send(child, static_cast<int>(i));
    rt.self()->send<caf::message_priority::high>(child, caf::delete_atom_v);
    rt.flush();
    may_read.open();
    test::ask<bool>(child, caf::flush_atom_v);
    std::vector<std::uint64_t> all{a_life, a_life};
    for (std::uint64_t i = 1; i <= count; ++i) all.push_back(i);
    CHECK(notes.sequence() == all);
    sup.stop();
  }
  oracle.check();
}

TEST_CASE("what waits for a child that quits while others have its loop goes to the next life",
          "[process][supervisor][route]") {
  const test::ledger notes;
  const test::gate over;
  const test::oracle oracle;
  auto& rt = test::runtime();
  auto sup =
      supervise({.id = "quitting", .start = troupe::run<quitting>(notes.place(), over.place())});
  const auto child = sup.child("quitting");
  {
    const troupe::engine::core::guard mine{troupe::engine::local_core()};  // all in one write
    rt.self()->send(child, caf::delete_atom_v);
    for (int i = 1; i <= 5; ++i) rt.self()->send(child, i);
    rt.flush();
  }
  test::ask<bool>(child, caf::flush_atom_v);
  CHECK(notes.sequence() == std::vector<std::uint64_t>{1, 2, 3, 4, 5});
  sup.stop();
  oracle.check();
}

TEST_CASE("what a child skipped long ago goes to the next life", "[process][supervisor][route]") {
  const test::ledger notes;
  const test::oracle oracle;
  auto& rt = test::runtime();
  auto sup = supervise({.id = "choosy", .start = troupe::run(choosy, notes.place())});
  const auto child = sup.child("choosy");
  rt.self()->send(child, 7);
  for (int i = 0; i < 5000; ++i) rt.self()->send(child, caf::ok_atom_v);  // it takes these
  for (int i = 0; i < 10; ++i) test::ask<bool>(child, caf::ok_atom_v);
  rt.self()->send(child, caf::delete_atom_v);
  rt.self()->send(child, caf::join_atom_v);
  test::ask<bool>(child, caf::flush_atom_v);
  CHECK(notes.sequence() == std::vector<std::uint64_t>{7});
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

TEST_CASE("an actor that ends with the error that told it of another's end has not ended well",
          "[process][supervisor]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  test::event_log events;
  auto spec = test::patient_spec("linked", troupe::restart_type::transient);
  spec.start = troupe::run(linked_to_first);
  auto sup = supervise(spec);
  const auto child = sup.child("linked");
  const auto other = rt.spawn(test::patient);
  rt.self()->send(child, other);
  rt.kill(other);
  const auto exited = events.wait_for(kind::exited, "linked");
  CHECK(test::contains(exited.reason, "SIGKILL"));
  events.wait_for(kind::ready, "linked");
  sup.stop();
  oracle.check();
}
