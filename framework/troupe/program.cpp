#include "troupe/program.hpp"

#include <kj/exception.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>

#include "troupe/bridge/node.hpp"
#include "troupe/bridge/warm_up.hpp"
#include "troupe/engine/process_settings.hpp"
#include "troupe/engine/worker.hpp"
#include "troupe/os/child.hpp"
#include "troupe/os/code_address.hpp"
#include "troupe/os/descriptor.hpp"
#include "troupe/os/interrupt.hpp"
#include "troupe/os/zygote.hpp"
#include "troupe/pool_settings.hpp"
#include "troupe/wire/envelope.hpp"

namespace troupe {

using namespace std::chrono_literals;

namespace {

constexpr int many_descriptors = 8192;  // of 1,300 workers
constexpr auto stop_within = 5s;
constexpr int interrupted_exit_code = 130;  // as a shell's for SIGINT
/// Beyond this a fork of the program itself is dearer than an exec of its binary.
constexpr std::size_t small_process_bytes = std::size_t{64} << 20;

engine::core* running_core = nullptr;
int running_pid = 0;

/// For a program that calls exit() inside `run`: no destructor runs then.
void end_everything_at_exit() {
  if (running_core == nullptr || os::own_pid() != running_pid) return;
  running_core->enter();  // for good: from here on the keeper touches nothing
  running_core->end_now();
}

bool is_set_to(const char* variable, const char* value) {
  const char* is = std::getenv(variable);
  return is != nullptr && std::string{is} == value;
}

void tell(const std::string& sentence) {
  std::cerr << engine::process_settings().program << ": " << sentence << std::endl;
}

void tell(const std::exception& e) {
  if (const auto* const refused = dynamic_cast<const kj::Exception*>(&e)) {
    tell(std::string{"the system refused what it needs: "} + refused->getDescription().cStr() +
         "; `troupe doctor` tells the limits");
  } else {
    tell(std::string{e.what()});
  }
}

/// A full disk shows only when what was printed is written.
bool all_is_written() {
  errno = 0;
  std::cout.flush();
  if (std::fflush(stdout) == 0 && !std::ferror(stdout) && !std::cout.bad()) return true;
  const std::string why = errno != 0 ? ": " + os::error_text(errno) : "";
  tell("not all that it printed could be written" + why);
  return false;
}

/// Workers that are not forked share no memory with the zygote.
os::huge_code asked_for_huge_code() {
  if (is_set_to("TROUPE_HUGE_CODE", "never") || is_set_to("TROUPE_START", "spawn"))
    return os::huge_code::never;
  if (is_set_to("TROUPE_HUGE_CODE", "start")) return os::huge_code::at_start;
  return os::huge_code::soon;
}

/// Of two values that a variable may have; another one is no reason not to run.
void check_choice(const char* variable, const char* one, const char* other, const char* usual) {
  const char* const is = std::getenv(variable);
  if (is == nullptr) return;
  for (const char* known : {"", one, other})
    if (is_set_to(variable, known)) return;
  tell(std::string{variable} + '=' + is + " is unknown, " + one + " and " + other + " are known; " +
       usual + " is used");
}

}  // namespace

program::program(int argc, char** argv) {
  auto& settings = engine::process_settings();
  settings.program = argc > 0 ? argv[0] : "troupe";
  settings.worker_entry = engine::worker_main;
  settings.warm_up = bridge::warm_up;
  settings.warm_up_zygote = bridge::warm_up_zygote;
  settings.huge_code = asked_for_huge_code();
  settings.debug_log = is_set_to("TROUPE_LOG", "debug");
  if (is_set_to("TROUPE_START", "spawn")) settings.method = os::start_method::exec;
  os::become_zygote_if_asked(
      argc, argv, {{}, {}, engine::worker_main, bridge::warm_up_zygote, settings.huge_code});
  if (os::is_executed_worker(argc, argv)) {
    if (const char* mark = std::getenv(os::tree_variable)) settings.mark = mark;
    engine::worker_main();
  }
  os::open_standard_descriptors();
  check_choice("TROUPE_START", "forkserver", "spawn", "forkserver");
  check_choice("TROUPE_HUGE_CODE", "never", "start", "neither");
  os::own_build_id();  // found once, here: forked workers inherit what it looked up
  wire::prepare();
  settings.mark = engine::new_mark();
  settings.adopts_orphans = true;
  settings.control = !is_set_to("TROUPE_CONTROL", "off");
}

program& program::control(bool on) {
  auto& settings = engine::process_settings();
  settings.control = settings.control && on;
  return *this;
}

program& program::max_message_bytes(std::size_t bytes) {
  constexpr std::size_t most = std::size_t{1} << 31U;  // lengths of frames have 32 bits
  if (bytes == 0 || bytes > most)
    throw std::invalid_argument{"max_message_bytes must be 1 to " + std::to_string(most) +
                                ", not " + std::to_string(bytes) +
                                "; for more, send the name of a file"};
  engine::process_settings().max_message_bytes = bytes;
  return *this;
}

int program::run_erased(const std::function<int(runtime&)>& f) {
  static std::atomic<bool> runs{false};
  if (engine::in_worker() || runs.exchange(true))
    throw std::logic_error{
        "program::run was called where it runs already: a process has one runtime, which every "
        "function that takes a troupe::runtime& gets"};
  KJ_DEFER(runs = false);
  int code = 1;
  try {
    engine::core core{engine::process_settings()};
    os::let_signals_end_this();
    os::become_subreaper();
    const bool alone = os::thread_count() == 1;
    if (alone && os::resident_bytes() < small_process_bytes)
      core.fork_zygote();  // before its first thread
    os::raise_descriptor_limit();
    if (alone) os::reserve_descriptors(many_descriptors);
    engine::set_local_core(&core);
    running_core = &core;
    running_pid = os::own_pid();
    static const int registered = std::atexit(end_everything_at_exit);
    static_cast<void>(registered);
    try {
      runtime rt{core};
      code = f(rt);
    } catch (const std::exception& e) {
      if (dynamic_cast<const interrupted*>(&e) != nullptr) code = 0;  // 130 below
      tell(e);
    } catch (...) {
      tell("what was thrown is no std::exception");
    }
    {
      const engine::loop_guard mine{core};
      core.note_return();
      const auto limit = engine::clock::now() + stop_within;
      if (auto* const node = bridge::node::if_made()) {
        node->on_lost({});  // they may use what lived in `f`
        node->on_lifecycle({});
        node->stop_supervisors(limit);
      }
      core.stop_all(std::max(limit - engine::clock::now(), engine::clock::duration{}));
      bridge::node::end_here();
    }
    running_core = nullptr;
    engine::set_local_core(nullptr);
    const bool programs_are_heard = core.finish_output();
    if (!programs_are_heard) tell("not all that its programs printed could be written");
    if ((!all_is_written() || !programs_are_heard) && code == 0) code = 1;
    if (code == 0 && (os::interrupts() != 0 || os::termination() == SIGINT))
      code = interrupted_exit_code;
  } catch (const std::exception& e) {
    running_core = nullptr;
    tell(e);
    code = 1;
  }
  return code;
}

}  // namespace troupe
