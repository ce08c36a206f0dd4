#include <support/heap.hpp>

#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>

namespace test::heap {

namespace {

std::atomic<std::size_t> in_use = 0;
std::atomic<std::size_t> peak = 0;

}  // namespace

std::size_t now() {
  return in_use;
}
std::size_t most() {
  return peak;
}
void reset() {
  peak = in_use.load();
}

void* counted_allocation(std::size_t bytes) {
  void* const memory = std::malloc(bytes);
  if (memory == nullptr) throw std::bad_alloc{};
  const std::size_t used = in_use += malloc_usable_size(memory);
  peak = std::max(peak.load(), used);
  return memory;
}

void counted_release(void* memory) {
  if (memory != nullptr) in_use -= malloc_usable_size(memory);
  std::free(memory);
}

}  // namespace test::heap

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
void* operator new(std::size_t bytes) {
  return test::heap::counted_allocation(bytes);
}
void* operator new[](std::size_t bytes) {
  return test::heap::counted_allocation(bytes);
}
void operator delete(void* memory) noexcept {
  test::heap::counted_release(memory);
}
void operator delete[](void* memory) noexcept {
  test::heap::counted_release(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  test::heap::counted_release(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
  test::heap::counted_release(memory);
}
#endif
