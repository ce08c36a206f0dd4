#include <support/catch.hpp>
#include <support/outcome.hpp>

#include <caf/atom.hpp>
#include <caf/exit_reason.hpp>
#include <caf/sec.hpp>
#include <caf/unit.hpp>
#include <troupe/error.hpp>
#include <troupe/exit_report.hpp>
#include <troupe/result.hpp>

#include <csignal>

using namespace std::chrono_literals;
using troupe::errc;
using troupe::errc_of;
using troupe::exit_cause;
using troupe::exit_report;
using troupe::make_error;
using troupe::result;

TEST_CASE("a result is a value or an error", "[result]") {
  const result<int> value = 5;
  CHECK(value.has_value());
  CHECK(static_cast<bool>(value));
  CHECK(*value == 5);
  CHECK(value.value_or(1) == 5);
  CHECK_FALSE(value.error());

  const result<int> error = errc::worker_lost;
  CHECK_FALSE(error.has_value());
  CHECK(error.error() == errc::worker_lost);
  CHECK(error.value_or(1) == 1);
}

TEST_CASE("the value of an error throws its sentence", "[result]") {
  const result<std::string> error = make_error(errc::exception, "no more paper");
  try {
    static_cast<void>(error.value());
    FAIL("no exception");
  } catch (const troupe::failure& failure) {
    CHECK(std::string{failure.what()} == "exception: no more paper");
    CHECK(failure.error() == errc::exception);
  }
  CHECK_THROWS_AS(*error, troupe::failure);
  CHECK_THROWS_AS(error->size(), troupe::failure);
}

TEST_CASE("a result is moved out of", "[result]") {
  result<std::unique_ptr<int>> pointer = std::make_unique<int>(3);
  const std::unique_ptr<int> taken = std::move(pointer).value();
  CHECK(*taken == 3);
}

TEST_CASE("results convert from and to caf::expected", "[result]") {
  const caf::expected<int> value = result<int>{4};
  REQUIRE(value);
  CHECK(*value == 4);
  const caf::expected<int> error = result<int>{errc::stopped};
  REQUIRE_FALSE(error);
  CHECK(error.error() == errc::stopped);
  CHECK(result<int>{caf::expected<int>{6}}.value() == 6);
  CHECK(result<int>{caf::expected<int>{caf::sec::request_timeout}}.error() ==
        caf::sec::request_timeout);
}

TEST_CASE("a result without a value converts, too", "[result]") {
  const result<void> done;
  CHECK(done);
  CHECK_NOTHROW(done.value());
  const result<void> failed = errc::too_large;
  CHECK_FALSE(failed);
  CHECK_THROWS_AS(failed.value(), troupe::failure);
  const caf::expected<void> as_expected = failed;
  CHECK_FALSE(as_expected);
  CHECK(result<void>{caf::expected<void>{caf::unit}}.has_value());
  CHECK(result<void>{as_expected}.error() == errc::too_large);
}

TEST_CASE("an error is described by its name and its sentence", "[error]") {
  CHECK(troupe::describe({}) == "no error");
  for (int code = 1; code <= static_cast<int>(errc::exception); ++code) {
    const auto is = static_cast<errc>(code);
    CHECK(troupe::describe(make_error(is)) == to_string(is));
    CHECK(troupe::describe(make_error(is, "why")) == std::string{to_string(is)} + ": why");
    CHECK(to_string(is) != "unknown");
  }
  CHECK(troupe::describe(caf::make_error(caf::sec::request_timeout, "late")) ==
        "request_timeout: late");
  CHECK(troupe::describe(caf::sec::unexpected_message) == "unexpected_message");
  CHECK(test::contains(troupe::describe(caf::error{3, caf::atom("other")}), "other"));
}

TEST_CASE("errors of CAF have the code that says most of them", "[error]") {
  CHECK(errc_of(troupe::make_error(errc::worker_lost)) == errc::worker_lost);
  CHECK(errc_of(caf::sec::request_receiver_down) == errc::stopped);
  CHECK(errc_of(caf::exit_reason::user_shutdown) == errc::stopped);
  CHECK(errc_of(caf::sec::unexpected_message) == errc::unknown_message);
  // What follows may have happened: nobody must take it for safe to repeat.
  CHECK(errc_of(caf::sec::request_timeout) == errc::unanswered);
  CHECK(errc_of(caf::sec::runtime_error) == errc::exception);
  CHECK(errc_of(caf::error{1, caf::atom("own")}) == errc::exception);
}

