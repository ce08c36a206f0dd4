#include <support/catch.hpp>

#include <troupe/os/huge_code.hpp>

using troupe::os::code_frames;
using troupe::os::mapping;
using frames = std::vector<std::uintptr_t>;

namespace {

constexpr std::uintptr_t mib = std::uintptr_t{1} << 20;

mapping code(std::uintptr_t begin, std::uintptr_t end) {
  return {begin, end, true, false, true, true};
}
mapping constants(std::uintptr_t begin, std::uintptr_t end) {
  return {begin, end, true, false, false, true};
}
mapping data(std::uintptr_t begin, std::uintptr_t end) {
  return {begin, end, true, true, false, true};
}

}  // namespace

TEST_CASE("a huge page takes the place of code, constants and gaps", "[unit][huge]") {
  SECTION("a program that begins at a huge page") {
    const std::vector<mapping> all{code(8 * mib, 11 * mib), data(14 * mib - 4096, 15 * mib)};
    CHECK(code_frames(all) == frames{8 * mib, 10 * mib});
  }
  SECTION("a library with its constants on both sides of the code") {
    const std::vector<mapping> all{constants(20 * mib, 21 * mib), code(21 * mib, 21 * mib + 4096),
                                   constants(21 * mib + 4096, 22 * mib),
                                   data(22 * mib, 22 * mib + 4096)};
    CHECK(code_frames(all) == frames{20 * mib});
  }
  SECTION("two libraries in one") {
    const std::vector<mapping> all{code(2 * mib, 2 * mib + 8192), code(3 * mib, 3 * mib + 8192)};
    CHECK(code_frames(all) == frames{2 * mib});
  }
}

TEST_CASE("a huge page takes the place of nothing that is written, or no file's", "[unit][huge]") {
  SECTION("data before it, after it, in the middle of it") {
    for (const std::uintptr_t at : {2 * mib, 4 * mib - 4096, 3 * mib}) {
      std::vector<mapping> all{code(2 * mib + 4096, 2 * mib + 8192), data(at, at + 4096)};
      if (at == 2 * mib) std::swap(all[0], all[1]);
      CHECK(code_frames(all).empty());
    }
  }
  SECTION("data beyond its ends does not matter") {
    const std::vector<mapping> all{data(mib, 2 * mib), code(2 * mib, 4 * mib),
                                   data(4 * mib, 5 * mib)};
    CHECK(code_frames(all) == frames{2 * mib});
  }
  SECTION("what can't be read") {
    CHECK(code_frames(std::vector<mapping>{code(2 * mib, 3 * mib),
                                           {3 * mib, 4 * mib, false, false, false, true}})
              .empty());
  }
  SECTION("memory that is no file's, as the stack or the kernel's own") {
    CHECK(code_frames(std::vector<mapping>{code(2 * mib, 3 * mib),
                                           {3 * mib, 4 * mib, true, false, true, false}})
              .empty());
  }
  SECTION("constants alone") {
    CHECK(code_frames(std::vector<mapping>{constants(2 * mib, 4 * mib)}).empty());
  }
  SECTION("no mapping at all") {
    CHECK(code_frames({}).empty());
  }
}

TEST_CASE("the mappings of a process are read in order", "[unit][huge]") {
  const auto all = troupe::os::own_mappings();
  const auto here = reinterpret_cast<std::uintptr_t>(&troupe::os::code_frames);
  bool found = false;
  std::uintptr_t last = 0;
  for (const mapping& m : all) {
    CHECK(m.begin >= last);
    CHECK(m.end > m.begin);
    last = m.end;
    found = found || (m.begin <= here && here < m.end && m.executable && m.private_file);
  }
  CHECK(found);
}
