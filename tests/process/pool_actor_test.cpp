// A pool that is an actor, shared by clients in several processes.
#include <actors/pool/pool.hpp>
#include <support/catch.hpp>
#include <support/oracle.hpp>
#include <support/outcome.hpp>
#include <support/runtime.hpp>

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <map>
#include <memory>
#include <ranges>
#include <stdexcept>

using test::outcome;
using namespace troupe::actors;

namespace {

int square(int x) {
  return x * x;
}
int throwing(int x) {
  throw std::invalid_argument{"not " + std::to_string(x)};
}
int crashing(int) {
  abort();
}

/// A client in another process: asks the pool whose handle it gets.
caf::behavior client(caf::event_based_actor*, troupe::runtime& rt, const pool_actor& shared) {
  return {[=, &rt](int from, int to) {
    const pool_client calls{rt, shared};
    int sum = 0;
    for (const auto& r : calls.map(square, std::views::iota(from, to))) sum += r.value();
    return sum;
  }};
}

/// Asks for three things at once; the answer says what became of each, in that order.
caf::behavior asynchronous(caf::event_based_actor* self, troupe::runtime& rt,
                           const pool_actor& shared) {
  return {[=, &rt](int x) {
    auto promise = self->make_response_promise<std::string>();
    const pool_client calls{rt, shared};
    const auto ends = std::make_shared<std::map<int, std::string>>();
    const auto note = [=](int number) {
      return [=](troupe::result<int>& r) mutable {
        (*ends)[number] = r ? std::to_string(*r) : outcome(r.error());
        if (ends->size() == 3) promise.deliver((*ends)[0] + ", " + (*ends)[1] + ", " + (*ends)[2]);
      };
    };
    calls.apply_async(self, square, x).then(note(0));
    calls.apply_async(self, throwing, x).then(note(1));
    calls.apply_async(self, crashing, x).then(note(2));
    return promise;
  }};
}

}  // namespace

TEST_CASE("a pool as an actor carries out calls", "[process][pool][actor]") {
  const test::oracle oracle;
  {
    auto& rt = test::runtime();
    const auto shared = rt.spawn(pool, std::uint64_t{2});
    const pool_client calls{rt, shared};
    CHECK(calls.apply(square, 7).value() == 49);
    CHECK(calls.apply([](const std::string& s, int n) { return s + std::to_string(n); }, "x", 3)
              .value() == "x3");
    CHECK(calls.apply_urgently(square, 3).value() == 9);
    const auto failed = calls.apply(throwing, 5);
    CHECK(test::contains(troupe::describe(failed.error()), "not 5"));
    const auto lost = calls.apply(crashing, 1);
    CHECK(outcome(lost) == "worker_lost");
    CHECK(calls.progress().restarts == 3);
    CHECK(calls.apply(square, 8).value() == 64);
    const auto squares = calls.map(square, std::views::iota(0, 1000));
    for (int i = 0; i < 1000; ++i) REQUIRE(squares[static_cast<std::size_t>(i)].value() == i * i);
    rt.stop(shared);
  }
  oracle.check();
}

TEST_CASE("a client of a pool has the calls that a pool has", "[process][pool][actor]") {
  const test::oracle oracle;
  {
    auto& rt = test::runtime();
    const auto shared = rt.spawn(pool, std::uint64_t{2});
    const pool_client calls{rt, shared};
    auto first = calls.submit(square, 3);
    auto second = calls.submit(throwing, 4);
    CHECK(test::contains(troupe::describe(second.get().error()), "not 4"));
    CHECK(first.get().value() == 9);
    CHECK(first.get().value() == 9);
    const std::vector<std::pair<int, int>> pairs{{2, 3}, {4, 5}};
    const auto products = calls.starmap([](int x, int y) { return x * y; }, pairs);
    CHECK(products.at(1).value() == 20);
    std::size_t next = 0;
    for (const auto& r : calls.imap(square, std::views::iota(0))) {  // without an end
      REQUIRE(r.index == next);
      REQUIRE(r.value() == static_cast<int>(next * next));
      if (++next == 1000) break;
    }
    const auto sum = calls.map_reduce(
        [](int x) {
          if (x == 13) throw std::runtime_error{"unlucky"};
          return x;
        },
        [](int& total, int x) { total += x; }, std::views::iota(0, 100), 0);
    CHECK(sum.total == 99 * 100 / 2 - 13);
    REQUIRE(sum.failed.size() == 1);
    CHECK(sum.failed.front().first == 13);
    CHECK(calls.map(square, std::vector<int>{}).empty());
    rt.stop(shared);
  }
  oracle.check();
}

