#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "troupe/engine/line_cutter.hpp"
#include "troupe/engine/link.hpp"
#include "troupe/os/notify_socket.hpp"
#include "troupe/program_spec.hpp"

namespace troupe::engine {

class program_link;

/// Takes what a program writes. Called on the loop.
class program_listener {
public:
  /// A line of its stdout; `more`: it is longer than 64 KiB and goes on in the next one.
  virtual void on_line(const program_link& from, std::string_view text, bool more) = 0;
  /// Whether it wants more lines now; one that did not says `go_on` when it does. What a dead
  /// program has left it gets unasked.
  virtual bool wants_lines() = 0;
  /// A line that never began to get into the program's stdin.
  virtual void on_unwritten(program_link& to, std::string line) = 0;

protected:
  ~program_listener() = default;
};

/// What becomes of a program: its spec, and where its lines go.
struct program_role {
  std::string name;
  program_spec what;
  process_limits limits;
  std::shared_ptr<os::group_leaf> group;  ///< as in `role`
  bool tells_lines = false;  ///< of its stdout, to the listener; else that is this program's own
  std::shared_ptr<program_listener> listener;
};

/// Any program as a child: no mailbox and no control lane, its stdin and stdout instead. Its life
/// is that of any other process.
///
/// Owns: its ends of the program's stdin, stdout and of what tells that it is ready.
class program_link final : public link {
public:
  program_link(core& owner, std::uint64_t id, place place_in_path, program_role what);
  ~program_link() override;

  [[nodiscard]] std::string kind() const override;
  program_link* as_program() noexcept override { return this; }

  /// A line for its stdin, without newline. Why not, when it was not taken.
  std::optional<failure> write_line(std::string_view text);
  /// Lines may be wanted again.
  void go_on();

  std::optional<failure> post(const wire::header& head, const payload_source& what,
                              answer_sink* sink, std::uint64_t tag) override;

  bool ask(os::zygote& of, os::start_method method) override;
  void started(os::zygote::reply reply) override;
  [[nodiscard]] bool reopen() override;

private:
  void open();
  [[nodiscard]] os::program_plan plan() const;
  [[nodiscard]] bool reads_stdout() const noexcept;
  void register_channel() override;
  void unregister_channel() noexcept override;
  void close_input() noexcept;
  void on_data() override { read_output(); }
  void on_control() override;
  void on_writable() override { write_input(); }
  [[nodiscard]] policy::stop_ladder ladder(clock::duration grace) const override;
  [[nodiscard]] const char* sign_of_life() const noexcept override { return "was ready"; }
  [[nodiscard]] std::string why_not_executed(const os::zygote::reply& reply) const override;
  void take_rest() override;
  void answer_all() override;
  bool read_some_output();
  void read_output();
  void hand_out(bool unasked);
  void on_line(const line_cutter::piece& line);
  [[nodiscard]] bool makes_ready(int descriptor, std::string_view text) const noexcept;
  void end_of(int descriptor);
  void write_input();
  void tell_room();

  const program_role what_;
  os::descriptor input_;   ///< its stdin
  os::descriptor output_;  ///< its stdout
  os::descriptor ready_;   ///< its own descriptor for that
  std::optional<os::notify_socket> notify_;
  struct {
    os::descriptor errors, input, output, ready;
  } its_;  ///< closed here as soon as it has them
  line_cutter lines_;
  line_cutter ready_lines_;
  std::deque<std::string> unwritten_;
  std::size_t unwritten_bytes_ = 0;
  std::size_t first_written_ = 0;    ///< bytes of the first of them
  bool paused_ = false;              ///< no lines are wanted now
  core::timer_id closed_timer_ = 0;  ///< it has closed its stdin, or died
};

}  // namespace troupe::engine
