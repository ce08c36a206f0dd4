#include <support/ledger.hpp>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>

namespace test {

namespace {

std::vector<std::uint64_t> read_all(int fd) {
  std::vector<std::uint64_t> found;
  std::uint64_t number = 0;
  for (off_t at = 0; pread(fd, &number, sizeof number, at) == sizeof number; at += sizeof number)
    found.push_back(number);
  return found;
}

}  // namespace

ledger::ledger() : fd_(memfd_create("ledger", MFD_CLOEXEC)) {}
ledger::~ledger() {
  close(fd_);
}

std::string ledger::place() const {
  return "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(fd_);
}

std::map<std::uint64_t, int> ledger::notes() const {
  std::map<std::uint64_t, int> found;
  for (const auto number : sequence()) ++found[number];
  return found;
}

std::vector<std::uint64_t> ledger::sequence() const {
  return read_all(fd_);
}

std::vector<std::uint64_t> notes_at(const std::string& place) {
  const int fd = open(place.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) std::abort();
  auto found = read_all(fd);
  close(fd);
  return found;
}

void note(const std::string& place, std::uint64_t number) {
  const int fd = open(place.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (fd < 0 || write(fd, &number, sizeof number) != sizeof number) std::abort();
  close(fd);
}

}  // namespace test
