#include "troupe/engine/channel.hpp"

namespace troupe::engine {

channel channel::open() {
  using wire::shared_page;
  auto to = os::open_pipe(true);
  auto from = os::open_pipe(true);
  auto errors = os::open_pipe(false);  // programs expect a stderr that blocks
  os::set_non_blocking(errors.read);
  auto control = os::open_socket_pair(false);
  auto memory = os::create_shared_memory("troupe-link", shared_page::total_bytes);
  channel c;
  c.memory = os::shared_mapping{memory, shared_page::total_bytes};
  auto& page = c.page();
  page.magic = shared_page::magic_number;
  page.version = 1;
  page.ring_start = shared_page::ring_offset;
  page.ring_size = shared_page::ring_bytes;
  c.in = kj::mv(to.write);
  c.in_guard = kj::mv(to.read);
  c.out = kj::mv(from.read);
  c.control = kj::mv(control.here);
  c.errors = kj::mv(errors.read);
  c.theirs = {kj::mv(errors.write), kj::mv(from.write), kj::mv(control.there), kj::mv(memory)};
  return c;
}

}  // namespace troupe::engine
