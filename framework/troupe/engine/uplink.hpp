#pragma once

#include <memory>
#include <string>
#include <unordered_map>

#include "troupe/engine/inbox.hpp"
#include "troupe/engine/peer.hpp"
#include "troupe/engine/ring_writer.hpp"
#include "troupe/os/shared_memory.hpp"
#include "troupe/wire/envelope.hpp"
#include "troupe/wire/shared_page.hpp"

namespace troupe::engine {

/// A worker's end of the link to its parent. What is written lies in the shared ring until `flush`.
class uplink final : public peer {
public:
  /// Borrows the descriptors; needs `page` only for the mapping.
  uplink(int in, int out, int control, int page);

  /// Before anything is read; false: the parent has given this process up, which must end.
  [[nodiscard]] bool say_hello();
  /// A process below this one has ended: what it left may be the root's by now.
  void tell_of_end();

  /// Whole frames out of one read, without waiting.
  template <class Handle>
  inbox::state read(Handle handle) {
    return inbox_.read(in_, scratch_, handle);
  }
  /// Inside `handle` of such a read: the frames that came with this one.
  template <class Handle>
  void read_rest(Handle handle) {
    inbox_.hand_out_rest(handle);
  }
  /// As `read`, for the control socket.
  template <class Handle>
  inbox::state read_control(Handle handle) {
    return control_.read(control_fd_, control_scratch_, handle);
  }
  const wire::incoming& parse(std::span<const std::byte> frame) { return reader_.read(frame); }

  [[nodiscard]] int in() const noexcept { return in_; }
  [[nodiscard]] int control() const noexcept { return control_fd_; }
  [[nodiscard]] wire::shared_page& page() noexcept { return page_; }
  /// In a fork of this process: whatever it does reaches the parent no more. A chunk ends with the
  /// item that it is at.
  void lose_parent() noexcept;

  void answer(std::uint64_t number, const payload_source& what) override;
  /// A piece of the answer to come.
  void part(std::uint64_t number, const payload_source& what);
  /// Shared with the parent: outcomes of the chunk in progress.
  [[nodiscard]] std::span<std::byte> outcomes() const noexcept {
    return {memory_.data() + wire::shared_page::outcomes_offset, wire::shared_page::outcomes_bytes};
  }
  void fail(std::uint64_t number, errc code, const std::string& text);

  [[nodiscard]] place where() const noexcept override { return parent; }
  std::optional<failure> post(const wire::header& head, const payload_source& what,
                              answer_sink* sink, std::uint64_t tag) override;
  /// Whether requests of this process wait for an answer.
  [[nodiscard]] bool awaits_answers() const noexcept { return !asked_.empty(); }
  /// Takes an answer to one of them. @throws kj::Exception when it makes no sense.
  void take_answer(const wire::incoming& message);

  /// Whether answers are written at once: what asked for them is all there is to do.
  void hurry(bool on) noexcept { hurries_ = on; }
  [[nodiscard]] std::size_t unwritten() const noexcept { return ring_.unwritten(); }
  void flush() { ring_.flush(); }
  /// Has the memory that the first message and the first answer lie in, ahead of them.
  void touch_buffers() noexcept;

private:
  template <class Fill>
  bool control_message(wire::Envelope::Kind kind, Fill fill);
  void add(const wire::header& head, const payload_source& what, std::size_t room);

  struct asked {
    answer_sink* sink;
    std::uint64_t tag;
  };

  int in_;
  int control_fd_;
  os::shared_mapping memory_;
  wire::shared_page& page_;
  scratch scratch_;
  scratch control_scratch_{control_buffer_bytes};
  inbox inbox_;
  inbox control_;
  ring_writer ring_;
  wire::envelope_reader reader_;
  wire::envelope_writer writer_;
  std::uint64_t last_number_ = 0;
  bool hurries_ = false;
  std::unordered_map<std::uint64_t, asked> asked_;
};

}  // namespace troupe::engine
