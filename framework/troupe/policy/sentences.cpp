#include <troupe/policy/sentences.hpp>

#include <chrono>
#include <cstdio>

namespace troupe::policy {

std::string_view to_string(outcome o) {
  switch (o) {
    case outcome::ok:
      return "ok";
    case outcome::ignored:
      return "ignored";
    case outcome::already_started:
      return "already_started";
    case outcome::already_present:
      return "already_present";
    case outcome::not_found:
      return "not_found";
    case outcome::running:
      return "running";
    case outcome::restarting:
      return "restarting";
    case outcome::simple_one_for_one:
      return "simple_one_for_one";
    case outcome::max_children:
      return "max_children";
    case outcome::start_failed:
      return "start_failed";
    case outcome::terminated:
      return "terminated";
    case outcome::bad_spec:
      return "bad_spec";
    case outcome::not_running:
      return "not_running";
  }
  return "unknown";
}

std::string_view to_string(child_state s) {
  switch (s) {
    case child_state::down:
      return "down";
    case child_state::pending:
      return "pending";
    case child_state::starting:
      return "starting";
    case child_state::running:
      return "running";
    case child_state::stopping:
      return "stopping";
    case child_state::restarting:
      return "restarting";
  }
  return "unknown";
}

std::string_view to_string(end_reason r) {
  switch (r) {
    case end_reason::stopped:
      return "stopped";
    case end_reason::gave_up:
      return "gave_up";
    case end_reason::escalated:
      return "escalated";
    case end_reason::auto_shutdown:
      return "auto_shutdown";
    case end_reason::start_failed:
      return "start_failed";
  }
  return "unknown";
}

std::string_view to_string(report::event e) {
  switch (e) {
    case report::event::started:
      return "started";
    case report::event::ready:
      return "ready";
    case report::event::ignored:
      return "ignored";
    case report::event::exited:
      return "exited";
    case report::event::stopped:
      return "stopped";
    case report::event::start_failed:
      return "start_failed";
    case report::event::restarting:
      return "restarting";
    case report::event::gave_up:
      return "gave_up";
    case report::event::not_restarted:
      return "not_restarted";
  }
  return "unknown";
}

std::string phrase(const ending& how) {
  const std::string memory = how.out_of_memory ? ", out of memory" : "";
  switch (how.how) {
    case ending::kind::exited:
      return "ended with exit code " + std::to_string(how.value) + memory;
    case ending::kind::signaled:
      return "was killed by signal " + std::to_string(how.value) + memory;
    case ending::kind::shutdown:
      return "was shut down";
    case ending::kind::watchdog:
      return "was killed because it was at one message for too long";
    case ending::kind::start_failed:
      return "could not be started, or was not ready in time" + memory;
    case ending::kind::faulty:
      return "was killed for what it sent";
  }
  return "ended";
}

std::string sentence(const answer& a, std::string_view call, std::string_view child) {
  const std::string subject = std::string{call} + ": child '" + std::string{child} + "' ";
  switch (a.result) {
    case outcome::ok:
      return subject + "is all right.";
    case outcome::ignored:
      return subject + "chose not to run.";
    case outcome::already_started:
      return subject + "runs already, or is being started; give another id, or terminate it first.";
    case outcome::already_present:
      return subject + "is there already, but not running; call restart_child, or delete it first.";
    case outcome::not_found:
      return subject + "does not exist here, or no more; which_children lists those that do.";
    case outcome::running:
      return subject + "is running; terminate it first.";
    case outcome::restarting:
      return subject + "is about to be restarted; terminate it first, or wait.";
    case outcome::simple_one_for_one:
      return subject +
             "belongs to a dynamic supervisor, whose children can only be started, and "
             "terminated by what start_child returned.";
    case outcome::max_children:
      return std::string{call} +
             ": the supervisor has as many children as max_children allows; "
             "terminate one, or raise it.";
    case outcome::start_failed:
      return subject + "failed to start: it " + phrase(a.how) + "; see its last output.";
    case outcome::terminated:
      return subject + "was terminated before it was ready.";
    case outcome::bad_spec: {
      std::string all = std::string{call} + ": the spec is faulty.";
      for (const auto& f : a.faults) all += " " + f.sentence + ".";
      return all;
    }
    case outcome::not_running:
      return std::string{call} +
             ": the supervisor has not been started, or is ending; ask its "
             "parent for the next one.";
  }
  return {};
}

std::string sentence(const finish& f, const supervisor_spec& flags, std::string_view child) {
  const std::string name = "child '" + std::string{child} + "' ";
  switch (f.reason) {
    case end_reason::stopped:
      return "The supervisor was stopped.";
    case end_reason::gave_up: {
      char period[32];
      std::snprintf(period, sizeof period, "%g",
                    std::chrono::duration<double>(flags.period).count());
      return "The supervisor gave up after more than " + std::to_string(flags.intensity) +
             " restarts in " + period + " s; at last " + name + phrase(f.how) + ".";
    }
    case end_reason::escalated:
      return "The supervisor gave up, because " + name + phrase(f.how) + " and a rule says so.";
    case end_reason::auto_shutdown:
      return "The supervisor ended, because " + name + "is significant and " + phrase(f.how) + ".";
    case end_reason::start_failed:
      return "The supervisor did not start, because " + name + phrase(f.how) + ".";
  }
  return {};
}

}  // namespace troupe::policy
