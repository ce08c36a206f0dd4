#include <support/catch.hpp>

#include <sys/resource.h>

#include <cstdint>
#include <cstdlib>
#include <troupe/os/heap.hpp>
#include <vector>

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

namespace {

std::uintptr_t place_of(const void* p) {
  return reinterpret_cast<std::uintptr_t>(p);
}

std::vector<std::uintptr_t> places(std::size_t size, int count) {
  std::vector<void*> all;
  std::vector<std::uintptr_t> at;
  for (int i = 0; i < count; ++i) {
    all.push_back(std::malloc(size));
    at.push_back(place_of(all.back()));
  }
  for (void* const p : all) std::free(p);
  return at;
}

/// How many pages had to be made when a new piece of so many bytes was written.
long touched(std::size_t size) {
  const auto faults = [] {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt;
  };
  const long before = faults();
  auto* const piece = static_cast<volatile char*>(std::malloc(size));
  for (std::size_t i = 0; i < size; i += 512) piece[i] = 1;
  return faults() - before;  // the piece stays: what is freed would be given out again
}

}  // namespace

TEST_CASE("what was freed is not given out again once it was taken", "[os][heap]") {
  std::vector<void*> wall;  // so that what is freed can't grow together
  std::vector<void*> freed;
  for (int i = 0; i < 2000; ++i) {
    freed.push_back(std::malloc(static_cast<std::size_t>(16 + i % 900)));
    wall.push_back(std::malloc(24));
  }
  const std::uintptr_t last = place_of(wall.back());
  for (void* const p : freed) std::free(p);
  troupe::os::take_free_memory();
  for (const std::size_t size : {16, 100, 500, 900})
    for (const std::uintptr_t at : places(size, 4)) CHECK(at > last);
  for (void* const p : wall) std::free(p);
}

TEST_CASE("room on the heap is asked for once", "[os][heap]") {
  troupe::os::take_free_memory();
  constexpr std::size_t room = 90 * 1024;
  troupe::os::leave_room(room);
  const auto before = places(1, 1).front();
  const auto at = places(1000, static_cast<int>(room / 1016) - 1);
  // One piece after the other, so nothing lay between them and no other place was needed.
  CHECK(at.back() - before < room + 4096);
  CHECK(at.back() > before);
}

TEST_CASE("pages of the heap that were made ready cost no fault", "[os][heap]") {
  troupe::os::take_free_memory();
  troupe::os::leave_room(90 * 1024);
  touched(16);  // the first piece may come to lie in a page that was in use before
  troupe::os::populate_heap(24 * 1024);
  CHECK(touched(16 * 1024) == 0);
  CHECK(touched(32 * 1024) > 0);
}

#endif
