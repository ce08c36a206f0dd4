// Deaths and bytes of every kind, from actors: what crash_test and peer_bytes_test show for
// functions.
#include <caf/all.hpp>
#include <support/catch.hpp>
#include <support/forged.hpp>
#include <support/oracle.hpp>
#include <support/outcome.hpp>
#include <support/runtime.hpp>
#include <support/settings.hpp>

#include <schemas/shapes.capnp.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <exception>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using troupe::errc;
using troupe::wire::Envelope;

namespace {

caf::behavior echo() {
  return {[](int x) { return x; }, [](const std::string& s) { return s; }};
}

caf::behavior dying() {
  return {[](const std::string& how) -> int {
    if (how == "throw") throw std::runtime_error{"thrown"};
    if (how == "terminate") std::terminate();
    if (how == "exit") _exit(3);
    raise(std::stoi(how));
    return 0;
  }};
}

/// Writes some bytes past everything that Troupe does, then ends.
caf::behavior writing() {
  return {[](const std::vector<char>& bytes) -> int {
    test::write_to_parent({bytes.begin(), bytes.end()});
    _exit(0);
  }};
}

/// Sends a row of requests to an actor; tells the sum of the answers and how many failed.
caf::behavior asker(caf::event_based_actor* self, caf::actor whom, caf::actor report, int asks) {
  auto left = std::make_shared<int>(asks);
  auto wrong = std::make_shared<int>(0);
  auto failed = std::make_shared<int>(0);
  const auto done = [=] {
    if (--*left == 0) self->send(report, *wrong, *failed);
  };
  for (int i = 0; i < asks; ++i)
    self->request(whom, caf::infinite, i)
        .then(
            [=](int x) {
              *wrong += x == i ? 0 : 1;
              done();
            },
            [=](caf::error&) {
              ++*failed;
              done();
            });
  return {[](int) {}};
}

caf::actor me() {
  return caf::actor_cast<caf::actor>(test::runtime().self());
}

}  // namespace

TEST_CASE("an actor killed at any instant leaves each request exactly one right outcome",
          "[process][actor][crash]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  int some_failed = 0;
  for (int round = 0; round < test::times(30, 1000); ++round) {
    const auto actor = rt.spawn(echo);
    const auto asking = rt.spawn(troupe::in_process, asker, actor, me(), 200);
    const auto until =
        std::chrono::steady_clock::now() + std::chrono::microseconds{test::random_up_to(2000)};
    while (std::chrono::steady_clock::now() < until) {
    }
    rt.kill(actor);
    rt.self()->receive([&](int wrong, int failed) {
      CHECK(wrong == 0);
      some_failed += failed;
    });
    rt.join(actor);
    rt.self()->send_exit(asking, caf::exit_reason::kill);
  }
  CHECK(some_failed > 0);
  oracle.check();
}

TEST_CASE("each cause of an actor's end is told by its name", "[process][actor][crash]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const std::vector<std::string> ways{std::to_string(SIGSEGV),
                                      std::to_string(SIGABRT),
                                      std::to_string(SIGFPE),
                                      std::to_string(SIGBUS),
                                      "exit",
                                      "terminate"};
  for (const std::string& how : ways) {
    INFO(how);
    const auto actor = rt.spawn(dying);
    rt.self()->monitor(actor);
    rt.self()
        ->request(actor, caf::infinite, how)
        .receive([](int) { FAIL("answered"); },
                 [](caf::error& e) { CHECK(e == errc::worker_lost); });
    rt.self()->receive([&](const caf::down_msg& down) {
      const auto report = troupe::report_of(down.reason);
      REQUIRE(report != nullptr);
      if (how == "exit") {
        CHECK(report->exit_code == 3);
      } else {
        CHECK(report->signal == (how == "terminate" ? SIGABRT : std::stoi(how)));
      }
    });
  }
  const auto actor = rt.spawn(dying);  // as in CAF: no crash, the actor ends
  rt.self()->monitor(actor);
  rt.self()
      ->request(actor, caf::infinite, "throw")
      .receive([](int) { FAIL("answered"); },
               [](caf::error& e) { CHECK(e == caf::sec::runtime_error); });
  rt.self()->receive([](const caf::down_msg& down) {
    CHECK(down.reason == caf::sec::runtime_error);
    CHECK(troupe::errc_of(down.reason) == errc::exception);
    CHECK(troupe::describe(down.reason) == "runtime_error: thrown");
  });
  const auto report = rt.join(actor);
  CHECK(report.exit_code == 1);
  CHECK(test::contains(report.stderr_tail, "its actor ended by an exception: thrown\n"));
  CHECK(test::contains(report.sentence(), "exception: thrown"));
  oracle.check();
}

TEST_CASE("an actor that dies after any part of a message has not sent it",
          "[process][actor][crash]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const std::string whole = test::frame_of(Envelope::Kind::TELL, 1, std::string{"partial"});
  const auto step = static_cast<std::size_t>(test::times(5, 1));
  for (std::size_t part = 0; part < whole.size(); part += step) {
    const auto actor = rt.spawn(writing);
    rt.self()
        ->request(
            actor, caf::infinite,
            std::vector<char>(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(part)))
        .receive([](int) { FAIL("answered"); },
                 [](caf::error& e) { CHECK(e == errc::worker_lost); });
    rt.join(actor);
  }
  oracle.check();
}

TEST_CASE("random messages of a process cost that process and nothing else",
          "[process][actor][crash]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto other = rt.spawn(echo);
  std::mt19937 random{static_cast<unsigned>(test::random_up_to(1 << 30))};
  for (int round = 0; round < test::times(60, 2000); ++round) {
    const Envelope::Kind kinds[] = {Envelope::Kind::REQUEST, Envelope::Kind::TELL,
                                    Envelope::Kind::WATCH, Envelope::Kind::EXIT,
                                    Envelope::Kind::ANSWER};
    std::string bytes = test::frame_of(kinds[random() % 5], random() % 4, std::string(24, 'x'));
    for (std::size_t i = random() % 4; i-- > 0;)
      bytes[random() % bytes.size()] = static_cast<char>(random());
    const auto actor = rt.spawn(writing);
    rt.self()
        ->request(actor, caf::infinite, std::vector<char>(bytes.begin(), bytes.end()))
        .receive([](int) {}, [](caf::error& e) { CHECK(e); });
    rt.kill(actor);
    rt.join(actor);
    rt.self()
        ->request(other, caf::infinite, round)
        .receive([&](int x) { CHECK(x == round); }, [](caf::error&) { FAIL("failed"); });
  }
  rt.stop(other);
  oracle.check();
}

TEST_CASE("actors that send each other megabytes never block for ever", "[process][actor]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto actor = rt.spawn(echo);
  const std::string large(1 << 20, 'm');
  for (int round = 0; round < test::times(5, 100); ++round) {
    std::vector<decltype(rt.self()->request(actor, caf::infinite, large))> open;
    for (int i = 0; i < 10; ++i) open.push_back(rt.self()->request(actor, caf::infinite, large));
    for (auto& one : open)
      one.receive([&](const std::string& same) { CHECK(same.size() == large.size()); },
                  [](caf::error& e) { FAIL(troupe::describe(e)); });
  }
  rt.stop(actor);
  oracle.check();
}
