// A child that is made and not ready yet: what is sent to it meanwhile.
#include <support/ledger.hpp>
#include <support/oracle.hpp>
#include <support/supervised.hpp>

#include <algorithm>

using test::me;

namespace {

constexpr std::uint64_t a_life = 1'000'000;
constexpr std::uint64_t is_ready = 2'000'000;

/// Its first life is ready at once. The others give `report` a handle of this life alone, which is
/// ready when something comes that way, and does to itself what a text there says.
caf::behavior late(caf::event_based_actor* self, troupe::runtime& rt, const std::string& place,
                   caf::actor report) {
  test::note(place, a_life);
  const auto before = test::notes_at(place);
  if (std::count(before.begin(), before.end(), a_life) > 1) {
    rt.not_ready_yet();
    self->send(report, caf::put_atom_v, caf::actor{self});
  }
  return {
      [=, &rt](caf::ok_atom) {
        test::note(place, is_ready);
        rt.ready();
      },
      [](caf::put_atom, const std::string& way) { test::hurt_process(way); },
      [=](int x) {
        test::note(place, static_cast<std::uint64_t>(x));
        return x;
      },
      [](caf::flush_atom) { return true; },
  };
}

caf::actor next_life() {
  caf::actor direct;
  test::runtime().self()->receive([&](caf::put_atom, const caf::actor& of) { direct = of; });
  return direct;
}

/// Sends numbers, one after the other; every fourth is a request.
class sender {
public:
  explicit sender(caf::actor to) : to_(std::move(to)) {}

  void send(int count) {
    auto& self = *test::runtime().self();
    for (const int end = next_ + count; next_ < end; ++next_) {
      if (next_ % 4 == 0) {
        asked_.push_back(self.request(to_, caf::infinite, next_));
      } else {
        self.send(to_, next_);
      }
    }
    test::runtime().flush();
  }
  /// Each request got the answer that is its own.
  void receive_answers() {
    for (int x = 0; auto& one : asked_) {
      one.receive([&](int got) { CHECK(got == x); },
                  [](const caf::error& e) { FAIL(troupe::describe(e)); });
      x += 4;
    }
  }
  [[nodiscard]] int sent() const { return next_; }

private:
  using request = decltype(test::runtime().self()->request(caf::actor{}, caf::infinite, 0));

  caf::actor to_;
  std::vector<request> asked_;
  int next_ = 0;
};

caf::behavior hesitant(caf::event_based_actor*, troupe::runtime& rt) {
  return {[&rt](int) { rt.not_ready_yet(); }};
}

int hesitant_function(troupe::runtime& rt, int x) {
  rt.not_ready_yet();
  return x;
}

std::vector<std::uint64_t> numbers(int count) {
  std::vector<std::uint64_t> all;
  for (int x = 0; x < count; ++x) all.push_back(static_cast<std::uint64_t>(x));
  return all;
}

/// Without the marks.
std::vector<std::uint64_t> numbers_in(const test::ledger& notes) {
  auto all = notes.sequence();
  all.erase(std::remove_if(all.begin(), all.end(), [](auto x) { return x >= a_life; }), all.end());
  return all;
}

}  // namespace

TEST_CASE("a child begins what was sent to it while it started when it is ready",
          "[process][supervisor][ready]") {
  const test::ledger notes;
  const test::oracle oracle;
  auto& rt = test::runtime();
  const bool known_before = GENERATE(false, true);
  auto sup =
      rt.supervise({.intensity = 10,
                    .children = {{.id = "late", .start = troupe::run(late, notes.place(), me())}}});
  const auto child = sup.child("late");
  if (known_before) test::ask<bool>(child, caf::flush_atom_v);
  rt.kill(*sup.process_of("late"));
  const auto life = next_life();
  CHECK(test::states(sup) == "late restarting");
  sender numbered{child};
  numbered.send(50);
  numbered.send(50);
  rt.self()->send(life, caf::ok_atom_v);
  test::ask<bool>(child, caf::flush_atom_v);
  const auto noted = notes.sequence();
  CHECK(numbers_in(notes) == numbers(numbered.sent()));
  const auto ready = std::find(noted.begin(), noted.end(), is_ready);
  CHECK(std::all_of(noted.begin(), ready, [](auto x) { return x >= a_life; }));
  numbered.receive_answers();
  sup.stop();
  oracle.check();
}

TEST_CASE("what was sent to a child that dies before it is ready is the next one's",
          "[process][supervisor][ready]") {
  const test::ledger notes;
  const test::oracle oracle;
  auto& rt = test::runtime();
  auto sup =
      rt.supervise({.intensity = 10,
                    .children = {{.id = "late", .start = troupe::run(late, notes.place(), me())}}});
  const auto child = sup.child("late");
  sender numbered{child};
  constexpr int lives = 4;
  const int each = GENERATE(40, 3500);  // in all more than a process can tell of what it has read
  rt.kill(*sup.process_of("late"));
  for (int i = 0; i < lives; ++i) {
    const auto life = next_life();
    numbered.send(each);
    if (i + 1 < lives) {
      rt.self()->send(life, caf::put_atom_v, "kill");
    } else {
      rt.self()->send(life, caf::ok_atom_v);
    }
  }
  test::ask<bool>(child, caf::flush_atom_v);
  CHECK(numbers_in(notes) == numbers(numbered.sent()));
  numbered.receive_answers();
  sup.stop();
  oracle.check();
}

TEST_CASE("a child that is given up before it is ready has begun nothing that was sent to it",
          "[process][supervisor][ready]") {
  const test::ledger notes;
  const test::oracle oracle;
  auto& rt = test::runtime();
  auto sup =
      rt.supervise({.intensity = 10,
                    .children = {{.id = "late", .start = troupe::run(late, notes.place(), me())}}});
  const auto child = sup.child("late");
  int dead = 0;
  rt.dead_letters([&](const troupe::dead_letter&) { ++dead; });
  rt.kill(*sup.process_of("late"));
  next_life();
  rt.self()->send(child, 1);
  std::string got;
  auto request = rt.self()->request(child, caf::infinite, 2);
  rt.flush();
  sup.terminate_child("late");
  request.receive([](int) {}, [&](const caf::error& e) { got = test::outcome(e); });
  CHECK(got == "stopped");
  CHECK(dead == 1);
  CHECK(numbers_in(notes).empty());
  rt.dead_letters({});
  sup.stop();
  oracle.check();
}

TEST_CASE("who is ready can't say that it is not yet", "[process][supervisor][ready]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto function = rt.serve(&hesitant_function);
  CHECK(test::contains(troupe::describe(function.ask(1).error()), "comes too late"));
  rt.stop(function);
  auto sup = rt.supervise({.children = {{.id = "a", .start = troupe::run(hesitant)}}});
  std::string why;
  rt.self()
      ->request(sup.child("a"), caf::infinite, 1)
      .receive([] { FAIL("it was taken"); },
               [&](const caf::error& e) { why = troupe::describe(e); });
  CHECK(test::contains(why, "comes too late"));
  sup.stop();
  oracle.check();
}
