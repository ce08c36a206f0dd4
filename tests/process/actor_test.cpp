// CAF behaviours in processes of their own: what only a process can show. That they behave as CAF's
// own actors is for the conformance tests.
#include <caf/all.hpp>
#include <support/catch.hpp>
#include <support/oracle.hpp>
#include <support/processes.hpp>
#include <support/runtime.hpp>
#include <support/settings.hpp>
#include <troupe/testing.hpp>

#include <schemas/shapes.capnp.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using troupe::errc;
using troupe::make;
using troupe::msg;

namespace {

caf::behavior calculator() {
  return {
      [](int a, int b) { return a + b; },
      [](caf::get_atom) { return static_cast<int>(getpid()); },
      [](const msg<test::Point>& p) {
        return make<test::Point>([&](auto to) { to.setX(p->getY()); });
      },
      [](caf::delete_atom) { std::abort(); },
  };
}

class adder : public caf::event_based_actor {
public:
  adder(caf::actor_config& config, int more) : event_based_actor(config), more_(more) {}
  caf::behavior make_behavior() override {
    return {[this](int x) { return x + more_; }};
  }

private:
  int more_;
};

struct promises {
  std::vector<caf::response_promise> kept;
};
/// Keeps requests of text, answers all with "answer", drops them with "drop", dies with "crash".
caf::behavior keeper(caf::stateful_actor<promises>* self) {
  return {[self](const std::string& what) -> caf::result<std::string> {
    if (what == "crash") std::abort();
    if (what == "drop") self->state.kept.clear();
    if (what == "answer")
      for (auto& p : self->state.kept) p.deliver("late");
    if (what == "drop" || what == "answer") return "done";
    auto promise = self->make_response_promise();
    self->state.kept.push_back(promise);
    return promise;
  }};
}

/// The outcome of one request as text: its answer, or the name of its error.
template <class... Parts>
std::string ask(const caf::actor& to, Parts&&... parts) {
  std::string outcome;
  test::runtime()
      .self()
      ->request(to, caf::infinite, std::forward<Parts>(parts)...)
      .receive([&](int number) { outcome = std::to_string(number); },
               [&](caf::error& e) {
                 outcome = troupe::describe(e);
                 outcome = outcome.substr(0, outcome.find(':'));
               });
  return outcome;
}

std::string down_of(const caf::actor& who) {
  std::string reason;
  test::runtime().self()->receive([&](const caf::down_msg& down) {
    CHECK(down.source == who.address());
    reason = troupe::describe(down.reason);
    reason = reason.substr(0, reason.find(':'));
  });
  return reason;
}

}  // namespace

TEST_CASE("a behaviour runs in a process of its own", "[process][actor]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto actor = rt.spawn(calculator);
  CHECK(ask(actor, 2, 40) == "42");
  CHECK(ask(actor, caf::get_atom_v) == std::to_string(rt.process_of(actor).pid()));
  rt.self()
      ->request(actor, caf::infinite, make<test::Point>([](auto p) { p.setY(7); }))
      .receive([](const msg<test::Point>& p) { CHECK(p->getX() == 7); },
               [](caf::error& e) { FAIL(troupe::describe(e)); });
  rt.self()->send_exit(actor, caf::exit_reason::user_shutdown);
  CHECK(rt.join(actor).success());
  oracle.check();
}

TEST_CASE("an actor that crashes takes its process alone", "[process][actor]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto actor = rt.spawn(calculator);
  const auto other = rt.spawn(calculator);
  rt.self()->monitor(actor);
  CHECK(ask(actor, caf::delete_atom_v) == "worker_lost");
  CHECK(down_of(actor) == "worker_lost");
  CHECK(ask(actor, 1, 1) == "stopped");
  CHECK(ask(other, 1, 1) == "2");
  CHECK(rt.join(actor).signal == SIGABRT);
  rt.stop(other);
  oracle.check();
}

