#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "troupe/engine/arrivals.hpp"
#include "troupe/engine/core.hpp"
#include "troupe/engine/progress_writer.hpp"
#include "troupe/engine/role_table.hpp"
#include "troupe/engine/uplink.hpp"
#include "troupe/os/spin.hpp"

namespace troupe::engine {

/// Serves the mailbox. As long as the process has functions alone, and neither actors nor processes
/// of its own, it reads, calls and answers without a loop (mailbox_server.cpp). Then `core` runs
/// it: what arrives waits in line, so that answers get through to a handler that blocks, and
/// messages can overtake one another (mailbox_line.cpp).
class mailbox_server final : public event_handler {
public:
  /// Borrows the descriptors; needs `page` only here.
  mailbox_server(int in, int out, int control, int page);

  uplink& link() noexcept { return link_; }

  /// Handles what there is to read, writes the answers, and pauses or sleeps when there was
  /// nothing. Ends the process when nothing can come any more.
  void turn();

  /// From now on `core` runs this process.
  void join_loop();
  void on_event(unsigned which, bool, bool) override;

  /// These are what worker.hpp says of the functions of the same names.
  void end_soon(int code) noexcept;
  [[nodiscard]] bool is_told_to_end() const noexcept { return told_to_end_; }
  void offer_again() noexcept { line_.offer_again(); }
  [[nodiscard]] bool start_goes_on() noexcept {
    if (making_) start_lasts_ = true;
    return making_;
  }
  void start_is_over(const std::optional<std::string>& why_not);
  [[nodiscard]] bool start_lasts() const noexcept { return start_lasts_; }

private:
  enum class event : unsigned { data = 1, control };
  class reply;

  /// What is written to the link belongs to the loop, if there is one.
  [[nodiscard]] std::unique_ptr<core::guard> own_loop() const;
  /// But while handlers run.
  void own_for_good();

  /// A frame that was just read.
  void arrived(std::span<const std::byte> frame);
  /// True when the process is to end now.
  bool handle(const wire::incoming& message, std::uint64_t number);
  bool call(const wire::incoming& message, std::uint64_t number);
  /// True: it can't be made, so the process has no use.
  bool make_actor(bound_role& who, incoming_call& call, std::uint64_t number);
  void bind(const wire::incoming& message);

  /// Answers at once: a handler may be waiting for them. All else in its turn.
  void put_in_line(std::span<const std::byte> frame);
  void read_into_line();
  void turn_of_loop();
  /// One message of the line; false when none can be handled now. While a function runs, which
  /// waits in the loop or computes beside it, only messages to actors of this process can: to its
  /// rt.self(), for example.
  bool step();
  bool for_the_bridge(const wire::incoming& message);

  /// A busy worker looks at one word instead of making a system call.
  void look_at_control() {
    if (link_.page().attention.load(std::memory_order_acquire) != attention_) read_control();
  }
  void read_control();
  void on_control(std::span<const std::byte> frame);

  void flush();
  /// Answers wait for company: so many bytes of them, or a long call.
  void flush_if_many();
  void flush_if_old();
  void stop();
  void sleep();
  [[noreturn]] void end(int code);

  uplink link_;
  progress_writer progress_;
  arrivals line_;
  os::spin_wait spin_;
  bool waits_awake_;  ///< for a while, before it sleeps
  role_table roles_;
  core::slot slot_ = 0;
  bool looped_ = false;
  bool owns_loop_ = false;
  bool closed_ = false;
  bool ending_ = false;
  bool told_to_end_ = false;        ///< by its parent
  bool making_ = false;             ///< the actor
  bool start_lasts_ = false;        ///< the actor is made, and not ready yet
  std::uint64_t start_number_ = 0;  ///< of the message that waits for that
  unsigned turns_ = 0;
  std::uint64_t running_ = 0;  ///< number of the message whose function runs
  std::uint32_t attention_ = 0;
  std::uint32_t urgent_seen_ = 0;
  clock::time_point last_flush_{};
};

}  // namespace troupe::engine
