// Faults with actors in the game, the test kit, and what travels in messages.
#include <caf/all.hpp>
#include <support/catch.hpp>
#include <support/gate.hpp>
#include <support/oracle.hpp>
#include <support/runtime.hpp>
#include <troupe/engine/worker.hpp>
#include <troupe/testing.hpp>

#include <schemas/shapes.capnp.h>
#include <signal.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using troupe::errc;
using troupe::make;
using troupe::msg;

namespace {

caf::behavior echo() {
  return {[](int x) { return x; },
          [](const std::vector<int>& v) { return static_cast<int>(v.size()); },
          [](const msg<test::Errand>& m) {
            // Whoever it names gets the message, wherever it lives.
            const auto whom = troupe::read_handle(m->getReceiver());
            caf::anon_send(whom, std::string{m->getText()});
            return troupe::make<test::Errand>(
                [&](auto to) { troupe::write_handle(to.initReceiver(), whom); });
          }};
}

/// Can't leave the process that made it.
struct unwritable {
  int x = 0;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, unwritable& u) {
  if (Inspector::reads_state) throw std::runtime_error{"on purpose"};
  return f(u.x);
}

using careless = caf::typed_actor<caf::replies_to<int>::with<unwritable>,
                                  caf::replies_to<caf::get_atom>::with<int>>;

careless::behavior_type answering() {
  return {[](int x) { return unwritable{x}; }, [](caf::get_atom) { return 7; }};
}

/// Notes what it gets once "go" has come; until then it skips numbers.
caf::behavior late(caf::event_based_actor* self) {
  self->set_default_handler(caf::skip);
  return {[](caf::ok_atom) { return true; },
          [=](const std::string&) {
            auto seen = std::make_shared<std::vector<int>>();
            self->become([=](int x) { seen->push_back(x); },
                         [=](caf::get_atom) {
                           std::string text;
                           for (const int x : *seen) text += std::to_string(x) + ' ';
                           return text;
                         });
          }};
}

caf::behavior noting(caf::event_based_actor*) {
  auto order = std::make_shared<std::string>();
  return {[=](int x) { *order += std::to_string(x) + ' '; }, [=](caf::get_atom) { return *order; }};
}

constexpr std::size_t page_bytes = 60'000;

caf::behavior pages() {
  return {[](int x) { return std::string(page_bytes, static_cast<char>('a' + x % 26)); }};
}

caf::behavior lengths(const std::string& place) {
  return {[=](const std::string& page) {
    test::pass(place);
    return page.size();
  }};
}

std::string text_of(const caf::actor& from) {
  std::string text;
  test::runtime()
      .self()
      ->request(from, caf::infinite, caf::get_atom_v)
      .receive([&](const std::string& s) { text = s; },
               [](caf::error& e) { FAIL(troupe::describe(e)); });
  return text;
}

caf::actor me() {
  return caf::actor_cast<caf::actor>(test::runtime().self());
}

}  // namespace

TEST_CASE("each of many threads that ask a process which dies gets each outcome",
          "[process][actor][keeper]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  constexpr int threads = 4, asks = 200;
  for (int round = 0; round < 3; ++round) {
    const auto actor = rt.spawn(echo);
    std::atomic<int> answered{0}, failed{0};
    std::vector<std::thread> askers;
    for (int t = 0; t < threads; ++t)
      askers.emplace_back([&] {
        caf::scoped_actor self{rt.system()};
        for (int i = 0; i < asks; ++i)
          self->request(actor, caf::infinite, i)
              .receive([&](int x) { answered += x == i ? 1 : 0; }, [&](caf::error&) { ++failed; });
      });
    while (answered < 50) {
    }
    rt.kill(actor);
    for (auto& t : askers) t.join();
    CHECK(answered + failed == threads * asks);
    CHECK(failed > 0);
    rt.join(actor);
  }
  oracle.check();
}

