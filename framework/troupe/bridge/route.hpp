#pragma once

#include <cstddef>
#include <deque>

#include "troupe/bridge/proxy.hpp"

namespace troupe::bridge {

/// The handle of a supervised child: it survives restarts.
///
/// While no incarnation runs, messages wait here, bounded. What the dead one never began comes back
/// and goes to the next before what was sent later; what it had begun is answered `worker_lost`.
/// Ends, for monitors and links, when its supervisor gives it up. Owner of the loop, but for what
/// every actor does in any thread.
class route final : public remote_actor {
public:
  static constexpr std::size_t max_messages = 16384;
  static constexpr std::size_t max_bytes = std::size_t{1} << 20;
  /// So many are sent to an incarnation that is not ready: what it has then read and not begun is
  /// known of the last 8,191 messages only (wire::progress).
  static constexpr std::size_t max_early = 4096;

  using remote_actor::remote_actor;

  /// A new incarnation gets all that waits, and begins it when it is ready.
  void bind(caf::strong_actor_ptr incarnation, bool is_ready);
  /// It is to be stopped: what comes waits.
  void unbind() { incarnation_ = nullptr; }
  /// It is gone, and has given back all that it did not begin.
  void lost();
  /// It is being started (again): what comes waits.
  void open() { refused_ = {}; }
  /// Nothing will start it but a call: what waits, and what comes, is answered with `reason`.
  void refuse_all(const caf::error& reason);
  /// The end: what waits is answered with `reason` or becomes a dead letter.
  void end(const caf::error& reason);

  /// A message that its incarnation never began; these come in their old order, then `lost`.
  void give_back(caf::mailbox_element_ptr what) { coming_back_.push_back(std::move(what)); }
  void pass_on(caf::mailbox_element_ptr what) override;
  [[nodiscard]] bool explains_itself() const noexcept override { return true; }
  /// Requests that wait here and come from a process that is to end are answered: it may be waiting
  /// for that, and this route's next incarnation for it.
  void release_stopping();
  /// Its incarnation's mailbox takes messages again.
  void drain();
  /// Whether a message would be taken now.
  [[nodiscard]] bool has_room() const noexcept {
    return can_send() || ended() || refused_ ||
           (waiting_.size() < max_messages && waiting_bytes_ < max_bytes);
  }
  [[nodiscard]] std::size_t waiting() const noexcept {
    return coming_back_.size() + returned_.size() + waiting_.size();
  }

private:
  /// What is sent now overtakes nothing.
  [[nodiscard]] bool can_send() const noexcept {
    return incarnation_ != nullptr && coming_back_.empty() && returned_.empty() && waiting_.empty();
  }
  bool offer(caf::mailbox_element_ptr& what);
  void wait(caf::mailbox_element_ptr what);
  void refuse_waiting(const caf::error& reason);
  void note_waiting();
  [[nodiscard]] bool is_of_stopping(const caf::mailbox_element& what) const;
  void refuse_stopping(caf::mailbox_element_ptr what);

  caf::strong_actor_ptr incarnation_;
  bool is_ready_ = false;
  std::size_t early_ = 0;                             ///< sent to it before it was ready
  std::deque<caf::mailbox_element_ptr> coming_back_;  ///< older than all that has come back before
  std::deque<caf::mailbox_element_ptr> returned_;     ///< older than all that waits
  std::deque<caf::mailbox_element_ptr> waiting_;
  std::size_t waiting_bytes_ = 0;
  caf::error refused_;  ///< why; none: it is not
};

}  // namespace troupe::bridge
