#pragma once

#include <caf/actor_addr.hpp>
#include <caf/actor_control_block.hpp>

#include <cstdint>
#include <deque>
#include <unordered_map>
#include <vector>

#include "troupe/address.hpp"
#include "troupe/engine/peer.hpp"
#include "troupe/wire/envelope.hpp"

namespace troupe::bridge {

/// How this process and one next to it know the senders of each other's messages: by numbers, which
/// each gives to those that it has introduced. A number may be another's after 1,024 of them.
///
/// Runs in: the owner of the loop.
class sender_book {
public:
  struct introduction {
    std::uint16_t number = 0;
    bool is_new = false;  ///< the message has to say who it is
  };
  struct known_sender {
    std::uint64_t since = 0;  ///< the message that introduced it
    address where;
    caf::strong_actor_ptr actor;  ///< once somebody has asked for it
  };

  // --- those whom this process introduces to `to` ---

  introduction introduce(const engine::peer& to, const caf::strong_actor_ptr& actor);
  /// What introduced it was not sent.
  void take_back(const caf::strong_actor_ptr& actor, std::uint16_t number);
  /// Who sent a message that comes back.
  [[nodiscard]] caf::strong_actor_ptr sender_of_returned(const wire::incoming& message) const;

  // --- those whom the other one introduces ---

  void note(const wire::incoming& message);
  /// Null when the number has been so many others' since that nobody knows.
  known_sender* sender_of(const wire::incoming& message);

private:
  /// Whose number was given to another actor, after that message.
  struct former_sender {
    std::uint16_t number = 0;
    std::uint64_t last_message = 0;
    caf::actor_addr actor;
  };

  std::uint16_t number_for(const engine::peer& to);

  std::unordered_map<caf::actor_id, std::uint16_t> introduced_;
  std::deque<caf::actor_id> order_;
  std::uint16_t last_ = 0;
  std::vector<std::uint16_t> unused_;       ///< of introductions that were not sent
  std::deque<former_sender> formers_;       ///< of messages that may come back
  std::vector<caf::actor_addr> by_number_;  ///< those introduced
  caf::actor_id newest_ = 0;                ///< the one that was looked up last, and its number
  std::uint16_t newest_number_ = 0;
  /// By number, the last ones that have had it: a message may be handled, or offered again, when
  /// its sender's number is another's.
  std::vector<std::vector<known_sender>> known_;
};

}  // namespace troupe::bridge
