#pragma once

#include <troupe/codec.hpp>
#include <troupe/os/descriptor.hpp>
#include <troupe/os/zygote.hpp>
#include <troupe/wire/envelope.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace test {

/// Number of the first request to a worker that was started with a function: before it comes the
/// message that names the function.
constexpr std::uint64_t first_request = 2;

/// The bytes of a message as a worker would write them.
template <class T>
std::string frame_of(troupe::wire::Envelope::Kind kind, std::uint64_t number, const T& value) {
  const auto payload = troupe::codec::source_of(value);
  const std::size_t room = troupe::wire::envelope_bytes(payload);
  std::vector<std::uint64_t> words(room / sizeof(std::uint64_t));
  auto* const at = reinterpret_cast<std::byte*>(words.data());
  const auto bytes = troupe::wire::envelope_writer{}.write(at, room, {kind, number}, payload);
  return {reinterpret_cast<const char*>(words.data()), bytes};
}

template <class T>
std::string answer_frame(std::uint64_t number, const T& value) {
  return frame_of(troupe::wire::Envelope::Kind::ANSWER, number, value);
}

/// In a worker: past everything that Troupe does, straight into the pipe to the parent.
inline void write_to_parent(const std::string& bytes) {
  troupe::os::write_all(troupe::os::worker_fd::out, std::as_bytes(std::span{bytes}));
}

}  // namespace test
