#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "troupe/engine_api.hpp"

namespace troupe::engine {

/// One line of what a running program tells of itself: a process, or a supervisor inside one.
struct tree_node {
  enum class state : std::uint8_t { running, starting, stopping, restarting, down };

  unsigned depth = 0;  ///< 0: the process that tells
  std::string name;
  std::string path;  ///< of a supervised child
  std::string role;
  state now = state::running;
  int pid = 0;                ///< 0: it has no process (of its own)
  clock::time_point since{};  ///< when its process began; zero: it has none
  std::uint32_t restarts = 0;
  std::uint64_t waiting = 0;  ///< messages that it has not begun
};

/// The supervisors of this process, as the control socket sees them.
/// Runs in: the owner of the loop.
class control_source {
public:
  /// Appends what is at `depth` and below, and to `theirs` the processes among them.
  virtual void show(unsigned depth, std::vector<tree_node>& into,
                    std::set<const link*>& theirs) const = 0;

  /// What became of a restart.
  struct restarted {
    std::string path;
    int pid_before = 0;
    int pid = 0;
    std::string refused;  ///< one sentence, and nothing was done; empty: it is ready again
  };
  /// Ends the child that `name` means and starts it again. `to` is called once, maybe at once.
  virtual void restart(const std::string& name, std::function<void(restarted)> to) = 0;

  /// Tells the last supervisor to stop; true: none is left. To be called again when something
  /// ended.
  virtual bool stop_last() = 0;

protected:
  ~control_source() = default;
};

/// Line of a process that was started here.
tree_node describe(const link& process, unsigned depth);

/// All that this process knows of its tree: itself, its supervisors, other processes that it
/// started; as a frame of schemas/control.capnp.
std::vector<std::byte> encoded_tree(const core& of, clock::time_point now);

}  // namespace troupe::engine
