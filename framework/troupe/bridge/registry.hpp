#pragma once

#include <caf/typed_actor.hpp>

#include "troupe/bridge/node.hpp"
#include "troupe/names.hpp"

namespace troupe::bridge {

struct name_request {
  enum class op : std::uint8_t { add, remove, find, all, watch, join, leave, members };
  op what = op::find;
  std::string name;
  caf::strong_actor_ptr actor;
};

struct name_answer {
  bool done = true;
  std::string text;  ///< why not
  std::vector<caf::strong_actor_ptr> actors;
  std::vector<std::string> names;
};

/// The actor that keeps names and groups; one in the root.
using registry = caf::typed_actor<caf::replies_to<name_request>::with<name_answer>>;

/// Its number there.
constexpr std::uint64_t registry_number = number_for_good | 1U;
/// From any process.
registry registry_of(node& in);

}  // namespace troupe::bridge

namespace troupe::codec {

template <>
struct by_hand<bridge::name_request> {
  template <class Archive>
  static void apply(Archive& archive, bridge::name_request& x) {
    codec::apply(archive, x.what);
    codec::apply(archive, x.name);
    codec::apply(archive, x.actor);
  }
};
template <>
struct by_hand<bridge::name_answer> {
  template <class Archive>
  static void apply(Archive& archive, bridge::name_answer& x) {
    codec::apply(archive, x.done);
    codec::apply(archive, x.text);
    codec::apply(archive, x.actors);
    codec::apply(archive, x.names);
  }
};

}  // namespace troupe::codec

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::bridge::name_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::bridge::name_answer)