TEST_CASE("a handler that the keeper runs goes on while main sleeps in the loop",
          "[process][actor][keeper]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  static std::atomic<bool> begun, go;
  for (int round = 0; round < 20; ++round) {
    begun = go = false;
    const auto actor = rt.spawn(troupe::in_process, []() -> caf::behavior {
      return {[](int x) {
        begun = true;
        while (!go) {
        }
        return x;
      }};
    });
    auto first = rt.self()->request(actor, caf::infinite, 1);
    auto second = rt.self()->request(actor, caf::infinite, 2);
    while (!begun) {  // the keeper has it then
    }
    rt.self()->delayed_send(rt.self(), 1ms, caf::tick_atom_v);
    rt.self()->receive([&](caf::tick_atom) { go = true; });  // main sleeps in the loop from now on
    for (auto* const answer : {&first, &second})
      answer->receive([](int) {}, [](caf::error& e) { FAIL(troupe::describe(e)); });
    rt.self()->send_exit(actor, caf::exit_reason::kill);
  }
  oracle.check();
}

TEST_CASE("a handle in a field of a schema message is the actor", "[process][actor]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto actor = rt.spawn(echo);
  auto errand = make<test::Errand>([&](auto m) {
    troupe::write_handle(m.initReceiver(), me());
    m.setText("here");
  });
  auto pending = rt.self()->request(actor, caf::infinite, errand);
  rt.self()->receive([](const std::string& text) { CHECK(text == "here"); });
  pending.receive(
      [](const msg<test::Errand>& m) { CHECK(troupe::read_handle(m->getReceiver()) == me()); },
      [](caf::error& e) { FAIL(troupe::describe(e)); });
  CHECK(troupe::read_handle(msg<test::Errand> {} -> getReceiver()) == nullptr);
  rt.stop(actor);
  oracle.check();
}

TEST_CASE("what an actor skips is offered again, in order", "[process][actor]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto actor = rt.spawn(late);
  for (int i = 1; i <= 5; ++i) rt.self()->send(actor, i);
  rt.self()->send(actor, "go");
  rt.self()->send(actor, 6);
  CHECK(text_of(actor) == "1 2 3 4 5 6 ");
  rt.stop(actor);
  oracle.check();
}

TEST_CASE("skipped tells of an actor that dies were never begun", "[process][actor]") {
  auto& rt = test::runtime();
  std::vector<std::string> letters;
  const auto actor = rt.spawn(late);
  for (int i = 1; i <= 3; ++i) rt.self()->send(actor, i);
  // Answered past the skipped ones, so they have been offered.
  rt.self()
      ->request(actor, caf::infinite, caf::ok_atom_v)
      .receive([](bool) {}, [](caf::error& e) { FAIL(troupe::describe(e)); });
  rt.dead_letters([&](const troupe::dead_letter& l) { letters.push_back(to_string(l.content)); });
  rt.kill(actor);
  rt.join(actor);
  rt.dead_letters(nullptr);
  CHECK(letters == std::vector<std::string>{"(1)", "(2)", "(3)"});
}

TEST_CASE("an urgent message overtakes those that wait", "[process][actor]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto actor = rt.spawn(noting);
  CHECK(text_of(actor).empty());
  {
    const troupe::engine::core::guard mine{troupe::engine::local_core()};  // all in one write
    for (int i = 1; i <= 3; ++i) rt.self()->send(actor, i);
    rt.self()->send<caf::message_priority::high>(actor, 9);
    rt.flush();
  }
  CHECK(text_of(actor) == "9 1 2 3 ");
  rt.stop(actor);
  oracle.check();
}

TEST_CASE("a process that sends a torn message is killed, and says so", "[process][actor][kit]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto actor = rt.spawn(echo);
  rt.self()->request(actor, caf::infinite, 1).receive([](int) {}, [](caf::error&) {});
  rt.self()->monitor(actor);
  troupe::testing::torn_frame(rt.process_of(actor));
  rt.self()->receive([](const caf::down_msg& down) {
    REQUIRE(troupe::report_of(down.reason) != nullptr);
    CHECK(troupe::report_of(down.reason)->cause == troupe::exit_cause::bad_message);
  });
  oracle.check();
}