TEST_CASE("the report of a crash is the reason and the error's context", "[process][actor]") {
  auto& rt = test::runtime();
  const auto actor = rt.spawn(troupe::process_options{"suspect"}, calculator);
  rt.self()->monitor(actor);
  rt.self()
      ->request(actor, caf::infinite, caf::delete_atom_v)
      .receive([](int) { FAIL("answered"); },
               [](caf::error& e) {
                 CHECK(e == errc::worker_lost);
                 REQUIRE(troupe::report_of(e) != nullptr);
                 CHECK(troupe::report_of(e)->role == "suspect");
                 CHECK(troupe::report_of(e)->in_progress);
               });
  rt.self()->receive([](const caf::down_msg& down) {
    REQUIRE(troupe::report_of(down.reason) != nullptr);
    CHECK(troupe::report_of(down.reason)->signal == SIGABRT);
  });
}

TEST_CASE("requests that a dead actor had begun and not answered are told from others",
          "[process][actor]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto actor = rt.spawn(keeper);
  std::vector<std::string> outcomes;
  const auto asker = rt.spawn(
      troupe::in_process,
      [](caf::event_based_actor* self, caf::actor whom, caf::actor report) -> caf::behavior {
        for (const char* what : {"first", "second", "crash", "never"})
          self->request(whom, caf::infinite, std::string{what})
              .then([=](const std::string&) { self->send(report, "answered"); },
                    [=](caf::error& e) { self->send(report, troupe::describe(e)); });
        return {[](int) {}};
      },
      actor, caf::actor_cast<caf::actor>(rt.self()));
  for (int i = 0; i < 4; ++i)
    rt.self()->receive([&](const std::string& outcome) { outcomes.push_back(outcome); });
  CHECK(outcomes[0].find("not answered it yet") != std::string::npos);
  CHECK(outcomes[1].find("not answered it yet") != std::string::npos);
  CHECK(outcomes[2].find("may have been carried out") != std::string::npos);
  CHECK(outcomes[3].find("not_started") == 0);
  rt.self()->send_exit(asker, caf::exit_reason::kill);
  rt.join(actor);
  oracle.check();
}

TEST_CASE("a promise that its actor drops is answered at once", "[process][actor]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto actor = rt.spawn(keeper);
  auto asked = rt.self()->request(actor, caf::infinite, "question");
  rt.self()
      ->request(actor, caf::infinite, "drop")
      .receive([](const std::string& s) { CHECK(s == "done"); },
               [](caf::error& e) { FAIL(troupe::describe(e)); });
  asked.receive([](const std::string&) { FAIL("answered"); },
                [](caf::error& e) { CHECK(e == errc::unanswered); });
  auto kept = rt.self()->request(actor, caf::infinite, "question");
  rt.self()
      ->request(actor, caf::infinite, "answer")
      .receive([](const std::string&) {}, [](caf::error& e) { FAIL(troupe::describe(e)); });
  kept.receive([](const std::string& s) { CHECK(s == "late"); },
               [](caf::error& e) { FAIL(troupe::describe(e)); });
  rt.stop(actor);
  oracle.check();
}

TEST_CASE("tells that a dead actor never began are dead letters", "[process][actor]") {
  auto& rt = test::runtime();
  std::vector<std::string> letters;
  rt.dead_letters([&](const troupe::dead_letter& letter) {
    letters.push_back(to_string(letter.content));
    if (letter.report != nullptr) CHECK(letter.report->signal == SIGABRT);
  });
  const auto actor = rt.spawn(calculator);
  rt.self()->send(actor, caf::delete_atom_v);
  rt.self()->send(actor, 1, 2);
  rt.self()->send(actor, 3, 4);
  rt.join(actor);
  rt.self()->send(actor, 5, 6);
  rt.dead_letters(nullptr);
  CHECK(letters == std::vector<std::string>{"(1, 2)", "(3, 4)", "(5, 6)"});
}

TEST_CASE("actors of a root go on while its main thread computes", "[process][actor][keeper]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  static std::atomic<int> answers;
  answers = 0;
  const auto actor = rt.spawn(calculator);
  const auto asker = rt.spawn(
      troupe::in_process,
      [](caf::event_based_actor* self, caf::actor whom) -> caf::behavior {
        return {[=](int rounds) {
          self->request(whom, caf::infinite, rounds, 0).then([=](int) {
            ++answers;
            if (rounds > 1) self->send(self, rounds - 1);
          });
        }};
      },
      actor);
  caf::anon_send(asker, 5);
  while (answers < 5) {
  }
  rt.self()->monitor(actor);
  ::kill(rt.process_of(actor).pid(), SIGKILL);
  CHECK(down_of(actor) == "worker_lost");
  rt.self()->send_exit(asker, caf::exit_reason::kill);
  oracle.check();
}

