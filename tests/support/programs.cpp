#include <support/programs.hpp>
#include <support/supervised.hpp>

#include <stdexcept>
#include <utility>

namespace test {

using namespace std::chrono_literals;

troupe::program_spec shell(std::string script) {
  return {.argv = {"/bin/sh", "-c", std::move(script)}};
}

troupe::child_spec child(std::shared_ptr<const troupe::child_start> start,
                         troupe::restart_type restart) {
  return {.id = "p",
          .start = std::move(start),
          .restart = restart,
          .start_timeout = 100s};  // the machine may be busy
}

troupe::supervisor_spec only(troupe::child_spec one) {
  troupe::supervisor_spec spec;
  spec.intensity = 3;
  spec.children.push_back(std::move(one));
  return spec;
}

troupe::program_line next_line() {
  troupe::program_line got;
  runtime().self()->receive([&](const troupe::program_line& line) { got = line; });
  return got;
}

std::vector<std::string> next_lines(std::size_t count) {
  std::vector<std::string> all;
  while (all.size() < count) all.push_back(next_line().text);
  return all;
}

outcome_of_program run_to_end(troupe::program_spec program, troupe::process_limits limits) {
  event_log events;
  auto spec = child(troupe::execute(std::move(program), me()));
  spec.limits = std::move(limits);
  auto sup = runtime().supervise(only(spec));
  outcome_of_program got;
  got.report = events.wait_for(troupe::lifecycle_event::kind::exited, "p").report;
  bool more = true;
  while (more)
    runtime().self()->receive(
        [&](const troupe::program_line& line) { got.printed.push_back(line.text); },
        caf::after(0s) >> [&] { more = false; });
  sup.stop();
  return got;
}

std::string failure_of(troupe::program_spec program, troupe::process_limits limits) {
  auto spec = child(troupe::execute(std::move(program)));
  spec.limits = std::move(limits);
  try {
    runtime().supervise(only(spec)).stop();
  } catch (const troupe::failure& e) {
    CHECK(troupe::errc_of(e.error()) == troupe::errc::start_failed);
    return troupe::sentence_of(e.error());
  }
  return "it was started";
}

std::string fault_of(const troupe::child_spec& spec) {
  try {
    runtime().supervise(only(spec)).stop();
  } catch (const std::invalid_argument& e) {
    return e.what();
  }
  return "no fault";
}

}  // namespace test
