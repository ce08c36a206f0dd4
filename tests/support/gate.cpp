#include <support/gate.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

namespace test {

namespace {

int opened(const std::string& place, int how) {
  for (;;) {
    const int fd = open(place.c_str(), how | O_CLOEXEC);
    if (fd >= 0 || errno != EINTR) return fd;
  }
}

}  // namespace

gate::gate() {
  static std::atomic<int> made{0};
  place_ = "/tmp/troupe-test-gate." + std::to_string(getpid()) + '.' + std::to_string(made++);
  unlink(place_.c_str());
  if (mkfifo(place_.c_str(), 0600) != 0) place_.clear();
}

gate::~gate() {
  if (fd_ >= 0) close(fd_);
  unlink(place_.c_str());
}

void gate::open() {
  if (fd_ < 0) fd_ = opened(place_, O_RDWR);
}

void open_gate(const std::string& place) {
  opened(place, O_RDWR);  // until this process ends
}

void pass(const std::string& place) {
  const int fd = opened(place, O_RDONLY);
  if (fd >= 0) close(fd);
}

}  // namespace test
