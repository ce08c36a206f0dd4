// Workers that write what no worker should: garbage, half messages, lies, too much.
#include <support/catch.hpp>
#include <support/forged.hpp>
#include <support/heap.hpp>
#include <support/oracle.hpp>
#include <support/outcome.hpp>
#include <support/processes.hpp>
#include <support/runtime.hpp>
#include <support/settings.hpp>

#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <numeric>

using namespace std::chrono_literals;
using test::first_request;
using test::outcome;
using troupe::exit_cause;
using Kind = troupe::wire::Envelope::Kind;

namespace {

std::uint64_t write_and_end(const std::string& bytes) {
  test::write_to_parent(bytes);
  _exit(0);
}

std::uint64_t write_and_wait(const std::string& bytes) {
  test::write_to_parent(bytes);
  for (;;) pause();
}

std::uint64_t write_and_answer(const std::string& bytes) {
  test::write_to_parent(bytes);
  return 1;
}

std::string random_bytes(std::size_t count) {
  std::string bytes(count, '\0');
  for (char& b : bytes) b = static_cast<char>(test::random()());
  return bytes;
}

std::string words(std::initializer_list<std::uint64_t> values) {
  std::string bytes;
  for (const std::uint64_t value : values)
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
  return bytes;
}

troupe::wire::frame_head::state head_of(const std::string& bytes) {
  return troupe::wire::read_frame_head(std::as_bytes(std::span{bytes}),
                                       troupe::wire::default_max_frame_bytes)
      .is;
}

}  // namespace

TEST_CASE("a worker that dies after any part of its answer has not answered", "[process][peer]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const std::string whole = test::answer_frame(first_request, std::uint64_t{42});
  for (std::size_t part = 0; part <= whole.size(); ++part) {
    const auto worker = rt.serve(write_and_end);
    const auto answer = worker.ask(whole.substr(0, part));
    INFO(part << " bytes of " << whole.size());
    if (part == whole.size()) {
      REQUIRE(answer.value() == 42);
    } else {
      REQUIRE(outcome(answer) == "worker_lost");
    }
    const auto report = rt.join(worker);
    REQUIRE(report.cause == exit_cause::exited);
    REQUIRE(report.exit_code == 0);
  }
  oracle.check();
}

TEST_CASE("random bytes cost the worker that wrote them and nothing else", "[process][peer]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto bystander = rt.serve([](int x) { return x; });
  for (int round = 0; round < test::times(150, 10'000); ++round) {
    auto bytes = random_bytes(8 + test::random_up_to(3000));
    // Every other one begins as a message of a likely size.
    if (round % 2 == 0)
      bytes.replace(0, 8, words({test::random_up_to(3) | test::random_up_to(300) << 32}));
    const bool hopeless = head_of(bytes) == troupe::wire::frame_head::state::bad_segments ||
                          head_of(bytes) == troupe::wire::frame_head::state::too_large;
    const auto worker = rt.serve(hopeless ? write_and_wait : write_and_end);
    const auto answer = worker.ask(bytes);
    const auto report = rt.join(worker);
    INFO(report.sentence());
    REQUIRE(outcome(answer) == "worker_lost");
    if (hopeless) REQUIRE(report.cause == exit_cause::bad_message);
    REQUIRE((report.cause == exit_cause::bad_message || report.cause == exit_cause::exited));
  }
  CHECK(bystander.ask(5).value() == 5);
  rt.stop(bystander);
  oracle.check();
}

TEST_CASE("garbage on the control socket costs the worker that wrote it", "[process][peer]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto worker = rt.serve([](const std::string& bytes) -> int {
    static_cast<void>(write(troupe::os::worker_fd::control, bytes.data(), bytes.size()));
    for (;;) pause();
  });
  const auto answer = worker.ask(words({~std::uint64_t{0}, 1, 2}));
  CHECK(outcome(answer) == "worker_lost");
  CHECK(rt.join(worker).cause == exit_cause::bad_message);
  oracle.check();
}

TEST_CASE("what a worker prints does not disturb its answers", "[process][peer]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto worker = rt.serve([](int n) {
    std::printf("printf %d\n", n);
    std::cout << "cout " << n << std::endl;
    std::cerr << "cerr " << n << std::endl;
    return n;
  });
  for (int n = 0; n < 100; ++n) REQUIRE(worker.ask(n).value() == n);
  const auto report = rt.stop(worker);
  CHECK(test::contains(report.stderr_tail, "cerr 99\n"));
  CHECK_FALSE(test::contains(report.stderr_tail, "printf"));
  oracle.check();
}

