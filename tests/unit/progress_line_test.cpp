#include <support/catch.hpp>

#include <fcntl.h>
#include <pty.h>
#include <unistd.h>

#include <string>
#include <troupe/progress_line.hpp>

using namespace std::chrono_literals;
using troupe::progress_line;

namespace {

/// stderr is somewhere else while it lives.
class stderr_at {
public:
  explicit stderr_at(int fd) : kept_(fcntl(2, F_DUPFD_CLOEXEC, 3)) { dup2(fd, 2); }
  stderr_at(const stderr_at&) = delete;
  stderr_at& operator=(const stderr_at&) = delete;
  ~stderr_at() {
    dup2(kept_, 2);
    close(kept_);
  }

private:
  int kept_;
};

/// What can be read now.
/// All that was written to the other end, which this closes: a terminal hands it on in pieces.
std::string text_at(int fd, int other_end) {
  close(other_end);
  std::string text;
  char piece[4096];
  for (ssize_t got = 0; (got = read(fd, piece, sizeof piece)) > 0;)
    text.append(piece, static_cast<std::size_t>(got));
  close(fd);
  return text;
}

}  // namespace

TEST_CASE("a progress line says how far, how fast and how long yet", "[progress]") {
  CHECK(progress_line::text(0, 100, 0s, "") == "0 of 100 (0%), 0.0/s, -:-- left");
  CHECK(progress_line::text(25, 100, 5s, "") == "25 of 100 (25%), 5.0/s, 0:15 left");
  CHECK(progress_line::text(1000, 100'000, 10s, "4 workers") ==
        "1000 of 100000 (1%), 100/s, 16:30 left, 4 workers");
  CHECK(progress_line::text(100, 100, 5s, "") == "100 of 100 (100%), 20/s, 0:00 left");
}

TEST_CASE("on a terminal one line is written over, and cleared at the end", "[progress]") {
  int ours = -1;
  int theirs = -1;
  winsize size{};
  size.ws_row = 10;
  size.ws_col = 30;
  REQUIRE(openpty(&ours, &theirs, nullptr, nullptr, &size) == 0);
  {
    const stderr_at terminal{theirs};
    progress_line line{100};
    line.show(0, "2 workers and a long text");
    line.show(100, "");
  }
  const std::string text = text_at(ours, theirs);
  CHECK(text.find('\n') == std::string::npos);
  CHECK(text.find("\r0 of 100 (0%), ") == 0);
  CHECK(text.find("\r100 of 100 (100%)") != std::string::npos);
  CHECK(text.substr(text.size() - 4) == "\r\033[K");
  CHECK(text.find('\r', 1) <= 30 + 3);  // cut where the terminal ends
}

TEST_CASE("elsewhere there is a plain line now and then", "[progress]") {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const auto start = std::chrono::steady_clock::now();
  {
    const stderr_at file{ends[1]};
    progress_line line{100};
    line.show(1, "", start);  // at once there is nothing to tell
    line.show(20, "2 workers", start + 2s);
    line.show(30, "2 workers", start + 3s);
    line.show(70, "2 workers", start + 8s);
  }
  const std::string text = text_at(ends[0], ends[1]);
  CHECK(text.find("20 of 100 (20%)") == 0);
  CHECK(text.find("30 of") == std::string::npos);
  CHECK(text.find("\n70 of 100 (70%)") != std::string::npos);
  CHECK(text.back() == '\n');
  CHECK(text.find('\r') == std::string::npos);
}
