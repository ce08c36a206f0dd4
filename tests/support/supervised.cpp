#include <support/supervised.hpp>

#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <exception>
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

std::vector<std::string> event_log::lines() const {
  std::vector<std::string> text;
  for (const auto& e : all_) text.push_back(e.path + ' ' + std::string{to_string(e.what)});
  return text;
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

std::string states(const troupe::supervisor& of) {
  std::string text;
  for (const auto& c : of.which_children())
    text += (text.empty() ? "" : ", ") + c.id + ' ' + std::string{to_string(c.now)};
  return text;
}

std::vector<int> pids(const troupe::supervisor& of) {
  std::vector<int> all;
  for (const auto& c : of.which_children()) all.push_back(c.pid);
  return all;
}

troupe::child_spec patient_spec(std::string id, troupe::restart_type restart) {
  troupe::child_spec spec;
  spec.id = std::move(id);
  spec.start = troupe::run(patient);
  spec.restart = restart;
  spec.start_timeout = {};  // the machine may be busy
  return spec;
}

}  // namespace test
