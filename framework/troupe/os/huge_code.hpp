#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace troupe::os {

/// A line of /proc/PID/maps: addresses, and what lies there.
struct mapping {
  std::uintptr_t begin = 0;
  std::uintptr_t end = 0;
  bool readable = false;
  bool writable = false;
  bool executable = false;
  bool private_file = false;  ///< bytes of a file, as this process has them
};
std::vector<mapping> own_mappings();

constexpr std::size_t huge_page_bytes = std::size_t{2} << 20;

/// Addresses where a huge page may take the place of code, lowest first: aligned, with code in it,
/// and besides that nothing but constants of files and gaps. `all` is in order.
std::vector<std::uintptr_t> code_frames(std::span<const mapping> all);

/// When a zygote moves its code to huge pages.
enum class huge_code : std::uint8_t {
  never,
  soon,     ///< after a start, once it is known to live for a while
  at_start  ///< before it serves
};

/// Copies code of this process, and the constants beside it, into huge pages at the same addresses;
/// its forks share them. A fork has no page of files mapped, so a worker pays for each piece of
/// code that it comes to: half of its faults, and of the pages that are unmapped at its end
/// (measured: a restart takes a fifth less).
///
/// The constants become executable, too. /proc/PID/maps no longer names the file there, which
/// profilers that attach to a worker look for; debuggers ask the dynamic linker. Core files leave
/// the copies out, as they do with files.
/// Units: pages of `huge_page_bytes` that were moved, 16 at most; 0 where the system gives none:
/// then all is as before. Blocks: 1.5 ms a page (measured). Only while this is the only thread.
/// Source: madvise(2), MADV_COLLAPSE; mremap(2).
std::size_t move_code_to_huge_pages() noexcept;

/// Whether the system gives huge pages to who asks for them. Source: the kernel's
/// admin-guide/mm/transhuge.
bool has_huge_pages();

}  // namespace troupe::os
