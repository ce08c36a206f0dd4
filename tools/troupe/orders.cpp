// Commands that change something: stop, restart.
#include <csignal>
#include <iostream>

#include <kj/exception.h>

#include "commands.hpp"
#include "programs.hpp"
#include "troupe/os/child.hpp"

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
    while (!wait_a_while()) {
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

exit_status restart(const std::optional<std::string>& program, const std::string& child,
                    std::chrono::milliseconds within) {
  auto chosen = choose(program);
  chosen.talk.ask([&](schema::ControlRequest::Builder r) { r.setRestart(child); });
  chosen.talk.await(within, [&](schema::ControlAnswer::Reader answer) {
    if (!answer.isRestarted())
      throw trouble{exit_status::no_answer,
                    chosen.talk.with() + " answers something else than was asked"};
    const auto r = answer.getRestarted();
    const auto pid = [](int number) {
      return number > 0 ? "process " + std::to_string(number) : std::string{"no process"};
    };
    std::cout << r.getPath().cStr()
              << (r.getPid() > 0 || r.getPidBefore() <= 0
                      ? " runs again: " + pid(r.getPidBefore()) + " before, " + pid(r.getPid()) +
                            " now"
                      : ": " + pid(r.getPidBefore()) +
                            " was told to end, its supervisor starts another")
              << '\n';
  });
  return exit_status::done;
}

}  // namespace troupe::tool