TEST_CASE("a mutated answer is an answer or an error, never more", "[process][peer]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const std::string whole = test::answer_frame(first_request, std::uint64_t{42});
  for (int round = 0; round < test::times(150, 10'000); ++round) {
    std::string bytes = whole;
    for (std::uint64_t flips = 1 + test::random_up_to(3); flips > 0; --flips)
      bytes[test::random_up_to(bytes.size() - 1)] ^= static_cast<char>(1U << test::random_up_to(7));
    const auto worker = rt.serve(write_and_end);
    auto answer = worker.submit(bytes);
    const auto report = rt.join(worker);
    INFO(report.sentence());
    REQUIRE(answer.ready());
    const auto got = outcome(answer.get());
    REQUIRE((got == "value" || got == "worker_lost" || got == "bad_message" || got == "exception" ||
             got == "not_started"));
    REQUIRE((report.cause == exit_cause::bad_message || report.cause == exit_cause::exited));
  }
  oracle.check();
}

TEST_CASE("messages of impossible shape end their writer with that reason", "[process][peer]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  // Word 0 is the segment table, word 1 the root pointer.
  const std::uint64_t one_segment = std::uint64_t{4} << 32;
  const auto pointer_struct = [](std::int32_t offset, std::uint16_t data, std::uint16_t pointers) {
    return static_cast<std::uint64_t>(static_cast<std::uint32_t>(offset) << 2) |
           std::uint64_t{data} << 32 | std::uint64_t{pointers} << 48;
  };
  // A root with one pointer section that points to itself: for ever deep.
  const std::string cyclic =
      words({one_segment, pointer_struct(0, 0, 1), pointer_struct(-1, 0, 1), 0, 0});
  // A root that lies outside.
  const std::string outside = words({one_segment, pointer_struct(1000, 4, 2), 0, 0, 0});
  // A far pointer to a segment that is not there.
  const std::string far = words({one_segment, 2 | std::uint64_t{77} << 32, 0, 0, 0});
  // A list that claims 512 Mi elements of no size (an amplifier).
  const std::string endless =
      words({one_segment, pointer_struct(0, 0, 1), 1 | std::uint64_t{0x1fffffffU} << 35, 0, 0});
  for (const auto& bytes : {cyclic, outside, far}) {
    const auto worker = rt.serve(write_and_wait);
    CHECK(outcome(worker.ask(bytes)) == "worker_lost");
    const auto report = rt.join(worker);
    INFO(report.sentence());
    CHECK(report.cause == exit_cause::bad_message);
    CHECK_FALSE(report.detail.empty());
  }
  const auto worker = rt.serve(write_and_end);
  CHECK(outcome(worker.ask(endless)) == "worker_lost");
  rt.join(worker);
  oracle.check();
}

TEST_CASE("a message that claims gigabytes is refused before anything is allocated",
          "[process][peer]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  std::string many_segments = words({std::uint64_t{510} | std::uint64_t{0xffffffffU} << 32});
  for (int i = 0; i < 255; ++i) many_segments += words({~std::uint64_t{0}});
  for (const auto& bytes : {words({~std::uint64_t{0}}), words({std::uint64_t{0xffffffffU} << 32}),
                            words({0xffffffffU}), many_segments}) {
    const auto worker = rt.serve(write_and_wait);
    auto answer = worker.submit(bytes);
    rt.flush();
    test::heap::reset();
    const std::size_t before = test::heap::now();
    const auto report = rt.join(worker);
    CHECK(test::heap::most() - before < 64 * 1024);
    CHECK(report.cause == exit_cause::bad_message);
    CHECK(outcome(answer.get()) == "worker_lost");
  }
  oracle.check();
}

TEST_CASE("an answer to a request that was never sent ends its writer", "[process][peer]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  for (const std::uint64_t number :
       {std::uint64_t{0}, first_request + 1, std::uint64_t{1} << 40, ~std::uint64_t{0}}) {
    const auto worker = rt.serve(write_and_wait);
    const auto answer = worker.ask(test::answer_frame(number, std::uint64_t{42}));
    const auto report = rt.join(worker);
    INFO(number << ": " << report.sentence());
    CHECK(outcome(answer) == "worker_lost");
    CHECK(report.cause == exit_cause::bad_message);
    CHECK(test::contains(report.detail, "never sent"));
  }
  oracle.check();
}

TEST_CASE("an answer to a message that is no request is dropped", "[process][peer]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto worker = rt.serve(write_and_answer);
  const auto forged = test::answer_frame(first_request - 1, std::uint64_t{42});
  for (int i = 0; i < 3; ++i) CHECK(worker.ask(forged).value() == 1);
  CHECK(rt.stop(worker).success());
  oracle.check();
}

