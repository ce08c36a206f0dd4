#pragma once

#include <array>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "troupe/engine/control_tree.hpp"
#include "troupe/engine/core.hpp"
#include "troupe/engine/inbox.hpp"
#include "troupe/os/runtime_directory.hpp"
#include "troupe/wire/control.hpp"

namespace troupe::engine {

/// The control socket of a running program: shows its tree, stops it, restarts children, for the
/// user that runs it and nobody else. A worker with processes of its own has one, too, for its part
/// of the tree.
///
/// A client costs the program what it asks for and no more: requests are 2 KiB at most and come one
/// at a time, all trees shown at one moment share their bytes, nothing waits for a slow reader, and
/// the 17th client takes the place of the oldest. One that says anything else is cut off.
/// Owns: the socket and its file. Runs in: the owner of the loop. Never blocks.
/// Ends: clients are cut off, the file is removed.
class control_server final : public event_handler {
public:
  static constexpr std::size_t max_clients = 16;

  /// Null, and a line in the log, when there can be none.
  static std::unique_ptr<control_server> open(core& loop);
  control_server(core& loop, os::private_directory where, std::string name);
  control_server(const control_server&) = delete;
  control_server& operator=(const control_server&) = delete;
  ~control_server();

  /// The tree is another now, or soon.
  void changed();
  /// Removes the socket of a process of this one, should it have been killed.
  void process_ended(int pid) noexcept;

  void on_event(unsigned which, bool readable, bool writable) override;

private:
  using bytes = std::shared_ptr<const std::vector<std::byte>>;

  struct frame {
    bytes content;
    bool is_answer;  ///< to what was asked; else a tree for who watches
  };
  struct client {
    client(os::descriptor s, std::uint64_t n)
        : socket(kj::mv(s)), number(n), in(schema::MAX_CONTROL_REQUEST_BYTES) {}

    os::descriptor socket;
    std::uint64_t number;  ///< which came when; never used twice
    inbox in;
    std::deque<frame> out;
    std::size_t sent = 0;  ///< of the first
    bool waits_for_room = false;
    std::optional<schema::ControlRequest::Which> asked;  ///< its answer is not written yet
    bool watches = false;                                ///< gets the tree again and again
    bool missed = false;  ///< a tree, because the last one was not written yet
  };
  struct request {
    schema::ControlRequest::Which what;
    std::string name;
  };

  void accept();
  void read(unsigned place);
  void carry_out(unsigned place, const request& what);
  void answer(unsigned place, bytes what);
  void send(unsigned place, frame what);
  template <class Fill>
  void answer_with(unsigned place, Fill fill);
  void refuse(unsigned place, const std::string& why);
  void write(unsigned place);
  void close(unsigned place);
  /// The place of the client of this number, if it is still there.
  [[nodiscard]] std::optional<unsigned> place_of(std::uint64_t number) const;

  [[nodiscard]] bytes tree();
  void show_watchers();
  void show_by(clock::time_point when);

  core& core_;
  os::private_directory where_;
  std::string name_;
  int owner_pid_;
  os::descriptor listener_;
  core::slot slot_;
  std::array<std::optional<client>, max_clients> clients_;
  std::uint64_t arrivals_ = 0;

  bytes tree_;  ///< while it is as good as new
  clock::time_point tree_taken_{};
  core::timer_id show_timer_ = 0;
  clock::time_point show_at_{};
  clock::time_point shown_at_{};
  core::timer_id accept_timer_ = 0;
};

}  // namespace troupe::engine
