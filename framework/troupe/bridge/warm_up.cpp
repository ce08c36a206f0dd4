#include "troupe/bridge/warm_up.hpp"

#include <caf/behavior.hpp>

#include "troupe/actor.hpp"
#include "troupe/bridge/content.hpp"
#include "troupe/bridge/loop_system.hpp"
#include "troupe/bridge/node.hpp"
#include "troupe/engine/worker.hpp"

namespace troupe::bridge {

namespace {

int same(int x) {
  return x;
}

caf::behavior echo() {
  return {[](int x) { return x; }};
}

}  // namespace

void warm_up() {
  const std::tuple<int> one{1};
  const std::tuple<> nothing;
  const caf::message question = caf::make_message(1);
  engine::rehearse(callable::role_of<std::tuple<int>, false>(&same, {}, false),
                   callable::encoded(one), callable::encoded(one), nullptr);
  engine::rehearse(detail::actor_role({}, &echo), callable::encoded(nothing),
                   source_of(question.content()), node::end_here);
  loop_system::prepare();
}

}  // namespace troupe::bridge
