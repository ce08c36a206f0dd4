#include "troupe/bridge/warm_up.hpp"

#include <caf/behavior.hpp>

#include <array>
#include <cstddef>
#include <tuple>

#include "troupe/actor.hpp"
#include "troupe/bridge/content.hpp"
#include "troupe/bridge/loop_system.hpp"
#include "troupe/bridge/node.hpp"
#include "troupe/engine/inbox.hpp"
#include "troupe/engine/rehearse.hpp"
#include "troupe/engine/worker.hpp"
#include "troupe/os/heap.hpp"
#include "troupe/os/poller.hpp"

namespace troupe::bridge {

namespace {

int same(int x) {
  return x;
}

caf::behavior echo() {
  return {[](int x) { return x; }};
}

/// A first life of an actor takes 16 KiB; what of a spare is expected comes on top.
constexpr std::size_t room_of_first_life = std::size_t{96} << 10;

void live_as_function() {
  const std::tuple<int> one{1};
  engine::rehearse(callable::role_of<std::tuple<int>, false>(&same, {}, false),
                   callable::encoded(one), callable::encoded(one), nullptr);
}

void live_as_actor() {
  const std::tuple<> nothing;
  const caf::message question = caf::make_message(1);
  engine::rehearse(detail::actor_role({}, &echo), callable::encoded(nothing),
                   source_of(question.content()), node::end_here);
}

}  // namespace

void warm_up(bool (*has_time)()) {
  if (has_time()) live_as_function();
  if (!has_time()) return;
  live_as_actor();
  loop_system::prepare();
}

void warm_up_zygote() {
  engine::prepare_for_handlers();
  live_as_function();
  live_as_actor();
  std::array<os::poller::event, 1> none;
  os::poller{}.wait(none, 0);  // or each of them would look for epoll_wait, in 17 pages
  os::take_free_memory();
  engine::scratch::prepare();
  loop_system::prepare();
  os::take_free_memory();
  os::leave_room(room_of_first_life);
}

}  // namespace troupe::bridge