TEST_CASE("an error whose sentence begins with its name says it once", "[error]") {
  const auto error = troupe::make_error(troupe::errc::start_failed, "start_failed: no such luck");
  CHECK(troupe::describe(error) == "start_failed: no such luck");
}

TEST_CASE("an error carries the report of the process that ended", "[error]") {
  auto report = std::make_shared<exit_report>();
  report->pid = 42;
  const caf::error error = make_error(errc::worker_lost, "text", report);
  REQUIRE(troupe::report_of(error) != nullptr);
  CHECK(troupe::report_of(error)->pid == 42);
  const caf::error copy = error;
  CHECK(troupe::report_of(copy) == troupe::report_of(error));
  CHECK(troupe::report_of({}) == nullptr);
  CHECK(troupe::report_of(make_error(errc::worker_lost)) == nullptr);
  CHECK(troupe::report_of(make_error(errc::worker_lost, "text")) == nullptr);
  CHECK(troupe::report_of(caf::sec::request_timeout) == nullptr);
}

TEST_CASE("a report is one sentence", "[report]") {
  exit_report r;
  r.pid = 7;
  r.role = "adder";
  const auto with = [&r](exit_cause cause, std::optional<int> code, std::optional<int> signal) {
    r.cause = cause;
    r.exit_code = code;
    r.signal = signal;
    return r.sentence();
  };
  CHECK(with(exit_cause::exited, 3, {}) == "process 7 (adder) ended with exit code 3");
  CHECK(with(exit_cause::signaled, {}, SIGSEGV) == "process 7 (adder) was killed by SIGSEGV");
  CHECK(with(exit_cause::killed, {}, SIGKILL) ==
        "process 7 (adder) was killed by this program with SIGKILL");
  CHECK(test::contains(with(exit_cause::out_of_memory, {}, SIGKILL), "limits.memory_bytes"));
  CHECK(with(exit_cause::stopped, {}, SIGTERM) == "process 7 (adder) was stopped with SIGTERM");
  CHECK(with(exit_cause::stopped, 0, {}) == "process 7 (adder) was stopped");
  CHECK(test::contains(with(exit_cause::bad_message, {}, SIGKILL), "malformed message"));
  CHECK(test::contains(with(exit_cause::closed_channel, {}, SIGKILL), "closed its mailbox"));
  CHECK(test::contains(with(exit_cause::unknown, {}, {}), "taken by somebody else"));
  r.detail = "no such file";
  CHECK(with(exit_cause::start_failed, {}, {}) == "process 7 (adder) did not start: no such file");
  r.detail.clear();
  r.core_dumped = true;
  CHECK(test::contains(with(exit_cause::signaled, {}, SIGABRT), "SIGABRT, core dumped"));
  r.core_dumped = false;
  r.maybe_out_of_memory = true;
  CHECK(test::contains(with(exit_cause::signaled, {}, SIGKILL), "out of memory"));
  r.in_progress = true;
  r.last_message = 12;
  CHECK(test::contains(r.sentence(), "while it worked on message 12"));
  r.pid = -1;
  CHECK(r.sentence().rfind("process (adder)", 0) == 0);
  CHECK(test::contains(with(exit_cause::signaled, {}, 63), "63"));
}

TEST_CASE("a report of a failure ends with the last line on stderr", "[report]") {
  troupe::exit_report r;
  r.pid = 7;
  r.cause = exit_cause::exited;
  r.exit_code = 3;
  r.stderr_tail = "starting\nno \x1b[31msuch\x07 file\n";
  CHECK(r.sentence() ==
        "process 7 ended with exit code 3; its last line on stderr: no [31msuch file");
  r.stderr_tail = std::string(300, 'x');
  CHECK(r.sentence().ends_with(std::string(200, 'x') + "..."));
  r.stderr_tail = "\n\n";
  CHECK(r.sentence() == "process 7 ended with exit code 3");
  r.stderr_tail = "all is well\n";
  r.exit_code = 0;
  CHECK(r.sentence() == "process 7 ended with exit code 0");
}

TEST_CASE("only exit code 0 is a success", "[report]") {
  exit_report r;
  CHECK_FALSE(r.success());
  r.exit_code = 1;
  CHECK_FALSE(r.success());
  r.exit_code = 0;
  CHECK(r.success());
}
