#include <support/catch.hpp>
#include <support/gate.hpp>
#include <support/ledger.hpp>
#include <support/oracle.hpp>
#include <support/outcome.hpp>
#include <support/processes.hpp>
#include <support/runtime.hpp>
#include <support/settings.hpp>

#include <schemas/shapes.capnp.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <stdexcept>

using namespace std::chrono_literals;
using test::outcome;
using troupe::exit_cause;
using troupe::make;
using troupe::msg;

namespace {

std::vector<std::uint8_t> echo_bytes(const std::vector<std::uint8_t>& bytes) {
  return bytes;
}

msg<test::Shape> shape(const std::string& name, unsigned corners) {
  return make<test::Shape>([&](auto s) {
    s.setName(name);
    auto list = s.initCorners(corners);
    for (unsigned i = 0; i < corners; ++i) {
      list[i].setX(static_cast<int>(i));
      list[i].setY(-static_cast<int>(i));
    }
    s.initHoles(1)[0].setName("hole");
  });
}

/// What a shell command prints.
std::string output_of(const std::string& command) {
  std::string text;
  FILE* pipe = popen(command.c_str(), "r");
  std::array<char, 4096> bytes;
  while (const auto n = std::fread(bytes.data(), 1, bytes.size(), pipe))
    text.append(bytes.data(), n);
  return pclose(pipe) == 0 ? text : "failed: " + text;
}

}  // namespace

TEST_CASE("requests are handled in their order", "[process][request]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto worker = rt.serve([](int x) {
    static std::vector<int> seen;
    seen.push_back(x);
    return seen;
  });
  for (int i = 0; i < 100; ++i) {
    if (i % 3 == 0) {
      worker.tell(i).value();
    } else {
      static_cast<void>(worker.submit(i));
    }
  }
  std::vector<int> expected(101);
  std::iota(expected.begin(), expected.end(), 0);
  CHECK(worker.ask(100).value() == expected);
  rt.stop(worker);
  oracle.check();
}

TEST_CASE("an exception of the function is that request's failure, with its text",
          "[process][request]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto worker = rt.serve([](int x) -> int {
    if (x == 1) throw std::out_of_range{"no such thing: 1"};
    if (x == 2) throw "not an exception";
    return x;
  });
  const auto failed = worker.ask(1);
  CHECK(outcome(failed) == "exception");
  CHECK(rt.describe(failed.error()) == "exception: no such thing: 1");
  CHECK(troupe::report_of(failed.error()) == nullptr);
  CHECK_THROWS_AS(failed.value(), troupe::failure);
  CHECK(outcome(worker.ask(2)) == "exception");
  CHECK(worker.ask(3).value() == 3);
  REQUIRE(worker.tell(1));
  CHECK(worker.ask(4).value() == 4);
  const auto report = rt.stop(worker);
  CHECK(test::contains(report.stderr_tail, "no such thing: 1"));
  oracle.check();
}

TEST_CASE("a function without a result has an answer all the same", "[process][request]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto worker = rt.serve([](const std::string& text) {
    if (text.empty()) throw std::invalid_argument{"empty"};
  });
  CHECK(worker.ask("x"));
  CHECK(outcome(worker.ask("")) == "exception");
  rt.stop(worker);
  oracle.check();
}

TEST_CASE("a limit may be as long as time", "[process][request]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  constexpr auto longest = std::chrono::nanoseconds::max();
  const auto worker = rt.serve([](int x) { return x; });
  CHECK(worker.ask_within(longest, 5).value() == 5);
  CHECK(worker.submit(6).get_within(longest).value() == 6);
  CHECK(rt.stop(worker, longest).exit_code == 0);
  CHECK(rt.join(worker, longest).has_value());
  auto pool = rt.pool(1);
  CHECK(pool.submit([](int x) { return x; }, 7).get_within(longest)->value() == 7);
  pool.close();
  CHECK(pool.join(longest));
  oracle.check();
}