TEST_CASE("a second answer to one request is dropped", "[process][peer]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto worker = rt.serve(write_and_answer);
  const auto forged = test::answer_frame(first_request, std::uint64_t{42});
  CHECK(worker.ask(forged + forged + forged).value() == 42);
  CHECK(worker.ask(forged).value() == 1);
  CHECK(rt.stop(worker).success());
  oracle.check();
}

TEST_CASE("answers in any order and any number reach each request once", "[process][peer]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  for (int round = 0; round < test::times(20, 500); ++round) {
    constexpr std::uint64_t requests = 40;
    std::vector<std::uint64_t> numbers;
    for (std::uint64_t i = 0; i < requests; ++i)
      for (std::uint64_t copies = 1 + test::random_up_to(2); copies > 0; --copies)
        numbers.push_back(first_request + i);
    std::shuffle(numbers.begin(), numbers.end(), test::random());
    std::string forged;
    for (const auto number : numbers) forged += test::answer_frame(number, number * 10);
    const auto worker = rt.serve(write_and_answer);
    std::vector<troupe::pending<std::uint64_t>> answers;
    answers.push_back(worker.submit(forged));
    for (std::uint64_t i = 1; i < requests; ++i) answers.push_back(worker.submit(""));
    for (std::uint64_t i = 0; i < requests; ++i)
      REQUIRE(answers[i].get().value() == (first_request + i) * 10);
    REQUIRE(rt.stop(worker).success());
  }
  oracle.check();
}

TEST_CASE("messages of kinds that no worker sends are dropped or end their writer",
          "[process][peer]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  for (const Kind kind :
       {Kind::REQUEST, Kind::TELL, Kind::BIND, Kind::UNBIND, Kind::HELLO, Kind::STOP, Kind::CANCEL,
        Kind::EXIT, Kind::DOWN, Kind::DESCRIPTORS, Kind::EXPECT, Kind{999}}) {
    const auto worker = rt.serve(write_and_end);
    const auto answer = worker.ask(test::frame_of(kind, first_request, std::uint64_t{42}));
    CHECK(outcome(answer) == "worker_lost");
    rt.join(worker);
  }
  oracle.check();
}

TEST_CASE("a flood of unwanted messages costs no memory and starves nobody", "[process][peer]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto bystander = rt.serve([](int x) { return x; });
  REQUIRE(bystander.ask(1).value() == 1);
  const auto worker = rt.serve([](std::uint64_t bytes) {
    const std::string forged = test::answer_frame(first_request, std::string(32 * 1024, 'x'));
    for (std::uint64_t written = 0; written < bytes; written += forged.size())
      test::write_to_parent(forged);
    return std::string{"done"};
  });
  const std::size_t before = test::resident_bytes();
  const std::uint64_t bytes = std::uint64_t{1} << (test::full() ? 33 : 28);
  auto first = worker.submit(bytes);
  auto last = worker.submit(0);
  int asked = 0;
  std::size_t most = 0;
  while (!last.ready()) {
    REQUIRE(bystander.ask(7).value() == 7);
    if (++asked % 64 == 0) most = std::max(most, test::resident_bytes());
  }
  most = std::max(most, test::resident_bytes());
  CHECK(first.get().value().size() == 32 * 1024);
  CHECK(last.get().value() == "done");
  CHECK(most < before + (std::size_t{32} << 20));
  CHECK(asked > 0);
  rt.stop(worker);
  rt.stop(bystander);
  oracle.check();
}

TEST_CASE("numbers of a peer in the shared page are never believed blindly", "[process][peer]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto vandal = [](std::uint64_t value) -> std::uint64_t {
    // Its own mapping of the page: found by its place, a shared mapping of a memfd.
    FILE* maps = std::fopen("/proc/self/maps", "r");
    char line[512];
    while (std::fgets(line, sizeof line, maps) != nullptr) {
      if (std::string_view{line}.find("memfd:troupe-link") == std::string_view::npos) continue;
      auto* page = reinterpret_cast<std::uint64_t*>(std::strtoull(line, nullptr, 16));
      for (std::size_t i = 4; i < 512; ++i) page[i] = value;
      break;
    }
    _exit(0);
  };
  for (const std::uint64_t value : {~std::uint64_t{0}, std::uint64_t{1} << 20,
                                    std::uint64_t{1} << 63, std::uint64_t{100}, std::uint64_t{0}}) {
    const auto worker = rt.serve(vandal);
    auto answer = worker.submit(value);
    auto behind = worker.submit(value);
    const auto report = rt.join(worker);
    INFO(report.sentence());
    CHECK(report.last_message <= first_request + 1);
    CHECK_FALSE(answer.get());
    CHECK_FALSE(behind.get());
  }
  oracle.check();
}