TEST_CASE("a blocking ask outside of rt.self() comes back", "[process][actor][keeper]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto actor = rt.spawn(calculator);
  {
    caf::scoped_actor self{rt.system()};
    for (int i = 0; i < 20; ++i)
      self->request(actor, caf::infinite, i, 1)
          .receive([&](int sum) { CHECK(sum == i + 1); },
                   [](caf::error& e) { FAIL(troupe::describe(e)); });
  }
  rt.stop(actor);
  oracle.check();
}

TEST_CASE("a handler may block on an actor of the same process", "[process][actor][keeper]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto actor = rt.spawn([](caf::event_based_actor* self) -> caf::behavior {
    const caf::actor helper =
        self->spawn([]() -> caf::behavior { return {[](int x) { return 2 * x; }}; });
    return {[=](int x) {
      caf::scoped_actor blocking{self->system()};
      int doubled = 0;
      blocking->request(helper, caf::infinite, x)
          .receive([&](int y) { doubled = y; }, [](caf::error&) {});
      return doubled;
    }};
  });
  CHECK(ask(actor, 21) == "42");
  CHECK(ask(actor, 4) == "8");
  rt.stop(actor);
  oracle.check();
}

TEST_CASE("many actors one after the other leave no proxy behind", "[process][actor]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const std::size_t before = troupe::testing::known_actors(rt);
  for (int i = 0; i < test::times(200, 1000); ++i) {
    const auto actor = rt.spawn(calculator);
    CHECK(ask(actor, i, 1) == std::to_string(i + 1));
    rt.kill(actor);
    rt.join(actor);
  }
  CHECK(troupe::testing::known_actors(rt) == before);
  oracle.check();
}

TEST_CASE("two senders with equal request ids get each their own answer", "[process][actor]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto actor = rt.spawn(calculator);
  std::vector<std::string> answers;
  for (int who = 0; who < 2; ++who)
    rt.spawn(
        troupe::in_process,
        [](caf::event_based_actor* self, caf::actor whom, caf::actor report, int mine) {
          self->request(whom, caf::infinite, mine, 100).then([=](int sum) {
            self->send(report, mine, sum);
          });
        },
        actor, caf::actor_cast<caf::actor>(rt.self()), who);
  for (int i = 0; i < 2; ++i)
    rt.self()->receive([](int mine, int sum) { CHECK(sum == mine + 100); });
  rt.stop(actor);
  oracle.check();
}

TEST_CASE("a value whose type nobody named is refused with a sentence", "[process][actor]") {
  auto& rt = test::runtime();
  const auto actor = rt.spawn(calculator);
  rt.self()
      ->request(actor, caf::infinite, std::vector<float>{1, 2})
      .receive([](int) { FAIL("answered"); },
               [](caf::error& e) {
                 CHECK(e == errc::bad_message);
                 CHECK(troupe::describe(e).find("program::with") != std::string::npos);
               });
  rt.stop(actor);
}

TEST_CASE("arguments of an actor arrive, of a function and of a class", "[process][actor]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto made = rt.spawn(
      [](caf::event_based_actor*, const std::vector<int>& numbers,
         const std::string& text) -> caf::behavior {
        const int total = static_cast<int>(numbers.size() + text.size());
        return {[=](int x) { return x + total; }};
      },
      std::vector<int>{1, 2, 3}, "four");
  CHECK(ask(made, 0) == "7");
  rt.stop(made);
  const auto named = rt.spawn<adder>(troupe::process_options{"adder"}, 30);
  CHECK(ask(named, 1) == "31");
  CHECK(rt.stop(named).role == "adder");
  const auto unnamed = rt.spawn<adder>(40);
  CHECK(ask(unnamed, 2) == "42");
  rt.stop(unnamed);
  CHECK(ask(rt.spawn<adder>(troupe::in_process, 50), 3) == "53");
  oracle.check();
}
