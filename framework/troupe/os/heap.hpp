#pragma once

#include <cstddef>

/// What lies where on the heap, for processes that are forked. Each page that a fork writes is a
/// fault and a copy, so what it will write should lie close together, and apart from what it will
/// not. All of it is about speed alone: another malloc than glibc's may take no notice.
namespace troupe::os {

/// Takes all memory that was freed, for good: what a fork allocates is new then, and in one piece.
/// (Measured: 20 KiB less a worker.) The pages in the middle of large pieces go back to the system.
void take_free_memory();

/// So many bytes, 100 KiB at most, can be allocated from now on without asking the system.
void leave_room(std::size_t bytes);

/// Makes the pages ready that the next `bytes` of small objects will come to lie in, in one go
/// instead of a fault for each. Source: madvise(2), MADV_POPULATE_WRITE (Linux 5.14).
void populate_heap(std::size_t bytes) noexcept;

}  // namespace troupe::os
