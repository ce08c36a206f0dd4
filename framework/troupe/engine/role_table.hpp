#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <string>

#include "troupe/payload.hpp"
#include "troupe/wire/envelope.hpp"

namespace troupe::engine {

/// A function, or an actor, that this process was given to serve.
struct bound_role {
  std::uint64_t target = 0;
  stub_function stub = nullptr;
  const void* function = nullptr;
  std::string name;
  bool once = false;
  bool cancelled = false;
  bool actor = false;  ///< the first message makes it, the bridge has it then
  bool made = false;
};

/// The roles of this process.
class role_table {
public:
  /// Takes what a `bind` says: the role, and with it this process's place in the tree and limits.
  /// Ends the process when it can't have these. @throws kj::Exception for code that is not here.
  const bound_role& bind(const wire::incoming& message);
  void unbind(std::uint64_t target);

  /// Hardly ever more than one, the newest at the back. Null: none has this number.
  bound_role* find(std::uint64_t target) noexcept {
    for (auto r = roles_.rbegin(); r != roles_.rend(); ++r)
      if (r->target == target) return &*r;
    return nullptr;
  }

  /// Whether each actor has had the message that it is made of, which none may overtake.
  [[nodiscard]] bool nobody_waits_to_be_made() const noexcept {
    return !roles_.empty() && std::all_of(roles_.begin(), roles_.end(),
                                          [](const bound_role& r) { return r.made || !r.actor; });
  }

private:
  std::deque<bound_role> roles_;
};

}  // namespace troupe::engine
