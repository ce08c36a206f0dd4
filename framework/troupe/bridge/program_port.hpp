#pragma once

#include <caf/mailbox_element.hpp>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "troupe/bridge/node.hpp"
#include "troupe/engine/program_link.hpp"

namespace troupe::bridge {

/// Between a program and actors, for all its lives: its lines become messages for one actor, what
/// is sent to its handle goes to its stdin.
///
/// Each line is a request, so that its receiver's answer makes room for the next: of a slow one the
/// program waits in its write. A line that its receiver never begins is a dead letter.
/// Runs in: the owner of the loop. Lives until each line has had its answer.
class program_port final : public engine::program_listener,
                           public std::enable_shared_from_this<program_port> {
public:
  /// `path`: of the child. `to`: who gets the lines; may be null.
  program_port(node& in, std::string path, caf::strong_actor_ptr to);

  [[nodiscard]] const caf::strong_actor_ptr& receiver() const noexcept { return receiver_; }

  void on_line(const engine::program_link& from, std::string_view text, bool more) override;
  bool wants_lines() override;
  void on_unwritten(engine::program_link& to, std::string line) override;

private:
  /// Takes the receiver's answers, in whatever thread it gives them.
  class answer_taker;

  using number = std::uint64_t;
  struct sent_line {
    caf::message content;
    std::size_t bytes = 0;
    number sent_as = 0;  ///< the last time
  };

  void send(sent_line what);
  void answered(number of, const caf::mailbox_element& answer);
  void refused(sent_line what, const caf::error& why);
  void send_waiting();
  void settle();

  node& node_;
  const std::string path_;
  const caf::strong_actor_ptr receiver_;
  caf::strong_actor_ptr taker_;
  std::weak_ptr<engine::link> program_;  ///< the present one, when it waits for room
  number last_ = 0;
  std::map<number, sent_line> unanswered_;
  std::size_t unanswered_bytes_ = 0;
  std::deque<sent_line> waiting_;  ///< for its receiver's mailbox
  engine::core::timer_id retry_ = 0;
  std::shared_ptr<program_port> keep_;  ///< itself, while lines are under way
};

}  // namespace troupe::bridge
