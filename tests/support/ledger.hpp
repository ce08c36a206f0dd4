#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace test {

/// Counts in the parent what really happened in its workers, even in those that are killed: a
/// worker notes a number in a file in memory before it does anything else.
class ledger {
public:
  ledger();
  ~ledger();
  ledger(const ledger&) = delete;
  ledger& operator=(const ledger&) = delete;

  /// What a worker needs to know to `note`.
  [[nodiscard]] std::string place() const;
  /// How often each number was noted.
  [[nodiscard]] std::map<std::uint64_t, int> notes() const;
  /// The numbers in the order in which they were noted.
  [[nodiscard]] std::vector<std::uint64_t> sequence() const;

private:
  int fd_;
};

/// In a worker: what was noted so far.
std::vector<std::uint64_t> notes_at(const std::string& place);
/// In a worker.
void note(const std::string& place, std::uint64_t number);

}  // namespace test
