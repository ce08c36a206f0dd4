#pragma once

#include <cstddef>
#include <span>

#include "troupe/os/descriptor.hpp"

namespace troupe::os {

/// Creates `bytes` of anonymous shared memory, sealed so that no process that gets it can change
/// its size: the peer's mapping can't be made to raise SIGBUS. Source: memfd_create(2), fcntl(2).
descriptor create_shared_memory(const char* name, std::size_t bytes);

/// A shared mapping of a descriptor. Owns the mapping, not the descriptor. Move-only.
class shared_mapping {
public:
  shared_mapping() = default;
  shared_mapping(int fd, std::size_t bytes);
  shared_mapping(shared_mapping&& other) noexcept;
  shared_mapping& operator=(shared_mapping&& other) noexcept;
  ~shared_mapping();

  [[nodiscard]] std::byte* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// From now on this process has zeros of its own there.
  void become_private() noexcept;

private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace troupe::os
