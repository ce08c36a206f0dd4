#include "troupe/os/huge_code.hpp"

#include <sys/mman.h>
#include <sys/prctl.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <exception>
#include <sstream>
#include <string>
#include <utility>

#include "troupe/os/file.hpp"

namespace troupe::os {

namespace {

constexpr std::size_t max_frames = 16;
constexpr int collapse = 25;  // MADV_COLLAPSE, Linux 6.1; not in the headers of Debian 12
constexpr int name_memory = 0x53564d41;  // PR_SET_VMA
constexpr const char* name_of_copies = "troupe-code";
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool is_watched = true;  // by a sanitizer, which keeps account of what lies where
#else
constexpr bool is_watched = false;
#endif

std::byte* at(std::uintptr_t address) {
  return reinterpret_cast<std::byte*>(address);  // NOLINT(performance-no-int-to-ptr)
}

bool intersects(const mapping& m, std::uintptr_t frame) {
  return m.begin < frame + huge_page_bytes && m.end > frame;
}

bool may_be_copied(const mapping& m) {
  return m.private_file && m.readable && !m.writable;
}

/// Memory of its own for one aligned huge page; null: there is none.
std::byte* aligned_memory() {
  void* const got = mmap(nullptr, 2 * huge_page_bytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (got == MAP_FAILED) return nullptr;
  const auto begin = reinterpret_cast<std::uintptr_t>(got);
  const std::uintptr_t page = (begin + huge_page_bytes - 1) & ~(huge_page_bytes - 1);
  if (page != begin) munmap(got, page - begin);
  munmap(at(page + huge_page_bytes), begin + huge_page_bytes - page);
  return at(page);
}

/// A frame's gaps, which may have found users since they were seen. Gives them back at its end,
/// unless something took the place of the frame.
class gaps {
public:
  gaps(std::uintptr_t frame, std::span<const mapping> all) {
    std::uintptr_t from = frame;
    for (const mapping& m : all) {
      if (!intersects(m, frame)) continue;
      reserve(from, m.begin);
      from = m.end;
    }
    reserve(from, frame + huge_page_bytes);
  }
  gaps(const gaps&) = delete;
  gaps& operator=(const gaps&) = delete;
  ~gaps() {
    for (const auto& [from, bytes] : reserved_) munmap(at(from), bytes);
  }

  [[nodiscard]] bool are_free() const noexcept { return free_; }
  void are_filled() noexcept { reserved_.clear(); }

private:
  void reserve(std::uintptr_t from, std::uintptr_t to) {
    if (from >= to || !free_) return;
    free_ = mmap(at(from), to - from, PROT_NONE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1,
                 0) != MAP_FAILED;
    if (free_) reserved_.emplace_back(from, to - from);
  }

  bool free_ = true;
  std::vector<std::pair<std::uintptr_t, std::size_t>> reserved_;
};

void copy_frame(std::uintptr_t frame, std::span<const mapping> all, std::byte* to) {
  for (const mapping& m : all) {
    if (!intersects(m, frame)) continue;
    const auto begin = std::max(m.begin, frame);
    const auto end = std::min(m.end, frame + huge_page_bytes);
    std::memcpy(to + (begin - frame), at(begin), end - begin);
  }
  auto* const code = reinterpret_cast<char*>(to);
  __builtin___clear_cache(code, code + huge_page_bytes);
}

/// False: the system has no huge page, and all is as it was.
bool move(std::uintptr_t frame, std::span<const mapping> all) {
  std::byte* const copy = aligned_memory();
  if (copy == nullptr) return false;
  madvise(copy, huge_page_bytes, MADV_HUGEPAGE);
  copy_frame(frame, all, copy);
  // In small pages it would be dearer than files: each fork would copy the entries of all.
  // The last step is a mremap, of which nobody hears who follows the mappings of a program:
  // `perf record PROGRAM` goes on to know what lies here.
  if (madvise(copy, huge_page_bytes, collapse) != 0 ||
      mprotect(copy, huge_page_bytes, PROT_READ | PROT_EXEC) != 0 ||
      madvise(copy, huge_page_bytes, MADV_DONTDUMP) != 0 ||
      mremap(copy, huge_page_bytes, huge_page_bytes, MREMAP_MAYMOVE | MREMAP_FIXED, at(frame)) ==
          MAP_FAILED) {
    munmap(copy, huge_page_bytes);
    return false;
  }
  prctl(name_memory, 0, frame, huge_page_bytes, name_of_copies);
  return true;
}

}  // namespace

std::vector<mapping> own_mappings() {
  std::vector<mapping> all;
  std::istringstream lines{file_contents("/proc/self/maps")};
  for (std::string line; std::getline(lines, line);) {
    unsigned long begin = 0, end = 0, inode = 0;
    char rights[5] = {};
    if (std::sscanf(line.c_str(), "%lx-%lx %4s %*x %*x:%*x %lu", &begin, &end, rights, &inode) != 4)
      continue;
    all.push_back({begin, end, rights[0] == 'r', rights[1] == 'w', rights[2] == 'x',
                   rights[3] == 'p' && inode != 0});
  }
  return all;
}

std::vector<std::uintptr_t> code_frames(std::span<const mapping> all) {
  std::vector<std::uintptr_t> frames;
  std::uintptr_t next = 0;
  for (const mapping& code : all) {
    if (!code.executable || !code.private_file) continue;
    for (auto frame = std::max(next, code.begin & ~(huge_page_bytes - 1)); frame < code.end;
         frame += huge_page_bytes) {
      next = frame + huge_page_bytes;
      if (std::all_of(all.begin(), all.end(), [frame](const mapping& m) {
            return !intersects(m, frame) || may_be_copied(m);
          }))
        frames.push_back(frame);
    }
  }
  return frames;
}

std::size_t move_code_to_huge_pages() noexcept try {
  if (is_watched || !has_huge_pages()) return 0;
  const auto all = own_mappings();
  std::size_t moved = 0;
  for (const std::uintptr_t frame : code_frames(all)) {
    gaps between{frame, all};
    if (!between.are_free()) continue;
    if (moved == max_frames || !move(frame, all)) break;
    between.are_filled();
    ++moved;
  }
  return moved;
} catch (const std::exception&) {
  return 0;
}

bool has_huge_pages() {
  const std::string allowed = file_contents("/sys/kernel/mm/transparent_hugepage/enabled");
  return allowed.find("[always]") != std::string::npos ||
         allowed.find("[madvise]") != std::string::npos;
}

}  // namespace troupe::os