TEST_CASE("an answer whose type can't be written is an error of the request alone",
          "[process][actor]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto actor = rt.spawn(answering);
  std::string why;
  rt.self()
      ->request(actor, caf::infinite, 1)
      .receive([](const unwritable&) { FAIL("answered"); },
               [&](caf::error& e) {
                 CHECK(e == errc::bad_message);
                 why = troupe::describe(e);
               });
  CHECK(why.find("the answer can't be written: on purpose") != std::string::npos);
  rt.self()
      ->request(actor, caf::infinite, caf::get_atom_v)
      .receive([](int x) { CHECK(x == 7); }, [](caf::error& e) { FAIL(troupe::describe(e)); });
  rt.stop(actor);
  oracle.check();
}

TEST_CASE("a full second stage of composed actors costs what it can't take, and nobody's life",
          "[process][actor]") {
  const test::oracle oracle;
  {
    test::gate gate;
    auto& rt = test::runtime();
    const auto first = rt.spawn(pages);
    const auto second = rt.spawn(lengths, gate.place());
    const caf::actor both = second * first;
    constexpr std::size_t count = 100;
    std::vector<decltype(rt.self()->request(both, caf::infinite, 1))> all;
    for (std::size_t i = 0; i < count; ++i)
      all.push_back(rt.self()->request(both, caf::infinite, static_cast<int>(i)));
    std::size_t done = 0;
    std::size_t full = 0;
    const auto take = [&](auto& answer) {
      answer.receive(
          [&](std::size_t bytes) {
            CHECK(bytes == page_bytes);
            ++done;
          },
          [&](caf::error& e) {
            CHECK(e == errc::mailbox_full);
            ++full;
          });
    };
    take(all.back());  // while the second stage handles nothing
    CHECK(full == 1);
    all.pop_back();
    gate.open();
    for (auto& answer : all) take(answer);
    CHECK(done > 0);
    CHECK(done + full == count);
    CHECK(rt.process_of(first).running());
    CHECK(rt.process_of(second).running());
    rt.stop(first);
    rt.stop(second);
  }
  oracle.check();
}

TEST_CASE("an answer that is late runs into its timeout, and is then nobody's",
          "[process][actor][kit]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto actor = rt.spawn(echo);
  {
    const troupe::testing::delay held{rt.process_of(actor)};
    rt.self()
        ->request(actor, 20ms, 1)
        .receive([](int) { FAIL("answered"); },
                 [](caf::error& e) { CHECK(e == caf::sec::request_timeout); });
  }
  rt.self()
      ->request(actor, caf::infinite, 2)
      .receive([](int x) { CHECK(x == 2); }, [](caf::error&) { FAIL("failed"); });
  rt.stop(actor);
  oracle.check();
}

TEST_CASE("time stands still for actors until it is advanced", "[process][actor][kit]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  troupe::testing::virtual_clock clock{rt};
  std::vector<std::string> said;
  const auto local = rt.spawn(
      troupe::in_process,
      [](caf::event_based_actor* self, caf::actor report) -> caf::behavior {
        self->delayed_send(self, std::chrono::hours{1}, "an hour");
        return {[=](const std::string& text) { self->send(report, text); }};
      },
      me());
  troupe::testing::step(rt);
  bool more = true;
  const auto look = [&] {
    more = true;
    rt.self()->receive_while(more)([&](const std::string& text) { said.push_back(text); },
                                   caf::after(0s) >> [&] { more = false; });
  };
  clock.advance(59min);
  look();
  CHECK(said.empty());
  clock.advance(2min);
  look();
  CHECK(said == std::vector<std::string>{"an hour"});
  rt.self()->send_exit(local, caf::exit_reason::kill);
  troupe::testing::step(rt);
  oracle.check();
}
