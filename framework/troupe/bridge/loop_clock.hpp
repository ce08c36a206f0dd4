#pragma once

#include <caf/actor_clock.hpp>

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "troupe/bridge/caf_compat.hpp"

namespace troupe::bridge {

class node;

/// CAF's clock on our loop: timeouts, delayed messages. A request's timeout costs an append, since
/// most requests have the same one and are answered first; CAF's own clock takes 450 ns for each.
/// Any thread.
class loop_clock final : public caf::actor_clock {
public:
  void serve(node& of) noexcept { node_ = &of; }

  [[nodiscard]] time_point now() const noexcept override;
  void set_ordinary_timeout(time_point when, caf::abstract_actor* self, caf::atom_value type,
                            std::uint64_t id) override;
  void set_multi_timeout(time_point when, caf::abstract_actor* self, caf::atom_value type,
                         std::uint64_t id) override;
  void set_request_timeout(time_point when, caf::abstract_actor* self, caf::message_id id) override;
  void cancel_ordinary_timeout(caf::abstract_actor* self, caf::atom_value type) override;
  void cancel_request_timeout(caf::abstract_actor* self, caf::message_id id) override;
  void cancel_timeouts(caf::abstract_actor* self) override;
  void schedule_message(time_point when, caf::strong_actor_ptr receiver,
                        caf::mailbox_element_ptr content) override;
  void schedule_message(time_point when, caf::group target, caf::strong_actor_ptr sender,
                        caf::message content) override;
  void cancel_all() override;

  // By the owner of the loop.

  /// Sends what is due; the time of the next, if there is one. `sent`: whether anything was.
  std::optional<time_point> fire(bool& sent);
  [[nodiscard]] bool is_empty() const noexcept { return requests_.empty() && delayed_.empty(); }
  /// For tests: actors see no other time than this one until `thaw`.
  void freeze() { frozen_ = caf::actor_clock::now(); }
  void advance(duration_type by) { *frozen_ += by; }
  /// Whether there are so many timeouts of requests that some are most likely answered: an actor of
  /// this process doesn't say when it has the answer of another one here.
  [[nodiscard]] bool wants_tidying() const noexcept { return requests_.size() >= tidy_at_; }
  /// Forgets those whose answers have been handled. Only while no actor runs.
  void tidy();
  void thaw() { frozen_.reset(); }
  [[nodiscard]] bool frozen() const noexcept { return frozen_.has_value(); }

private:
  static constexpr std::size_t least_to_tidy = 256;

  struct request {
    caf::strong_actor_ptr self;  ///< null: answered
    caf::message_id id;
  };
  struct delayed {
    std::function<void()> send;
    const caf::abstract_actor* timeout_of = nullptr;
    caf::atom_value type{};
    bool ordinary = false;
  };

  void add_timeout(time_point when, caf::abstract_actor* self, caf::atom_value type,
                   std::uint64_t id, bool ordinary);
  using by_time = std::multimap<time_point, delayed>;

  void drop_answered();
  void drop_ordinary(const caf::abstract_actor* self, caf::atom_value type);
  [[nodiscard]] delayed take_first();

  node* node_ = nullptr;
  std::deque<std::pair<time_point, request>> requests_;  ///< by time
  std::size_t answered_ = 0;                             ///< of these
  std::size_t tidy_at_ = least_to_tidy;
  by_time delayed_;
  /// Its timeouts among them; an actor has few, and the messages may be many.
  std::multimap<const caf::abstract_actor*, by_time::iterator> timeouts_;
  std::optional<time_point> frozen_;
};

}  // namespace troupe::bridge