TEST_CASE("an answer that does not come in time is a timeout, and later ones still come",
          "[process][request]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto worker = rt.serve([](int x) -> int {
    if (x == 0)
      for (;;) pause();
    return x;
  });
  CHECK(worker.ask_within(60s, 5).value() == 5);
  const auto late = worker.ask_within(5ms, 0);
  CHECK(outcome(late) == "request_timeout");
  CHECK(test::contains(rt.describe(late.error()), "may still carry out"));
  auto pending = worker.submit(1);
  CHECK(outcome(pending.get_within(5ms)) == "request_timeout");
  rt.kill(worker);
  rt.join(worker);

  {
    test::gate gate;
    const auto slow = rt.serve([](const std::string& place) {
      test::pass(place);
      return 2;
    });
    CHECK(outcome(slow.ask_within(1ms, gate.place())) == "request_timeout");
    gate.open();
    CHECK(slow.ask(gate.place()).value() == 2);
    rt.stop(slow);
  }
  oracle.check();
}

TEST_CASE("a dropped pending answer is forgotten, its work is done", "[process][request]") {
  const test::ledger ledger;
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto worker =
      rt.serve([](const std::string& place, std::uint64_t n) { test::note(place, n); });
  for (std::uint64_t n = 0; n < 10; ++n) static_cast<void>(worker.submit(ledger.place(), n));
  CHECK(worker.ask(ledger.place(), 10));
  CHECK(ledger.notes().size() == 11);
  rt.stop(worker);
  oracle.check();
}

TEST_CASE("a message too large for the limit is refused, either way, and the worker lives",
          "[process][request]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto worker = rt.serve([](const std::vector<std::uint8_t>& bytes, std::uint64_t answer) {
    return std::vector<std::uint8_t>(bytes.size() + answer);
  });
  const std::vector<std::uint8_t> large((16 << 20) + 1);
  const auto refused = worker.ask(large, 0);
  CHECK(outcome(refused) == "too_large");
  CHECK(test::contains(rt.describe(refused.error()), "was not sent"));
  CHECK(outcome(worker.tell(large, 0).error()) == "too_large");
  const auto answer = worker.ask({}, 17 << 20);
  CHECK(outcome(answer) == "too_large");
  CHECK(test::contains(rt.describe(answer.error()), "answer"));
  CHECK(worker.ask({1, 2}, 3).value().size() == 5);
  CHECK(worker.ask(std::vector<std::uint8_t>(15 << 20), 0).value().size() == 15 << 20);
  rt.stop(worker);
  oracle.check();
}

TEST_CASE("messages of 1 MiB both ways at once never block each other for ever",
          "[process][request][large]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto worker = rt.serve(echo_bytes);
  std::vector<std::uint8_t> bytes(1 << 20);
  for (int round = 0; round < test::times(10, 1000); ++round) {
    std::vector<troupe::pending<std::vector<std::uint8_t>>> answers;
    for (std::uint8_t i = 0; i < 10; ++i) {
      bytes.back() = i;
      answers.push_back(worker.submit(bytes));
    }
    for (std::uint8_t i = 0; i < 10; ++i) {
      const auto answer = answers[i].get();
      REQUIRE(answer.value().size() == bytes.size());
      REQUIRE(answer->back() == i);
    }
  }
  rt.stop(worker);
  oracle.check();
}

TEST_CASE("sizes around every boundary of buffer, pipe and ring pass unchanged",
          "[process][request][large]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto worker = rt.serve(echo_bytes);
  for (const std::size_t size : {0, 1, 7, 8, 4096, 16384, 65536, 131072, 262144, 1 << 20, 2 << 20})
    for (const int offset : {-72, -64, -9, -8, -1, 0, 1}) {
      if (offset < 0 && size < 72) continue;
      const auto length = static_cast<std::size_t>(static_cast<std::ptrdiff_t>(size) + offset);
      std::vector<std::uint8_t> bytes(length);
      for (std::size_t i = 0; i < length; ++i)
        bytes[i] = static_cast<std::uint8_t>(i * 31 + i / 251);
      const auto answer = worker.ask(bytes);
      INFO(length);
      REQUIRE(answer.value() == bytes);
    }
  rt.stop(worker);
  oracle.check();
}

TEST_CASE("a caller waits while a mailbox is full, and each message is handled once",
          "[process][request]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto worker = rt.serve([](std::uint64_t x) {
    static std::uint64_t sum = 0, count = 0;
    sum += x;
    return std::pair{++count, sum};
  });
  constexpr std::uint64_t messages = 100'000;
  for (std::uint64_t i = 0; i < messages; ++i) REQUIRE(worker.tell(i));
  CHECK(worker.ask(0).value() == std::pair{messages + 1, messages * (messages - 1) / 2});
  rt.stop(worker);
  oracle.check();
}

