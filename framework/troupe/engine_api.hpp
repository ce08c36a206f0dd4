#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "troupe/errc.hpp"
#include "troupe/exit_report.hpp"
#include "troupe/payload.hpp"
#include "troupe/supervision_spec.hpp"

namespace troupe::os {
class group_leaf;
}

/// What the public templates need of the engine below them; no types of users, CAF or the OS.
namespace troupe::engine {

class core;
class link;
class pool_core;  ///< see pool_api.hpp
using link_ptr = std::shared_ptr<link>;
using clock = std::chrono::steady_clock;

/// So long from now; for ever when that is later than time goes.
inline clock::time_point deadline(clock::duration limit) noexcept {
  const auto now = clock::now();
  return limit < clock::time_point::max() - now ? now + limit : clock::time_point::max();
}

/// Why a message got no answer.
struct failure {
  errc code = errc::worker_lost;
  std::string text;
  std::shared_ptr<const exit_report> report;  ///< of the process that ended; null when none did
  std::span<const std::byte> frame;           ///< the message, for sending it again; may be empty
  std::size_t needs = 0;                      ///< bytes that a full mailbox has no room for
};

/// Takes the one outcome of each request that named it. Called on the loop.
class answer_sink {
public:
  /// A piece of the answer to come.
  virtual void part(std::uint64_t, const payload_view&) {}
  virtual void answered(std::uint64_t tag, const payload_view& answer) = 0;
  virtual void failed(std::uint64_t tag, const failure& why) = 0;

protected:
  ~answer_sink() = default;
};

/// A function that a worker serves.
struct role {
  std::string name;
  stub_function stub = nullptr;
  const void* function = nullptr;  ///< null for a lambda
  bool once = false;               ///< the process ends after its first call
  bool actor = false;              ///< the stub makes an actor out of the first message
  bool ends_in_order = false;  ///< it has others to end first: no SIGTERM, which would cut that off
  /// Instead of the above: a program that speaks the protocol, with its arguments.
  std::vector<std::string> program;
  process_limits limits;
  std::shared_ptr<os::group_leaf> group;  ///< that the process is to live in; null: its parent's
  std::vector<std::byte> predecessor;     ///< what `rt.restart()` tells; empty: there was none
};

/// Makes the calling thread the one that runs the loop, while it lives: only such a thread may
/// touch what the loop delivers to. The functions below do so themselves.
class loop_guard {
public:
  explicit loop_guard(core& of);
  explicit loop_guard(const pool_core& of);
  ~loop_guard();
  loop_guard(const loop_guard&) = delete;
  loop_guard& operator=(const loop_guard&) = delete;

private:
  core& core_;
};

/// Starts a process for `what`; its failure to start shows in its report and its answers.
link_ptr start(core& in, role what);

/// Runs the loop until the system has started the process, or could not.
void wait_started(const link_ptr& of);

/// Puts a message into the mailbox. The answer, if one is wanted (`sink`), comes later; what this
/// returns never had a chance to be handled. Blocks, running the loop, while the mailbox is full.
std::optional<failure> send(const link_ptr& to, const payload_source& what, answer_sink* sink,
                            std::uint64_t tag);

/// After a message without answer: writes it out now unless it is one of many.
void tell_soon(const link_ptr& to);

/// Writes out what is buffered, then runs the loop until `done`. False when `limit` passes first.
bool wait(const link_ptr& on, const bool& done, std::optional<clock::time_point> limit);
/// Forgets the sink of a request that nobody waits for any longer.
void abandon(const link_ptr& on, answer_sink& sink);
/// Reads what an answer_sink wrote.
bool is_done(const link_ptr& on, const bool& done);

}  // namespace troupe::engine
