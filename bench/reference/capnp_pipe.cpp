// capnp_pipe: one-way Cap'n Proto messages with a body of 64 bytes, written 64 KiB at a time to a
// pipe of 1 MiB and read in place. The clock stops when the receiver has said what it got.
#include <message.capnp.h>

#include "frames.hpp"

using namespace reference;

namespace {

constexpr std::uint64_t messages = 5'000'000;
constexpr std::size_t batch_words = 8192;
constexpr std::size_t message_words = 16;  // more than enough for one

}  // namespace

int main() {
  const double cpu_before = cpu_us();
  const child sink = child::forked(
      [](int in, int out) {
        std::uint64_t sum = 0;
        stream from{in};
        while (from.read_some([&](capnp::MessageReader& reader) {
          const auto mail = reader.getRoot<Mail>();
          require(mail.getBody().size() == 64, "a wrong body");
          sum += mail.getNumber();
        })) {
        }
        write_all(out, &sum, sizeof sum);
      },
      1 << 20);
  std::array<kj::byte, 64> body;
  body.fill('x');
  std::vector<capnp::word> batch(batch_words);
  std::size_t held = 0;
  const auto send = [&] {
    write_all(sink.to, batch.data(), held * sizeof(capnp::word));
    held = 0;
  };
  const auto begin = clock::now();
  for (std::uint64_t i = 0; i < messages; ++i) {
    if (batch_words - held < message_words) send();
    held += build(batch.data() + held, message_words, [&](capnp::MessageBuilder& builder) {
      auto mail = builder.initRoot<Mail>();
      mail.setNumber(i);
      mail.setKind(1);
      mail.setBody(kj::arrayPtr(body.data(), body.size()));
    });
  }
  send();
  close(sink.to);
  std::uint64_t sum = 0;
  require(read_all(sink.from, &sum, sizeof sum), "no sum");
  const double seconds = us(clock::now() - begin) / 1e6;
  require(sum == messages * (messages - 1) / 2, "a wrong sum");
  close(sink.from);
  require(waitpid(sink.pid, nullptr, 0) == sink.pid, "waitpid");
  const double count = static_cast<double>(messages);
  value("B2", "capnp_pipe_batched64k", "rate", count / seconds, "msg/s");
  value("B2", "capnp_pipe_batched64k", "cpu_per_msg", (cpu_us() - cpu_before) / count, "us");
}
