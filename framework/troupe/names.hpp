#pragma once

#include <caf/actor.hpp>
#include <caf/actor_cast.hpp>
#include <caf/send.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "troupe/message_types.hpp"

namespace troupe {

/// What who watches a name is sent: `[](const name_event& e) { ... }`.
struct name_event {
  std::string name;
  caf::strong_actor_ptr actor;  ///< who has the name now; null: nobody
};

/// Names and groups of actors, the same for every process of a program. Kept by an actor in the
/// root; a name of a supervised child's handle follows its restarts, any other goes with its actor.
///
/// Runs in: any actor or main thread of any process. Calls block, running the loop, for one round
/// trip to the root. @throws troupe::failure when that fails.
class names {
public:
  /// Gives `actor` a name. @throws troupe::failure `refused` when a living actor has it; that of an
  /// earlier life of the same child gives way.
  template <class Handle>
  void add(std::string_view name, const Handle& actor) {
    put(name, caf::actor_cast<caf::strong_actor_ptr>(actor));
  }
  /// True when somebody had it.
  bool remove(std::string_view name);
  /// Empty: nobody has that name.
  template <class Handle = caf::actor>
  [[nodiscard]] std::optional<Handle> find(std::string_view name) {
    const auto who = who_has(name);
    return who != nullptr ? std::optional{caf::actor_cast<Handle>(who)} : std::nullopt;
  }
  [[nodiscard]] std::vector<std::string> all();
  /// `watcher` gets a name_event now, and whenever the name comes to mean another actor or nobody.
  /// It can't be taken back: each name is kept for as long as the watcher lives.
  template <class Handle>
  void watch(std::string_view name, const Handle& watcher) {
    add_watcher(name, caf::actor_cast<caf::strong_actor_ptr>(watcher));
  }

  /// A member leaves by itself when it ends; joining twice is joining once.
  template <class Handle>
  void join(std::string_view group, const Handle& actor) {
    put_member(group, caf::actor_cast<caf::strong_actor_ptr>(actor));
  }
  template <class Handle>
  void leave(std::string_view group, const Handle& actor) {
    drop_member(group, caf::actor_cast<caf::strong_actor_ptr>(actor));
  }
  [[nodiscard]] std::vector<caf::strong_actor_ptr> members(std::string_view group);
  /// Sends the same to each member; how many there were.
  template <class... Values>
  std::size_t broadcast(std::string_view group, const Values&... values) {
    const auto to = members(group);
    for (const auto& member : to) caf::anon_send(caf::actor_cast<caf::actor>(member), values...);
    return to.size();
  }

private:
  void put(std::string_view name, caf::strong_actor_ptr actor);
  caf::strong_actor_ptr who_has(std::string_view name);
  void add_watcher(std::string_view name, caf::strong_actor_ptr watcher);
  void put_member(std::string_view group, caf::strong_actor_ptr actor);
  void drop_member(std::string_view group, caf::strong_actor_ptr actor);
};

namespace codec {

template <>
struct by_hand<name_event> {
  template <class Archive>
  static void apply(Archive& archive, name_event& x) {
    codec::apply(archive, x.name);
    codec::apply(archive, x.actor);
  }
};

}  // namespace codec
}  // namespace troupe

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::name_event)
