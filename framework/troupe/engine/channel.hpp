#pragma once

#include <span>

#include "troupe/os/child.hpp"
#include "troupe/os/descriptor.hpp"
#include "troupe/os/shared_memory.hpp"
#include "troupe/os/zygote.hpp"
#include "troupe/wire/shared_page.hpp"

namespace troupe::engine {

/// The parent's side of one link: two pipes, a control socket, a pipe for the worker's stderr and
/// the shared page. Owns all of them; plain aggregate of descriptors, no behaviour.
struct channel {
  os::descriptor in;        ///< write end: messages to the worker
  os::descriptor in_guard;  ///< read end of the same pipe: as long as it is open, a write to a dead
                            ///< worker is no SIGPIPE (its death shows on the pidfd)
  os::descriptor out;       ///< read end: messages from the worker
  os::descriptor control;
  os::descriptor errors;
  os::shared_mapping memory;
  bool has_holder = false;  ///< the worker's memory outlives it, see `hold_memory`

  /// The worker's ends; closed here as soon as the worker has them.
  struct worker_side {
    os::descriptor errors, out, control, page;
  } theirs;

  /// Opens everything or nothing. @throws kj::Exception.
  static channel open();

  /// Before the process starts: another is to replace it at once, so nobody waits until its memory
  /// is free, see os/memory_holder.hpp.
  void hold_memory() noexcept {
    has_holder = true;
    page().is_replaced_at_once = 1;
  }
  [[nodiscard]] wire::shared_page& page() const noexcept {
    return *reinterpret_cast<wire::shared_page*>(memory.data());
  }
  [[nodiscard]] std::span<const std::byte> ring() const noexcept {
    return {memory.data() + wire::shared_page::ring_offset, wire::shared_page::ring_bytes};
  }
  [[nodiscard]] std::span<const std::byte> outcomes() const noexcept {
    return {memory.data() + wire::shared_page::outcomes_offset, wire::shared_page::outcomes_bytes};
  }
  [[nodiscard]] os::worker_ends ends() const noexcept {
    return {theirs.errors.get(), in_guard.get(), theirs.out.get(), theirs.control.get(),
            theirs.page.get()};
  }
};

}  // namespace troupe::engine
