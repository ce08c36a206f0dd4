#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "troupe/os/descriptor.hpp"
#include "troupe/wire/byte_queue.hpp"
#include "troupe/wire/control.hpp"

namespace troupe::tool {

/// Talks to one running program: a request, then its answer.
class conversation {
public:
  conversation() = default;
  conversation(os::descriptor socket, std::string with)
      : socket_(kj::mv(socket)), with_(std::move(with)) {}

  /// Whom this is with: "service (4711)".
  [[nodiscard]] const std::string& with() const noexcept { return with_; }
  [[nodiscard]] int fd() const noexcept { return socket_.get(); }
  /// The process that answers, as the kernel knows it; 0: it is out of sight.
  [[nodiscard]] int peer_pid() const;

  /// @throws trouble when it is gone.
  void ask(const std::function<void(schema::ControlRequest::Builder)>& fill);
  /// Waits for an answer and hands it to `use`; `ended`: none will come. @throws trouble when the
  /// bytes are no answer.
  enum class heard : std::uint8_t { answer, nothing, ended };
  heard listen(std::chrono::milliseconds limit,
               const std::function<void(schema::ControlAnswer::Reader)>& use);
  /// The same without waiting, when `fd` is readable.
  heard listen_now(const std::function<void(schema::ControlAnswer::Reader)>& use);
  /// One answer within `limit`. @throws trouble when there is none, or it is a refusal.
  void await(std::chrono::milliseconds limit,
             const std::function<void(schema::ControlAnswer::Reader)>& use);

private:
  os::descriptor socket_;
  std::string with_;
  wire::byte_queue bytes_;
};

}  // namespace troupe::tool
