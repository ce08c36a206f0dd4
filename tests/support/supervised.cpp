#include <support/processes.hpp>
#include <support/supervised.hpp>

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <numeric>
#include <stdexcept>

namespace test {

event_log::event_log() {
  runtime().watch([this](const event& what) {
    all_.push_back(what);
    if (std::exchange(waits_, false)) runtime().self()->send(runtime().self(), caf::tick_atom_v);
  });
}

event_log::~event_log() {
  runtime().watch({});
}

troupe::lifecycle_event event_log::next() {
  while (taken_ == all_.size()) {
    waits_ = true;
    runtime().self()->receive([](caf::tick_atom) {});
  }
  return all_[taken_++];
}

troupe::lifecycle_event event_log::wait_for(kind what, const std::string& path) {
  for (;;) {
    event got = next();
    if (got.what == what && got.path == path) return got;
  }
}

void event_log::wait_for_restart(const std::string& path) {
  wait_for_restart(path, path);
}

void event_log::wait_for_restart(const std::string& path, const std::string& last) {
  wait_for(kind::exited, path);
  wait_for(kind::ready, last);
}

std::vector<std::string> event_log::lines() const {
  std::vector<std::string> text;
  for (const auto& e : all_) text.push_back(e.path + ' ' + std::string{to_string(e.what)});
  return text;
}

troupe::lifecycle_event event_log::end_of(const std::string& path) const {
  event last;
  for (const auto& e : all_)
    if (e.report != nullptr && e.path == path) last = e;
  REQUIRE(last.report != nullptr);
  return last;
}

void hurt_process(const std::string& way) {
  if (way.rfind("exit ", 0) == 0) _exit(std::stoi(way.substr(5)));
  if (way == "abort") std::abort();
  if (way == "segv") raise(SIGSEGV);
  if (way == "kill") raise(SIGKILL);
  if (way == "terminate") std::terminate();
  if (way == "throw") throw std::runtime_error{"hurt"};
}

caf::behavior patient(caf::event_based_actor* self) {
  return {
      [](int x) { return x; },
      [](caf::get_atom) -> int { return getpid(); },
      [self](const std::string& way) {
        if (way == "quit") self->quit();
        if (way == "quit with an error") self->quit(caf::sec::runtime_error);
        if (way == "quit as asked") self->quit(caf::exit_reason::user_shutdown);
        if (way == "hang")
          for (;;) pause();
        hurt_process(way);
      },
  };
}

caf::behavior orderly(caf::event_based_actor* self, const std::string& place, int number,
                      int delay) {
  note(place, static_cast<std::uint64_t>(number));
  self->attach_functor([=](const caf::error&) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds{delay};
    while (std::chrono::steady_clock::now() < until) usleep(1000);
    note(place, 100 + static_cast<std::uint64_t>(number));
  });
  return patient(self);
}

troupe::child_spec orderly_spec(const ledger& notes, int number, int delay) {
  troupe::child_spec spec;
  spec.id = std::to_string(number);
  spec.start_timeout = troupe::no_limit;
  spec.start = troupe::run(orderly, notes.place(), number, delay);
  return spec;
}

caf::behavior failing(caf::event_based_actor* self, const std::string& place, int number,
                      const std::vector<std::int32_t>& failing_lives) {
  note(place, static_cast<std::uint64_t>(number));
  const auto notes = notes_at(place);
  const auto life = std::count(notes.begin(), notes.end(), static_cast<std::uint64_t>(number));
  if (std::find(failing_lives.begin(), failing_lives.end(), life) != failing_lives.end()) _exit(1);
  return patient(self);
}

troupe::child_spec failing_spec(const ledger& notes, int number,
                                std::vector<std::int32_t> failing_lives) {
  troupe::child_spec spec;
  spec.id = std::to_string(number);
  spec.start_timeout = troupe::no_limit;
  spec.start = troupe::run(failing, notes.place(), number, std::move(failing_lives));
  return spec;
}

std::vector<std::int32_t> all_but_the_first() {
  std::vector<std::int32_t> all(100);
  std::iota(all.begin(), all.end(), 2);
  return all;
}

caf::behavior stubborn(caf::event_based_actor* self, caf::actor report) {
  signal(SIGTERM, SIG_IGN);
  return {[=](const std::string&) {
    self->send(report, caf::put_atom_v);
    for (;;) pause();
  }};
}

void hang(const caf::actor& child) {
  runtime().self()->send(child, "hang");
  runtime().self()->receive([](caf::put_atom) {});
}

caf::actor me() {
  return caf::actor_cast<caf::actor>(runtime().self());
}

counts count(const troupe::supervisor& of) {
  const auto c = of.count_children();
  return {c.specs, c.active, c.supervisors, c.workers};
}

std::string states(const troupe::supervisor& of) {
  std::string text;
  for (const auto& c : of.which_children())
    text += (text.empty() ? "" : ", ") + c.id + ' ' + std::string{to_string(c.now)};
  return text;
}

std::vector<int> pids(const troupe::supervisor& of) {
  std::vector<int> all;
  for (const auto& c : of.which_children()) all.push_back(c.pid.value_or(-1));
  return all;
}

std::vector<bool> changed(const std::vector<int>& before, const troupe::supervisor& now) {
  std::vector<bool> which;
  const auto after = pids(now);
  REQUIRE(after.size() == before.size());
  for (std::size_t i = 0; i < after.size(); ++i) which.push_back(after[i] != before[i]);
  return which;
}

void kill_child(const troupe::supervisor& of, const std::string& id) {
  kill_process(*of.which_child(id)->pid);
}

troupe::child_spec patient_spec(std::string id, troupe::restart_type restart) {
  troupe::child_spec spec;
  spec.id = std::move(id);
  spec.start = troupe::run(patient);
  spec.restart = restart;
  spec.start_timeout = troupe::no_limit;  // the machine may be busy
  return spec;
}

troupe::supervisor_spec three(troupe::restart_strategy strategy) {
  troupe::supervisor_spec spec;
  spec.strategy = strategy;
  spec.children = {patient_spec("a"), patient_spec("b"), patient_spec("c")};
  return spec;
}

troupe::supervisor_spec dynamic(troupe::restart_type restart) {
  troupe::supervisor_spec spec;
  spec.strategy = troupe::restart_strategy::dynamic;
  spec.children = {patient_spec("worker", restart)};
  return spec;
}

troupe::child_spec nested(std::string id, troupe::supervisor_spec below) {
  troupe::child_spec spec;
  spec.id = std::move(id);
  spec.start = troupe::supervise(std::move(below));
  return spec;
}

}  // namespace test