TEST_CASE("a mailbox that is full when its worker dies frees its caller", "[process][request]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto worker = rt.serve([](const std::string&) { pause(); });
  int ticks = 0;
  const auto killer = rt.every(2ms, [&] {
    if (++ticks == 10) rt.kill(worker);
  });
  const std::string text(100'000, 'x');
  troupe::result<void> told;
  while (told) told = worker.tell(text);
  CHECK(outcome(told.error()) == "stopped");
  oracle.check();
}

TEST_CASE("a schema message is read in the worker and its answer here", "[process][request][msg]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto worker = rt.serve([](const msg<test::Shape>& s) {
    return make<test::Shape>([&](auto out) {
      out.setName(std::string{"big "} + s->getName().cStr());
      auto corners = out.initCorners(s->getCorners().size());
      for (unsigned i = 0; i < corners.size(); ++i) {
        corners[i].setX(s->getCorners()[i].getX() * 2);
        corners[i].setY(s->getCorners()[i].getY() * 2);
      }
      out.setHoles(s->getHoles());
    });
  });
  for (const unsigned corners : {0U, 3U, 10'000U}) {
    const auto answer = worker.ask(shape("star", corners)).value();
    CHECK(answer->getName() == "big star");
    REQUIRE(answer->getCorners().size() == corners);
    for (unsigned i = 0; i < corners; ++i) REQUIRE(answer->getCorners()[i].getY() == -2 * int(i));
    CHECK(answer->getHoles()[0].getName() == "hole");
  }
  CHECK(worker.ask({}).value()->getName() == "big ");
  rt.stop(worker);
  oracle.check();
}

TEST_CASE("schema messages travel inside plain values, too", "[process][request][msg]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto worker = rt.serve(
      [](const std::vector<msg<test::Shape>>& all, std::uint64_t which) { return all.at(which); });
  const std::vector<msg<test::Shape>> shapes{shape("a", 1), shape("b", 2), {}};
  CHECK(worker.ask(shapes, 1).value()->getName() == "b");
  CHECK(worker.ask(shapes, 2).value()->getCorners().size() == 0);
  CHECK(outcome(worker.ask(shapes, 3)) == "exception");
  rt.stop(worker);
  oracle.check();
}

TEST_CASE("a capture is what capnp decode reads", "[process][request][capture]") {
  if (std::system("command -v capnp >/dev/null") != 0) {
    WARN("no capnp tool");
    std::puts("SKIPPED: no capnp tool");
    return;
  }
  char path[] = "/tmp/troupe-capture-XXXXXX";
  close(mkstemp(path));
  {
    const test::oracle oracle;
    auto& rt = test::runtime();
    const auto worker = rt.serve([](const msg<test::Shape>& s) { return s; });
    rt.capture(worker, path);
    REQUIRE(worker.ask(shape("star", 3)));
    REQUIRE(worker.tell(shape("moon", 1)));
    rt.stop(worker);
    oracle.check();
  }
  const std::string text =
      output_of(std::string{"capnp decode --short "} + TEST_ENVELOPE_SCHEMA + " Envelope <" + path);
  INFO(text);
  CHECK(test::contains(text, "kind = bind"));
  CHECK(test::contains(text, "kind = request"));
  CHECK(test::contains(text, "kind = tell"));
  std::remove(path);
}

TEST_CASE("an ask that a handler of the program ends by throwing leaves nothing behind",
          "[process][request]") {
  const test::oracle oracle;
  {
    test::gate gate;
    auto& rt = test::runtime();
    const auto worker = rt.serve([](int x, const std::string& place) {
      if (x == 1) test::pass(place);
      return x;
    });
    CHECK(worker.ask(0, gate.place()).value() == 0);
    const auto once = rt.every(1ms, [] { throw std::runtime_error{"of a timer"}; });
    CHECK_THROWS_AS(worker.ask(1, gate.place()), std::runtime_error);
    gate.open();
    CHECK(worker.ask(2, gate.place()).value() == 2);
    CHECK(worker.ask(3, gate.place()).value() == 3);
    CHECK_THROWS_AS(rt.every(0s, [] {}), std::invalid_argument);
    rt.stop(worker);
  }
  oracle.check();
}
