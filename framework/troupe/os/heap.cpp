#include "troupe/os/heap.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <utility>

namespace troupe::os {

namespace {

constexpr std::size_t page = 4096;
constexpr std::size_t large = 64 * 1024;  // less than what malloc asks the system for
constexpr std::size_t small = 1024;       // of these it keeps lists by size
constexpr std::size_t step = 16;
constexpr int enough = 20'000;

std::uintptr_t place_of(const void* p) {
  return reinterpret_cast<std::uintptr_t>(p);
}

/// Advice on the whole pages between two addresses.
void advise(std::uintptr_t begin, std::uintptr_t end, int advice) noexcept {
  begin = (begin + page - 1) & ~(page - 1);
  end &= ~(page - 1);
  if (begin < end)
    madvise(reinterpret_cast<void*>(begin), end - begin, advice);  // NOLINT(*-int-to-ptr)
}

/// Keeps what it takes in a chain, so that no leak checker takes it for lost.
void keep(void* piece, std::size_t size) {
  static void* last = nullptr;
  *static_cast<void**>(piece) = std::exchange(last, piece);
  advise(place_of(piece) + sizeof last, place_of(piece) + size, MADV_DONTNEED);
}

}  // namespace

void take_free_memory() {
  void* const fresh = std::malloc(32 * small);
  const std::uintptr_t end = place_of(fresh);
  std::free(fresh);
  int taken = 0;
  const auto take = [&](std::size_t size) {
    for (bool old = true; old && taken < enough; ++taken) {
      void* const piece = std::malloc(size);
      if (piece == nullptr) return;
      keep(piece, size);
      old = place_of(piece) < end;
    }
  };
  for (std::size_t size = large; size > small; size /= 2) take(size);
  for (std::size_t size = small; size >= sizeof(void*); size -= step) take(size - sizeof(void*));
}

/// What is given back last is not returned to the system when as much was left before it.
void leave_room(std::size_t bytes) {
  void* const first = std::malloc(bytes);
  void* const second = std::malloc(bytes);
  std::free(second);
  std::free(first);
}

void populate_heap(std::size_t bytes) noexcept {
  void* const memory = std::malloc(bytes);
  if (memory == nullptr) return;
  advise(place_of(memory), place_of(memory) + bytes, MADV_POPULATE_WRITE);
  std::free(memory);
}

}  // namespace troupe::os
