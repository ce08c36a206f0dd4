// Commands that change something: stop, restart.
#include <algorithm>
#include <csignal>
#include <iostream>

#include <kj/exception.h>

#include "commands.hpp"
#include "programs.hpp"
#include "troupe/os/child.hpp"
#include "view.hpp"

namespace troupe::tool {

namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

constexpr auto returns_within = 1s;  // `run`, once all of its processes have ended
constexpr auto killed_within = 5s;

std::chrono::milliseconds until(clock::time_point when) {
  return std::max(0ms, std::chrono::ceil<std::chrono::milliseconds>(when - clock::now()));
}

/// The end of a program, by degrees: told so through its socket, then SIGTERM, then SIGKILL.
class ending {
public:
  ending(found_program& of, std::chrono::milliseconds within)
      : program_(of),
        pid_(of.talk.peer_pid()),
        begun_(clock::now()),
        terminate_at_(begun_ + within * 4 / 5),
        kill_at_(begun_ + within) {
    if (pid_ > 1) process_ = os::find_pidfd(pid_).value_or(os::descriptor{});
  }

  /// One sentence of how it went. @throws trouble when it does not end.
  std::string run() {
    program_.talk.ask([](schema::ControlRequest::Builder r) { r.setStop(); });
    for (bool ended = false; !ended; ended = wait_a_while()) {
      const auto now = clock::now();
      if (now >= kill_at_ + killed_within || (now >= kill_at_ && process_.get() < 0))
        throw trouble{exit_status::no_answer,
                      program_.talk.with() + " has not ended; its processes were told to"};
      if (now >= terminate_at_) signal(now >= kill_at_ ? SIGKILL : SIGTERM);
    }
    const auto took = std::chrono::duration<double>(clock::now() - begun_).count();
    const std::string time = std::to_string(took).substr(0, 4);
    return program_.talk.with() + " has ended after " + time + " s" +
           (sent_ == 0 ? "" : ", by " + os::signal_name(sent_));
  }

private:
  /// Until something happens or is due; true: the program has ended.
  bool wait_a_while() {
    const auto next = clock::now() < terminate_at_ ? terminate_at_
                      : clock::now() < kill_at_    ? kill_at_
                                                   : kill_at_ + killed_within;
    const int limit = static_cast<int>(until(next).count());
    if (process_.get() < 0) return listen(until(next)) == conversation::heard::ended;
    const int both[] = {process_.get(), program_.talk.fd()};
    const unsigned ready = os::wait_readable(std::span{both, hung_up_ ? 1U : 2U}, limit);
    if ((ready & 2U) != 0) hung_up_ = listen(0ms) == conversation::heard::ended;
    return (ready & 1U) != 0;
  }

  conversation::heard listen(std::chrono::milliseconds limit) {
    return program_.talk.listen(limit, [this](schema::ControlAnswer::Reader answer) {
      if (answer.isRefused()) throw trouble{exit_status::refused, answer.getRefused().cStr()};
      terminate_at_ = std::min(terminate_at_, clock::now() + returns_within);
    });
  }

  void signal(int number) {
    if (sent_ == number || process_.get() < 0) return;
    sent_ = number;
    os::send_signal(process_, number);
  }

  found_program& program_;
  int pid_;
  os::descriptor process_;  ///< none: it is out of sight, only its socket tells
  clock::time_point begun_, terminate_at_, kill_at_;
  int sent_ = 0;
  bool hung_up_ = false;
};

}  // namespace

exit_status stop(const std::optional<std::string>& program, std::chrono::milliseconds within) {
  auto chosen = choose(program);
  std::cout << ending{chosen, within}.run() << '\n';
  running_programs();  // removes the socket of one that was killed
  return exit_status::done;
}

namespace {

std::string last_part(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

/// The supervised child that `name` means: its path, the last part of one, or its process id.
node find_child(const snapshot& in, const std::string& name) {
  const auto those = [&in](auto are_meant) {
    std::vector<node> some;
    for (const auto& n : in.nodes)
      if (!n.path.empty() && are_meant(n)) some.push_back(n);
    return some;
  };
  auto found = those([&](const node& n) { return n.path == name; });
  if (found.empty()) found = those([&](const node& n) { return last_part(n.path) == name; });
  if (found.empty())
    found = those([&](const node& n) { return n.pid != 0 && std::to_string(n.pid) == name; });
  if (found.size() == 1) return found.front();
  std::string paths;
  for (const auto& n : found)
    paths += (paths.empty() ? "" : ", ") + n.path + " of process " + std::to_string(n.told_by);
  throw trouble{exit_status::refused, found.empty()
                                          ? "no supervised child of " + in.program + " (" +
                                                std::to_string(in.pid) + ") is called " + name +
                                                "; `troupe tree` shows them all"
                                          : "several children are called " + name + ": " + paths +
                                                "; say which by its path or its process id"};
}

std::string sentence_of(schema::Restarted::Reader r) {
  const auto process = [](int pid) {
    return pid > 0 ? "process " + std::to_string(pid) : std::string{"no process"};
  };
  const std::string before = process(r.getPidBefore());
  if (r.getPid() <= 0 && r.getPidBefore() > 0)
    return before + " of " + r.getPath().cStr() + " was told to end; its supervisor starts another";
  if (r.getPid() <= 0) return std::string{r.getPath().cStr()} + " runs again";
  return std::string{r.getPath().cStr()} + " runs again: " + before + " before, " +
         process(r.getPid()) + " now";
}

}  // namespace

exit_status restart(const std::optional<std::string>& program, const std::string& child,
                    std::chrono::milliseconds within) {
  view of{choose(program)};
  const node which = find_child(of.look(), child);
  const bool by_name = child == which.path || child == last_part(which.path);
  conversation& teller = of.teller_of(which);
  teller.ask(
      [&](schema::ControlRequest::Builder r) { r.setRestart(by_name ? which.path : child); });
  const auto heard = teller.listen(within, [&](schema::ControlAnswer::Reader answer) {
    if (answer.isRefused()) throw trouble{exit_status::refused, answer.getRefused().cStr()};
    if (!answer.isRestarted())
      throw trouble{exit_status::no_answer,
                    teller.with() + " answers something else than was asked"};
    std::cout << sentence_of(answer.getRestarted()) << '\n';
  });
  if (heard == conversation::heard::answer) return exit_status::done;
  if (heard == conversation::heard::ended)
    throw trouble{exit_status::no_answer, teller.with() + " has just ended"};
  view again{choose(program)};  // that conversation waits for its answer
  std::string state;
  if (by_name) state = ": it is " + find_child(again.look(), which.path).state;
  throw trouble{exit_status::no_answer, which.path +
                                            " was told to restart and is not ready again after " +
                                            std::to_string(within.count()) + " ms" + state +
                                            "; that goes on, `troupe tree` shows it"};
}

}  // namespace troupe::tool
