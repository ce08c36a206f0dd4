// What a control server reads of its clients, and `troupe` of a program.
#include <troupe/wire/control.hpp>

#include <cstdlib>
#include <cstring>
#include <vector>

namespace wire = troupe::wire;
namespace schema = troupe::schema;

namespace {

/// All that the server looks at.
void read_request(std::span<const std::byte> frame) {
  const wire::checked_message<wire::ControlRequest> request{frame};
  if (request->isRestart()) static_cast<void>(std::strlen(request->getRestart().cStr()));
}

/// All that the program `troupe` looks at, more than once.
void read_answer(std::span<const std::byte> frame) {
  const wire::checked_message<wire::ControlAnswer> answer{frame};
  if (answer->isRefused()) static_cast<void>(answer->getRefused().size());
  if (answer->isRestarted()) static_cast<void>(answer->getRestarted().getPath().size());
  if (!answer->isTree()) return;
  for (int times = 0; times < 2; ++times)
    for (const auto node : answer->getTree().getNodes())
      for (const auto text : {node.getName(), node.getPath(), node.getRole()})
        if (std::strlen(text.cStr()) > text.size()) std::abort();
}

template <class Read>
void attempt(Read read, std::span<const std::byte> frame) {
  try {
    read(frame);
  } catch (const kj::Exception&) {
    // refused
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<std::uint64_t> words(size / 8 + 1);
  std::memcpy(words.data(), data, size);
  auto stream = std::as_bytes(std::span{words}).first(size);
  for (;;) {
    const auto head = wire::read_frame_head(stream, schema::MAX_CONTROL_REQUEST_BYTES);
    if (head.is != wire::frame_head::state::known || head.bytes > stream.size()) return 0;
    attempt(read_request, stream.first(head.bytes));
    attempt(read_answer, stream.first(head.bytes));
    stream = stream.subspan(head.bytes);
  }
}
