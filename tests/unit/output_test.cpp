#include <support/catch.hpp>
#include <troupe/os/output.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <limits>
#include <string>
#include <thread>

using troupe::os::output;

namespace {

struct pipe_of_text {
  pipe_of_text() { REQUIRE(pipe2(ends.data(), O_CLOEXEC) == 0); }
  ~pipe_of_text() {
    for (const int fd : ends)
      if (fd >= 0) close(fd);
  }
  pipe_of_text(const pipe_of_text&) = delete;
  pipe_of_text& operator=(const pipe_of_text&) = delete;
  /// All that is in it.
  std::string read_all() {
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    std::string all;
    std::array<char, 4096> some;
    for (ssize_t n = 0; (n = read(ends[0], some.data(), some.size())) > 0;)
      all.append(some.data(), static_cast<std::size_t>(n));
    return all;
  }
  std::array<int, 2> ends{-1, -1};
};

std::string line(int number) {
  return std::to_string(number) + std::string(90, '.') + '\n';
}

}  // namespace

TEST_CASE("output that nobody reads is kept in its order, and what is too much is counted",
          "[os][output]") {
  pipe_of_text pipe;
  output out{pipe.ends[1]};
  constexpr int lines = 10'000;  // far more than a pipe and what is kept
  for (int i = 0; i < lines; ++i) out.write(line(i));
  CHECK(out.keeps_any());
  std::string all;
  for (bool done = false; !done;) {
    done = out.flush();
    all += pipe.read_all();
  }
  CHECK_FALSE(out.keeps_any());
  std::size_t at = 0;
  int taken = 0;
  for (; all.compare(at, line(taken).size(), line(taken)) == 0; ++taken) at += line(taken).size();
  CHECK(taken > 3'000);
  CHECK(all.substr(at) == "troupe: " + std::to_string(lines - taken) +
                              " lines for stderr are lost: nobody read it for too long\n");
  out.write("again\n");
  CHECK(pipe.read_all() == "again\n");
}

TEST_CASE("output that nobody will read is dropped, without a signal", "[os][output]") {
  pipe_of_text pipe;
  output out{pipe.ends[1]};
  close(std::exchange(pipe.ends[0], -1));
  CHECK_FALSE(out.has_failed());
  out.write("gone\n");
  CHECK_FALSE(out.keeps_any());
  CHECK(out.has_failed());
}

TEST_CASE("output without a limit loses nothing, and its end waits for the reader",
          "[os][output]") {
  pipe_of_text pipe;
  output out{pipe.ends[1], std::numeric_limits<std::size_t>::max()};
  std::string all;
  for (int i = 0; i < 10'000; ++i) {
    out.write(line(i));
    all += line(i);
  }
  REQUIRE(out.keeps_any());
  std::string got;
  std::thread reader{[&] {
    std::array<char, 4096> some;
    for (ssize_t n = 0; (n = read(pipe.ends[0], some.data(), some.size())) > 0;)
      got.append(some.data(), static_cast<std::size_t>(n));
  }};
  out.finish(-1);
  CHECK_FALSE(out.keeps_any());
  CHECK_FALSE(out.has_failed());
  // `out` has a description of its own, which goes with it.
  out = output{STDERR_FILENO};
  close(std::exchange(pipe.ends[1], -1));
  reader.join();
  CHECK(got == all);
}

TEST_CASE("who ends waits only so long for the reader of its output", "[os][output]") {
  pipe_of_text pipe;
  output out{pipe.ends[1]};
  for (int i = 0; i < 2'000; ++i) out.write(line(i));
  REQUIRE(out.keeps_any());
  out.finish(20);
  CHECK(out.keeps_any());
}
