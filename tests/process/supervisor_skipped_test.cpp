// What an incarnation has read and not handled reaches the next one.
#include <support/gate.hpp>
#include <support/oracle.hpp>
#include <support/route.hpp>

#include <atomic>
#include <thread>
#include <troupe/engine/core.hpp>
#include <troupe/engine/worker.hpp>

using test::a_life;
using test::supervise;

namespace {

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

}  // namespace

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