TEST_CASE("a client reads results as they come, each with its index", "[process][pool][actor]") {
  const test::oracle oracle;
  {
    auto& rt = test::runtime();
    const auto shared = rt.spawn(pool, std::uint64_t{2});
    const pool_client calls{rt, shared};
    std::vector<int> seen(1000);
    for (auto& r : calls.imap_unordered(square, std::views::iota(0, 1000))) {
      const int i = static_cast<int>(r.index);
      REQUIRE(r.value() == i * i);
      ++seen[r.index];
    }
    CHECK(std::ranges::count(seen, 1) == 1000);
    std::size_t failed = 0;
    for (auto& r : calls.imap_unordered(throwing, std::views::iota(0, 10))) failed += r ? 0 : 1;
    CHECK(failed == 10);
    std::uint64_t read = 0;  // an endless input, left in the middle
    for (auto& r : calls.imap_unordered(square, std::views::iota(0)))
      if (r && ++read == 1000) break;
    CHECK(read == 1000);
    CHECK(calls.apply(square, 3).value() == 9);
    rt.stop(shared);
  }
  oracle.check();
}

TEST_CASE("an actor makes calls of a pool without waiting", "[process][pool][actor]") {
  const test::oracle oracle;
  {
    auto& rt = test::runtime();
    const auto shared = rt.spawn(pool, std::uint64_t{2});
    const auto asking = rt.spawn(asynchronous, shared);
    rt.self()
        ->request(asking, caf::infinite, 6)
        .receive([](const std::string& text) { CHECK(text == "36, exception, worker_lost"); },
                 [](const caf::error& e) { FAIL(troupe::describe(e)); });
    rt.stop(asking);
    rt.stop(shared);
  }
  oracle.check();
}

TEST_CASE("clients in several processes share one pool", "[process][pool][actor]") {
  const test::oracle oracle;
  {
    auto& rt = test::runtime();
    const auto shared = rt.spawn(pool, std::uint64_t{2});
    std::vector<caf::actor> clients;
    for (int i = 0; i < 3; ++i) clients.push_back(rt.spawn(client, shared));
    std::vector<decltype(rt.self()->request(clients[0], caf::infinite, 0, 10))> answers;
    for (auto& c : clients) answers.push_back(rt.self()->request(c, caf::infinite, 0, 100));
    const pool_client own{rt, shared};
    CHECK(own.apply(square, 9).value() == 81);
    for (auto& answer : answers)
      answer.receive([](int sum) { CHECK(sum == 328'350); },
                     [](caf::error& e) { FAIL(troupe::describe(e)); });
    CHECK(own.progress().done <= 301);
    for (auto& c : clients) rt.stop(c);
    rt.stop(shared);
  }
  oracle.check();
}

TEST_CASE("a client of a pool that is killed learns of it", "[process][pool][actor]") {
  const test::oracle oracle;
  {
    auto& rt = test::runtime();
    const auto shared = rt.spawn(pool, std::uint64_t{1});
    const pool_client calls{rt, shared};
    CHECK(calls.apply(square, 2).value() == 4);
    rt.kill(shared);
    CHECK_FALSE(calls.apply(square, 2));
    rt.join(shared);
  }
  oracle.check();
}
