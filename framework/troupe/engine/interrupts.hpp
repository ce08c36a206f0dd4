#pragma once

#include <memory>
#include <vector>

#include "troupe/engine/core.hpp"

namespace troupe::engine {

/// Told of each Ctrl-C. Runs in: the owner of the loop.
class interrupt_listener {
public:
  /// `count`: 1 or 2; the third ends the process.
  virtual void on_interrupt(unsigned count) = 0;

protected:
  ~interrupt_listener() = default;
};

/// What Ctrl-C does while pools live in the root process: the first lets what has begun end, the
/// second stops it. Ends: with the last pool, then Ctrl-C is as it was.
class interrupts final : public event_handler {
public:
  /// The one of this process; null in workers, and where the program handles SIGINT itself.
  static std::shared_ptr<interrupts> of(core& loop);
  explicit interrupts(core& loop);
  ~interrupts();
  interrupts(const interrupts&) = delete;
  interrupts& operator=(const interrupts&) = delete;

  void add(interrupt_listener& one) { listeners_.push_back(&one); }
  void remove(interrupt_listener& one) { std::erase(listeners_, &one); }
  [[nodiscard]] bool watching() const noexcept { return watching_; }

  void on_event(unsigned which, bool readable, bool writable) override;

private:
  core& core_;
  os::descriptor event_;
  core::slot slot_;
  bool watching_;
  unsigned told_ = 0;
  std::vector<interrupt_listener*> listeners_;
};

}  // namespace troupe::engine
