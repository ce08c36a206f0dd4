#include <support/catch.hpp>
#include <support/ledger.hpp>
#include <support/oracle.hpp>
#include <support/outcome.hpp>
#include <support/runtime.hpp>
#include <support/victim.hpp>

#include <caf/meta/type_name.hpp>

#include <unistd.h>

#include <filesystem>
#include <iostream>
#include <map>
#include <optional>
#include <set>

using namespace std::chrono_literals;
using troupe::exit_cause;

namespace {

enum class colour : std::uint8_t { red = 1, green = 2 };

struct place {
  double latitude = 0;
  std::string name;
  std::vector<colour> colours;
};

template <class Inspector>
auto inspect(Inspector& f, place& x) {
  return f(caf::meta::type_name("place"), x.latitude, x.name, x.colours);
}

int exit_with(int code) {
  return code;
}

/// Checks in the worker that each value is what the test sent.
int all_types(bool yes, char c, std::int8_t small, std::uint64_t large, double real, colour paint,
              const std::string& text, const std::vector<std::int32_t>& numbers,
              const std::vector<bool>& bits, const std::vector<std::string>& words,
              const std::map<std::string, int>& ages, const std::set<int>& few,
              const std::optional<std::string>& some, const std::optional<int>& none,
              const std::pair<int, std::string>& pair,
              const std::tuple<int, std::vector<double>>& tuple, const std::array<int, 3>& array,
              std::chrono::milliseconds pause, const std::filesystem::path& file,
              const place& here) {
  int wrong = 0;
  const auto expect = [&wrong](bool right) { wrong += right ? 0 : 1; };
  expect(yes && c == 'c' && small == -5 && large == ~std::uint64_t{0} && real == 0.1);
  expect(paint == colour::green && text == std::string("a\0b", 3));
  expect(numbers == std::vector<std::int32_t>{1, -2, 3});
  expect(bits == std::vector<bool>{true, false, true});
  expect(words == std::vector<std::string>{"", "zwei"});
  expect(ages == std::map<std::string, int>{{"a", 1}, {"b", 2}});
  expect(few == std::set<int>{3, 1, 2} && some == "some" && !none);
  expect(pair == std::pair<int, std::string>{1, "one"});
  expect(tuple == std::tuple<int, std::vector<double>>{2, {0.5, -0.5}});
  expect(array == std::array<int, 3>{7, 8, 9} && pause == 250ms && file == "/tmp/x y");
  expect(here.latitude == 52.5 && here.name == "Berlin" && here.colours.size() == 2);
  return wrong;
}

const test::victim_role passes_on{
    "stderr of a worker", [](troupe::runtime& rt, const std::string&) {
      rt.join(rt.spawn([] {
        std::cerr << "first line\n" << std::string(100'000, 'x') << "\nlast line without newline";
      }));
      return 3;
    }};

}  // namespace

TEST_CASE("a process ends with the number that its function returns", "[process][spawn]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  for (const int code : {0, 1, 42, 255}) {
    const auto report = rt.join(rt.spawn(exit_with, code));
    CHECK(report.cause == exit_cause::exited);
    CHECK(report.exit_code == code);
    CHECK(report.success() == (code == 0));
  }
  CHECK(rt.join(rt.spawn([] {})).success());
  CHECK(rt.join(rt.spawn([](const std::string& text) { std::cout << text; }, "")).success());
  oracle.check();
}

TEST_CASE("arguments of every supported type arrive as they were", "[process][spawn][codec]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto report = rt.join(rt.spawn(
      all_types, true, 'c', std::int8_t{-5}, ~std::uint64_t{0}, 0.1, colour::green,
      std::string("a\0b", 3), std::vector<std::int32_t>{1, -2, 3},
      std::vector<bool>{true, false, true}, std::vector<std::string>{"", "zwei"},
      std::map<std::string, int>{{"a", 1}, {"b", 2}}, std::set<int>{1, 2, 3},
      std::optional<std::string>{"some"}, std::optional<int>{},
      std::pair<int, std::string>{1, "one"}, std::tuple<int, std::vector<double>>{2, {0.5, -0.5}},
      std::array<int, 3>{7, 8, 9}, 250ms, std::filesystem::path{"/tmp/x y"},
      place{52.5, "Berlin", {colour::red, colour::green}}));
  INFO(report.sentence() << '\n' << report.stderr_tail);
  CHECK(report.exit_code == 0);
  oracle.check();
}

TEST_CASE("wait_all reports every spawned process in the order of its start", "[process][spawn]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  for (int code = 0; code < 20; ++code) rt.spawn(exit_with, code);
  const auto reports = rt.wait_all();
  REQUIRE(reports.size() == 20);
  for (int code = 0; code < 20; ++code)
    CHECK(reports[static_cast<std::size_t>(code)].exit_code == code);
  CHECK(rt.wait_all().empty());
  oracle.check();
}

