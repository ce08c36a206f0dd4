#pragma once

#include "troupe/engine/core.hpp"

namespace troupe::engine {

/// What SIGTERM does while supervisors live in the root process, and Ctrl-C where no pool takes it:
/// an orderly end of all processes, in which what the program waits for ends. If its `run` has not
/// returned 2 s later the signal ends it, and the second signal does so at once. A program that
/// handles one of the signals itself keeps its handler.
/// Owns: an event. Runs in: the owner of the loop. Ends: then the signals do what they did before.
class termination final : public event_handler {
public:
  explicit termination(core& loop);
  ~termination();
  termination(const termination&) = delete;
  termination& operator=(const termination&) = delete;

  void on_event(unsigned which, bool readable, bool writable) override;

private:
  void tell();

  core& core_;
  os::descriptor event_;
  core::slot slot_;
};

}  // namespace troupe::engine
