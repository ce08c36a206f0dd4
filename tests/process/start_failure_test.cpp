#include <support/catch.hpp>
#include <support/folder.hpp>
#include <support/ledger.hpp>
#include <support/oracle.hpp>
#include <support/outcome.hpp>
#include <support/processes.hpp>
#include <support/runtime.hpp>
#include <support/settings.hpp>
#include <support/victim.hpp>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <iostream>
#include <stdexcept>
#include <vector>

using namespace std::chrono_literals;
using test::folder;
using test::outcome;
using troupe::exit_cause;

namespace {

/// Starts it and checks that this fails; the sentence of the failure.
std::string failure_of(const troupe::executable& what) {
  auto& rt = test::runtime();
  const auto worker = rt.serve<std::int64_t(std::int64_t)>(what);
  const auto answer = worker.ask(1);
  CHECK(outcome(answer) == "start_failed");
  CHECK(outcome(worker.ask(1)) == "stopped");
  const auto report = rt.join(worker);
  CHECK(report.cause == exit_cause::start_failed);
  const std::string text = rt.describe(answer.error());
  INFO(text);
  CHECK(test::contains(text, what.path));
  CHECK(test::contains(text, "not begun"));
  return text;
}

int stops_zygote(troupe::runtime& rt, const std::string&) {
  const auto worker = rt.serve([](int x) { return x; });
  const int one = worker.ask(1).value();
  for (const int zygote : test::children_named("troupe-zygote"))
    test::kill_process(zygote, SIGSTOP);
  std::cout << "returns" << std::endl;
  return one - 1;
}
const test::victim_role stopped_zygote{"root with a stopped zygote", stops_zygote};

}  // namespace

TEST_CASE("an executable that can't be executed is a start failure with the system's reason",
          "[process][start]") {
  const test::oracle oracle;
  const folder here;
  struct row {
    std::string path;
    int error;
  };
  for (const row& r : {row{"/nowhere/worker", ENOENT},
                       row{here.file("data", "#!/bin/true\n", 0600), EACCES}, row{"/tmp", EACCES},
                       row{here.file("garbage",
                                     "\x7f"
                                     "ELF and no more",
                                     0700),
                           ENOEXEC},
                       row{here.file("bad_interpreter", "#!/nowhere/sh\n", 0700), ENOENT},
                       row{here.file("empty", "", 0700), ENOEXEC}}) {
    const std::string text = failure_of({r.path});
    INFO(text);
    CHECK(test::contains(text, std::strerror(r.error)));
  }
  oracle.check();
}

TEST_CASE("an executable that ends before its hello is a start failure with its status",
          "[process][start]") {
  const test::oracle oracle;
  CHECK(test::contains(failure_of({"/bin/true"}), "before it said hello, with exit code 0"));
  CHECK(test::contains(failure_of({"/bin/false"}), "before it said hello, with exit code 1"));
  CHECK(test::contains(failure_of({"/bin/sh", {"-c", "kill -9 $$"}}), "killed by SIGKILL"));
  oracle.check();
}

TEST_CASE("a worker of another protocol version is a start failure that names both",
          "[process][start]") {
  const test::oracle oracle;
  const std::string text = failure_of({TEST_FOREIGN_WORKER, {"7"}});
  INFO(text);
  CHECK(test::contains(text, "version 7"));
  CHECK(test::contains(text, "version 1"));
  oracle.check();
}