TEST_CASE("what was joined is not waited for again", "[process][spawn]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto first = rt.spawn(exit_with, 1);
  rt.spawn(exit_with, 2);
  const auto third = rt.spawn(exit_with, 3);
  CHECK(rt.join(third, 10s)->exit_code == 3);
  CHECK(rt.join(first).exit_code == 1);
  CHECK(rt.join(first).exit_code == 1);
  const auto reports = rt.wait_all();
  REQUIRE(reports.size() == 1);
  CHECK(reports.front().exit_code == 2);
  oracle.check();
}

TEST_CASE("a join with a limit leaves the process alone", "[process][spawn]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto sleeper = rt.spawn([] {
    for (;;) pause();
  });
  CHECK_FALSE(rt.join(sleeper, 5ms).has_value());
  CHECK(sleeper.running());
  rt.kill(sleeper);
  CHECK(rt.join(sleeper).cause == exit_cause::killed);
  CHECK(rt.join(sleeper, 0ms).has_value());
  oracle.check();
}

TEST_CASE("a report names the process by what it was started with", "[process][spawn]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto p = rt.spawn({"counting sheep"}, exit_with, 3);
  const auto report = rt.join(p);
  CHECK(report.role == "counting sheep");
  CHECK(report.pid == p.pid());
  CHECK(test::contains(report.sentence(), "(counting sheep) ended with exit code 3"));
  oracle.check();
}

TEST_CASE("a report has what the process cost", "[process][spawn]") {
  const test::oracle oracle;
  const auto report = test::runtime().join(test::runtime().spawn([] {
    volatile std::uint64_t x = 0;
    for (const auto start = std::clock(); std::clock() - start < CLOCKS_PER_SEC / 20;) x = x + 1;
  }));
  CHECK(report.user_time + report.system_time >= 50ms);
  CHECK(report.max_rss_kib > 100);
  oracle.check();
}

TEST_CASE("a report keeps the last 16 KiB of stderr, cut at a line", "[process][spawn][stderr]") {
  const test::oracle oracle;
  const auto report = test::runtime().join(test::runtime().spawn([] {
    for (int i = 0; i < 5000; ++i) std::cerr << "line " << i << '\n';
    std::cerr << "the end";
  }));
  CHECK(report.stderr_tail.size() <= 16 * 1024);
  CHECK(report.stderr_tail.size() > 15 * 1024);
  CHECK(report.stderr_tail.rfind("line ", 0) == 0);
  CHECK(test::contains(report.stderr_tail, "line 4999\nthe end"));
  oracle.check();
}

TEST_CASE("stderr of a worker comes out of its parent line by line, whole",
          "[process][spawn][stderr]") {
  // Through a shell that turns its stderr into the stdout that the test reads.
  test::victim program{"stderr of a worker", {"", {"sh", "-c", "exec \"$0\" 2>&1"}, false}};
  CHECK(program.line() == "first line");
  CHECK(program.line() == std::string(65536, 'x'));  // a line is cut at 64 KiB
  CHECK(program.line() == std::string(100'000 - 65536, 'x'));
  CHECK(program.line() == "last line without newline");
  CHECK(program.line().empty());
  CHECK(WEXITSTATUS(program.status()) == 3);
}

TEST_CASE("many processes run at once", "[process][spawn]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto adder = [](int a, int b) { return a + b; };
  std::vector<decltype(rt.serve(adder))> all;
  for (int i = 0; i < 40; ++i) all.push_back(rt.serve(adder));
  std::vector<troupe::pending<int>> sums;
  for (int i = 0; i < 40; ++i) sums.push_back(all[static_cast<std::size_t>(i)].submit(i, 1));
  for (int i = 0; i < 40; ++i) CHECK(sums[static_cast<std::size_t>(i)].get().value() == i + 1);
  for (const auto& worker : all) CHECK(rt.stop(worker).success());
  oracle.check();
}

TEST_CASE("a timer runs while the program waits, until it is dropped", "[process][spawn][timer]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto sleeper = rt.spawn([] {
    for (;;) pause();
  });
  int ticks = 0;
  {
    const auto timer = rt.every(1ms, [&] {
      if (++ticks == 3) rt.kill(sleeper);
    });
    CHECK(rt.join(sleeper).cause == exit_cause::killed);
  }
  const int seen = ticks;
  CHECK(seen >= 3);
  const auto other = rt.spawn(exit_with, 0);
  rt.join(other);
  CHECK(ticks == seen);
  oracle.check();
}
