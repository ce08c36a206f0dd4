#include "troupe/bridge/warm_up.hpp"

#include <caf/behavior.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <utility>

#include "troupe/actor.hpp"
#include "troupe/bridge/content.hpp"
#include "troupe/bridge/loop_system.hpp"
#include "troupe/bridge/node.hpp"
#include "troupe/engine/rehearse.hpp"
#include "troupe/os/poller.hpp"

namespace troupe::bridge {

namespace {

int same(int x) {
  return x;
}

caf::behavior echo() {
  return {[](int x) { return x; }};
}

/// Memory that was freed here lies in pages that forks share. Each piece of it that one of them
/// gets would cost it a copy of a page, so it is taken for good: forks begin with pages that hold
/// nothing but their own (measured: 20 KiB less a worker). In sizes of what they will ask for.
void take_free_memory() {
  constexpr std::size_t most = 1024;
  constexpr std::size_t step = 16;
  constexpr int enough = 20'000;
  const auto place_of = [](void* p) { return reinterpret_cast<std::uintptr_t>(p); };
  void* const fresh = std::malloc(32 * most);
  std::uintptr_t end = place_of(fresh);
  std::free(fresh);
  int taken = 0;
  static void* last = nullptr;  // of a chain, so that no leak checker takes them for lost
  for (std::size_t size = step / 2; size <= most; size += step) {
    void* piece = std::malloc(size);
    for (; piece != nullptr && place_of(piece) < end && taken < enough; ++taken) {
      *static_cast<void**>(piece) = std::exchange(last, piece);
      piece = std::malloc(size);
    }
    end = std::max(end, place_of(piece));
    std::free(piece);
  }
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
  std::array<os::poller::event, 1> none;
  os::poller{}.wait(none, 0);  // or each of them would look for epoll_wait, in 17 pages
  loop_system::prepare();
  take_free_memory();
}

}  // namespace troupe::bridge
