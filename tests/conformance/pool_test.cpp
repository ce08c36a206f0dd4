#include "actors.hpp"
#include "subject.hpp"

#include <set>

using test::subject;

namespace {

caf::behavior numbered(caf::event_based_actor*, int number) {
  return {[=](caf::get_atom) { return number; }};
}

struct counted {
  int calls = 0;
};

caf::behavior counting(caf::stateful_actor<counted>* self) {
  return {[=](caf::put_atom) { ++self->state.calls; },
          [=](caf::get_atom) { return self->state.calls; }};
}

/// A pool that ends when the case does, and its workers with it.
class pool {
public:
  pool(subject& s, caf::actor_pool::policy policy)
      : s_(s), pool_(caf::actor_pool::make(s.self()->context(), std::move(policy))) {}
  pool(const pool&) = delete;
  pool& operator=(const pool&) = delete;
  ~pool() {
    s_.self()->send_exit(pool_, caf::exit_reason::user_shutdown);
    s_.self()->wait_for(pool_);
  }

  void add(const caf::actor& worker) {
    s_.self()->send(pool_, caf::sys_atom_v, caf::put_atom_v, worker);
  }
  [[nodiscard]] const caf::actor& actor() const { return pool_; }

private:
  subject& s_;
  caf::actor pool_;
};

}  // namespace

TEST_CASE("a pool asks its workers in turn", "[conformance][pool]") {
  test::with_each_kind([](subject& s) {
    pool workers{s, caf::actor_pool::round_robin()};
    for (int i = 0; i < 3; ++i) workers.add(s.spawn(numbered, i));
    std::multiset<int> answers;
    for (int i = 0; i < 6; ++i)
      answers.insert(s.ask<int>(workers.actor(), caf::get_atom_v).value());
    CHECK(answers == std::multiset<int>{0, 0, 1, 1, 2, 2});
  });
}

TEST_CASE("a pool spawns its workers", "[conformance][pool]") {
  test::with_each_kind([](subject& s) {
    const auto workers = caf::actor_pool::make(
        s.self()->context(), 3, [&] { return s.spawn(test::adder); }, caf::actor_pool::random());
    for (int i = 0; i < 10; ++i) CHECK(s.ask<int>(workers, caf::add_atom_v, i, 1) == i + 1);
    s.self()->send_exit(workers, caf::exit_reason::user_shutdown);
    CHECK(s.end_of(workers) == caf::exit_reason::user_shutdown);
  });
}

TEST_CASE("a pool sends to all of its workers", "[conformance][pool]") {
  test::with_each_kind([](subject& s) {
    pool workers{s, caf::actor_pool::broadcast()};
    const auto one = s.spawn(counting);
    const auto other = s.spawn(counting);
    workers.add(one);
    workers.add(other);
    s.self()->send(workers.actor(), caf::put_atom_v);
    s.self()->send(workers.actor(), caf::put_atom_v);
    CHECK(s.ask<int>(one, caf::get_atom_v) == 2);
    CHECK(s.ask<int>(other, caf::get_atom_v) == 2);
  });
}

TEST_CASE("the workers of a pool end with it", "[conformance][pool]") {
  test::with_each_kind([](subject& s) {
    const auto worker = s.spawn(test::adder);
    {
      pool workers{s, caf::actor_pool::round_robin()};
      workers.add(worker);
      CHECK(s.ask<int>(workers.actor(), caf::add_atom_v, 2, 40) == 42);
    }
    CHECK(s.end_of(worker) == caf::exit_reason::user_shutdown);
  });
}

TEST_CASE("a pool forgets a worker that ended", "[conformance][pool]") {
  test::with_each_kind([](subject& s) {
    pool workers{s, caf::actor_pool::round_robin()};
    const auto mortal = s.spawn(test::mortal);
    workers.add(mortal);
    workers.add(s.spawn(numbered, 7));
    s.self()->send_exit(mortal, caf::exit_reason::kill);
    // The pool learns of the end after us, perhaps.
    std::size_t left = 2;
    while (left != 1) {
      const auto all =
          s.ask<std::vector<caf::actor>>(workers.actor(), caf::sys_atom_v, caf::get_atom_v);
      if (!all) FAIL(test::text(all.error()));
      left = all->size();
    }
    for (int i = 0; i < 4; ++i) CHECK(s.ask<int>(workers.actor(), caf::get_atom_v) == 7);
  });
}
