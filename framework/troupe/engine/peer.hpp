#pragma once

#include <cstdint>
#include <optional>

#include "troupe/engine_api.hpp"
#include "troupe/wire/envelope.hpp"

namespace troupe::engine {

/// The process at the other end of a link, as the actors of this one write to it.
/// Runs in: the owner of the loop.
class peer {
public:
  /// 0 is the parent, any other the child of that place.
  using place = std::uint32_t;
  static constexpr place parent = 0;

  [[nodiscard]] virtual place where() const noexcept = 0;
  /// Puts a request, tell or watch into the other process's mailbox; what this returns never had a
  /// chance to be handled. Never blocks on a child; a parent always reads.
  virtual std::optional<failure> post(const wire::header& head, const payload_source& what,
                                      answer_sink* sink, std::uint64_t tag) = 0;
  /// The one answer to a request that came from there. A process that has ended needs none.
  virtual void answer(std::uint64_t number, const payload_source& what) = 0;

protected:
  ~peer() = default;
};

class control_source;

/// The actors of this process, as its links see them. One per process that has any.
/// Runs in: the owner of the loop.
class actor_host {
public:
  /// A request, tell or watch; valid for the call. False: its actor does not want it yet, it is to
  /// be offered again. @throws std::exception when it makes no sense: its sender is to blame.
  virtual bool on_message(peer& from, const wire::incoming& message) = 0;
  /// The actor that the process was started for has ended; the reason.
  virtual void on_exit(peer& from, const wire::incoming& message) = 0;
  /// No more will come from there; each of its own requests has had its outcome.
  virtual void on_gone(peer& from) = 0;
  /// A mailbox that was full takes messages again; only said of one that was.
  virtual void on_room(peer& of) = 0;
  /// A tell that its receiver never began.
  virtual void on_dead_letter(peer& to, const wire::incoming& message,
                              const std::shared_ptr<const exit_report>& why) = 0;
  /// Lets actors handle what waits for them, for a bounded time. True when any did, or has more:
  /// what somebody waits for may have come of it.
  virtual bool run_actors() = 0;
  /// Its supervisors.
  virtual control_source& supervision() = 0;
  /// Ends them, as this process is about to end.
  virtual void end() = 0;

protected:
  ~actor_host() = default;
};

}  // namespace troupe::engine