TEST_CASE("a worker written against the schema alone serves", "[process][start]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto worker = rt.serve<std::string(std::string)>({TEST_FOREIGN_WORKER, {"1"}});
  CHECK(worker.ask("hello").value() == "hello");
  CHECK(worker.ask(std::string(500'000, 'x')).value().size() == 500'000);
  CHECK(rt.stop(worker).success());
  oracle.check();
}

TEST_CASE("a worker that never says hello can be stopped", "[process][start]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto worker = rt.serve<int(int)>({TEST_FOREIGN_WORKER, {"silent"}});
  auto answer = worker.submit(1);
  CHECK_FALSE(rt.join(worker, 20ms).has_value());
  rt.stop(worker, 100ms);
  CHECK_FALSE(answer.get());
  oracle.check();
}

TEST_CASE("a zygote that is killed while idle is replaced, and workers live on",
          "[process][start][zygote]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto before = rt.serve([](int x) { return x; });
  REQUIRE(before.ask(1).value() == 1);
  const auto zygotes = test::children_named("troupe-zygote");
  REQUIRE(zygotes.size() == 1);
  REQUIRE(test::kill_process(zygotes.front()));
  CHECK(before.ask(2).value() == 2);
  for (int i = 0; i < 3; ++i) CHECK(rt.join(rt.spawn([] { return 3; })).exit_code == 3);
  CHECK(before.ask(3).value() == 3);
  CHECK(test::children_named("troupe-zygote") != zygotes);
  rt.stop(before);
  oracle.check();
}

TEST_CASE("a zygote that is killed while nothing starts costs no process of the program's own code",
          "[process][start][zygote]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto with_own_child = [](troupe::runtime& inner) {
    const int own = fork();
    if (own == 0) {
      setpgid(0, 0);
      execlp("sleep", "sleep", "1000", nullptr);
      _exit(1);
    }
    const auto below = inner.serve([](int x) { return x; });
    int sum = below.ask(1).value();
    for (const int zygote : test::children_named("troupe-zygote")) test::kill_process(zygote);
    sum += inner.serve([](int x) { return x; }).ask(10).value();  // by the next one
    int status = 0;
    sum += waitpid(own, &status, WNOHANG) == 0 ? 100 : 0;  // it lives
    kill(own, SIGKILL);
    sum += waitpid(own, &status, 0) == own ? 1000 : 0;
    return sum;
  };
  const auto worker = rt.serve(with_own_child);
  CHECK(worker.ask().value() == 1111);
  rt.stop(worker);
  oracle.check();
}

TEST_CASE("a root whose zygote is stopped ends all the same", "[process][root][zygote]") {
  test::victim root{"root with a stopped zygote"};
  CHECK(root.line() == "returns");
  CHECK(root.status() == 0);
  CHECK(root.nothing_left(1s));
}

TEST_CASE("what was sent to a process that a killed zygote never made reaches the next",
          "[process][start][zygote]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto size_of = [](const std::string& place, const std::string& text) {
    test::note(place, text.size());
    return text.size();
  };
  for (int round = 0; round < test::times(3, 50); ++round) {
    const test::ledger ledger;
    const auto zygotes = test::children_named("troupe-zygote");
    REQUIRE(zygotes.size() == 1);
    REQUIRE(test::kill_process(zygotes.front(), SIGSTOP));
    const auto worker = rt.serve(size_of);
    std::vector<troupe::pending<std::size_t>> answers;
    const std::vector<std::size_t> sizes{1, 100'000, 2, 200'000, 3};  // more than a pipe holds
    for (const auto size : sizes)
      answers.push_back(worker.submit(ledger.place(), std::string(size, 'x')));
    REQUIRE_FALSE(rt.join(worker, 0ms).has_value());  // a turn of the loop
    CHECK(ledger.notes().empty());
    REQUIRE(test::kill_process(zygotes.front()));
    for (std::size_t i = 0; i < sizes.size(); ++i) CHECK(answers[i].get().value() == sizes[i]);
    for (const auto size : sizes) CHECK(ledger.notes().at(size) == 1);
    rt.stop(worker);
  }
  oracle.check();
}

TEST_CASE("a zygote that is killed while it starts workers loses none",
          "[process][start][zygote]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto work = [](const std::string& ledger, std::uint64_t x) {
    test::note(ledger, x);
    return x;
  };
  for (int round = 0; round < test::times(10, 200); ++round) {
    const test::ledger ledger;
    const auto zygotes = test::children_named("troupe-zygote");  // later a worker may look like one
    std::vector<decltype(rt.serve(work))> workers;
    std::vector<troupe::pending<std::uint64_t>> answers;
    for (std::uint64_t i = 0; i < 10; ++i) {
      workers.push_back(rt.serve(work));
      answers.push_back(workers.back().submit(ledger.place(), i));
    }
    for (int turns = 0; turns < round % 4; ++turns) static_cast<void>(rt.join(workers.back(), 0ms));
    for (const int pid : zygotes) test::kill_process(pid);
    for (std::uint64_t i = 0; i < 10; ++i) {
      const auto answer = answers[i].get();
      INFO("round " << round << ": " << rt.describe(answer.error()));
      REQUIRE(answer);  // one that had begun before its pid was known is found by its hello
      REQUIRE(*answer == i);
      REQUIRE(ledger.notes().at(i) == 1);
    }
    for (const auto& worker : workers) rt.stop(worker);
  }
  oracle.check();
}

TEST_CASE("without a free descriptor a start is refused in a sentence, and the next one works",
          "[process][start]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto plus_one = [](int x) { return x + 1; };
  const auto before = rt.serve(plus_one);
  CHECK(before.ask(1).value() == 2);
  rlimit usual{};
  getrlimit(RLIMIT_NOFILE, &usual);
  const rlimit none{3, usual.rlim_max};
  REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
  std::string why;
  std::vector<std::string> asked;
  for (int i = 0; i < 3 && why.empty(); ++i) {
    try {
      const auto worker = rt.serve(plus_one);  // a channel may have been opened ahead
      asked.push_back(outcome(worker.ask(1)));
    } catch (const std::runtime_error& e) {
      why = e.what();
    }
  }
  setrlimit(RLIMIT_NOFILE, &usual);
  // It may have begun before this process found that it can't watch it.
  for (const auto& text : asked) CHECK((text == "start_failed" || text == "worker_lost"));
  INFO(why);
  CHECK(test::contains(why, "a process for function can't be started"));
  CHECK(test::contains(why, std::strerror(EMFILE)));
  CHECK(test::contains(why, "troupe doctor"));
  CHECK_FALSE(test::contains(why, "stack:"));
  CHECK(before.ask(2).value() == 3);
  const auto after = rt.serve(plus_one);
  CHECK(after.ask(3).value() == 4);
  rt.stop(before);
  rt.stop(after);
  oracle.check();
}
