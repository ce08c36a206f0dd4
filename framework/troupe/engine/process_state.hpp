#pragma once

#include <memory>

#include "troupe/engine/core.hpp"

namespace troupe::engine {

class mailbox_server;

/// What this process is by now. Others than a worker's own files ask through worker.hpp.
struct process_state {
  core* loop = nullptr;               ///< null until somebody needs one
  std::unique_ptr<core> own_loop;     ///< the same one, in a worker, or prepared to be it; a root's
                                      ///< belongs to `program`
  mailbox_server* mailbox = nullptr;  ///< null in a root
  bool is_worker = false;
  bool is_fork = false;  ///< code of the user's has forked it in a worker
  int exit_code = 0;
};
extern process_state this_process;

/// Forgets what this process inherited of a root.
void live_as_worker();

}  // namespace troupe::engine
