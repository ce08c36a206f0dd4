#include "troupe/os/shared_memory.hpp"

#include <fcntl.h>
#include <kj/debug.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace troupe::os {

descriptor create_shared_memory(const char* name, std::size_t bytes) {
  int fd = -1;
  KJ_SYSCALL(fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  descriptor memory{fd};
  KJ_SYSCALL(ftruncate(fd, static_cast<off_t>(bytes)));
  KJ_SYSCALL(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL));
  return memory;
}

shared_mapping::shared_mapping(int fd, std::size_t bytes) : size_(bytes) {
  void* at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (at == MAP_FAILED) KJ_FAIL_SYSCALL("mmap", errno, bytes);
  data_ = static_cast<std::byte*>(at);
}

shared_mapping::shared_mapping(shared_mapping&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

shared_mapping& shared_mapping::operator=(shared_mapping&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

shared_mapping::~shared_mapping() {
  if (data_ != nullptr) munmap(data_, size_);
}

void shared_mapping::become_private() noexcept {
  if (data_ != nullptr)
    mmap(data_, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

}  // namespace troupe::os
