#pragma once

#include <cstddef>

namespace test {

/// Bytes that `operator new` gave out and has not got back, and the most of them since `reset`.
/// Counts nothing under a sanitizer, which has an `operator new` of its own.
namespace heap {
std::size_t now();
std::size_t most();
void reset();
}  // namespace heap

}  // namespace test
