// A worker as somebody else might write it, who knows the schema and nothing of the library.
//   foreign_worker VERSION   says hello in that version of the protocol, then answers every request
//                            with the bytes it came with
//   foreign_worker silent    says nothing and waits
#include <capnp/serialize.h>
#include <fcntl.h>
#include <schemas/envelope.capnp.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace schema = troupe::schema;

int main(int, char** argv) {
  constexpr int in = 3, out = 4, control = 5;
  if (std::strcmp(argv[1], "silent") == 0) pause();
  {
    capnp::MallocMessageBuilder message;
    auto envelope = message.initRoot<schema::Envelope>();
    envelope.setKind(schema::Envelope::Kind::HELLO);
    auto hello = envelope.getBody().initHello();
    hello.setProtocolVersion(static_cast<std::uint32_t>(std::atoi(argv[1])));
    capnp::writeMessageToFd(control, message);
  }
  for (const int fd : {in, out}) fcntl(fd, F_SETFL, 0);  // both come non-blocking
  kj::FdInputStream input{in};
  kj::BufferedInputStreamWrapper buffered{input};
  while (buffered.tryGetReadBuffer().size() != 0) {
    capnp::InputStreamMessageReader request{buffered};
    const auto envelope = request.getRoot<schema::Envelope>();
    if (envelope.getKind() != schema::Envelope::Kind::REQUEST) continue;
    capnp::MallocMessageBuilder message;
    auto answer = message.initRoot<schema::Envelope>();
    answer.setKind(schema::Envelope::Kind::ANSWER);
    answer.setNumber(envelope.getNumber());
    answer.getBody().setPlain(envelope.getBody().getPlain());
    capnp::writeMessageToFd(out, message);
  }
}
