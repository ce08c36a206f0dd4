#pragma once

#include <string>

namespace test {

/// Holds workers back until the test lets them go: a FIFO that nobody has opened for writing yet.
class gate {
public:
  gate();
  ~gate();
  gate(const gate&) = delete;
  gate& operator=(const gate&) = delete;

  /// What a worker needs to know to `pass`.
  [[nodiscard]] const std::string& place() const noexcept { return place_; }
  /// For good, who comes later included.
  void open();

private:
  std::string place_;
  int fd_ = -1;
};

/// The same where the gate is another process's.
void open_gate(const std::string& place);
/// In a worker: blocks until the gate is open.
void pass(const std::string& place);

}  // namespace test
