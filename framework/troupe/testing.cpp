#include "troupe/testing.hpp"

#include <array>

#include "troupe/bridge/node.hpp"
#include "troupe/engine/link.hpp"
#include "troupe/engine/worker.hpp"

namespace troupe::testing {

void step(runtime&) {
  engine::core& loop = engine::local_core();
  const engine::core::guard mine{loop};
  do {
    loop.run_once(engine::clock::now());
  } while (bridge::node::here().run_actors());
}

virtual_clock::virtual_clock(runtime& rt) : rt_(rt) {
  const engine::core::guard mine{engine::local_core()};
  bridge::node::here().clock().freeze();
}

virtual_clock::~virtual_clock() {
  const engine::core::guard mine{engine::local_core()};
  bridge::node::here().clock().thaw();
}

void virtual_clock::advance(std::chrono::nanoseconds by) {
  {
    const engine::core::guard mine{engine::local_core()};
    bridge::node::here().clock().advance(
        std::chrono::duration_cast<bridge::loop_clock::duration_type>(by));
  }
  step(rt_);
}

delay::delay(process of) : of_(std::move(of)) {
  const engine::core::guard mine{of_.link()->owner()};
  of_.link()->hold(true);
}

delay::~delay() {
  const engine::core::guard mine{of_.link()->owner()};
  of_.link()->hold(false);
}

void crash(runtime& rt, const process& which, int signal) {
  rt.kill(which, signal);
}

void inject(const process& from, std::span<const std::byte> bytes) {
  const engine::core::guard mine{from.link()->owner()};
  from.link()->inject(bytes);
}

void torn_frame(const process& from) {
  std::array<std::uint64_t, 4> words{};
  words[0] = std::uint64_t{2} << 32;  // one segment of two words
  words[1] = words[2] = ~std::uint64_t{0};
  inject(from, std::as_bytes(std::span{words}).first(3 * sizeof words[0]));
}

std::size_t known_actors(runtime&) {
  return bridge::node::here().proxies();
}

}  // namespace troupe::testing
