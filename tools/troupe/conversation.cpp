#include "conversation.hpp"

#include <kj/exception.h>

#include "errors.hpp"
#include "troupe/os/local_socket.hpp"

namespace troupe::tool {

namespace {

constexpr std::size_t max_answer_bytes = std::size_t{64} << 20;
constexpr std::size_t read_bytes = std::size_t{64} << 10;

}  // namespace

int conversation::peer_pid() const {
  const auto who = os::identity_of_peer(socket_);
  return who ? who->pid : 0;
}

void conversation::ask(const std::function<void(schema::ControlRequest::Builder)>& fill) {
  capnp::MallocMessageBuilder builder;
  fill(builder.initRoot<schema::ControlRequest>());
  const auto frame = wire::control_frame(builder);
  if (frame.size() > schema::MAX_CONTROL_REQUEST_BYTES)
    throw trouble{exit_status::usage, "this name is too long for any child"};
  const auto sent = os::send_some(socket_, frame);  // fits: nothing else waits in the socket
  if (sent.bytes != frame.size()) throw trouble{exit_status::no_answer, with_ + " has just ended"};
}

conversation::heard conversation::listen_now(
    const std::function<void(schema::ControlAnswer::Reader)>& use) {
  try {
    for (;;) {
      const auto head = wire::read_frame_head(bytes_.view(), max_answer_bytes);
      if (head.is == wire::frame_head::state::bad_segments ||
          head.is == wire::frame_head::state::too_large)
        throw trouble{exit_status::no_answer, with_ + " answers what this program can't read"};
      if (head.is == wire::frame_head::state::known && head.bytes <= bytes_.size()) {
        const wire::checked_message<schema::ControlAnswer> answer{bytes_.view().first(head.bytes)};
        use(*answer);
        bytes_.drop(head.bytes);
        return heard::answer;
      }
      const auto got = os::read_some(socket_, {bytes_.reserve(read_bytes), read_bytes});
      if (got.why == os::transfer::end::closed) return heard::ended;
      if (got.why == os::transfer::end::would_block) return heard::nothing;
      bytes_.commit(got.bytes);
    }
  } catch (const kj::Exception& e) {
    throw trouble{exit_status::no_answer,
                  with_ + " answers what this program can't read: " + e.getDescription().cStr()};
  }
}

conversation::heard conversation::listen(
    std::chrono::milliseconds limit,
    const std::function<void(schema::ControlAnswer::Reader)>& use) {
  const auto until = std::chrono::steady_clock::now() + limit;
  for (;;) {
    const heard what = listen_now(use);
    if (what != heard::nothing) return what;
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    if (left.count() <= 0) return heard::nothing;
    const int fds[] = {socket_.get()};
    os::wait_readable(fds, static_cast<int>(left.count()));
  }
}

void conversation::await(std::chrono::milliseconds limit,
                         const std::function<void(schema::ControlAnswer::Reader)>& use) {
  const auto what = listen(limit, [&](schema::ControlAnswer::Reader answer) {
    if (answer.isRefused()) throw trouble{exit_status::refused, answer.getRefused().cStr()};
    use(answer);
  });
  if (what == heard::ended) throw trouble{exit_status::no_answer, with_ + " has just ended"};
  if (what == heard::nothing)
    throw trouble{exit_status::no_answer,
                  with_ + " does not answer within " + std::to_string(limit.count()) +
                      " ms: it is stopped (kill -CONT " + std::to_string(peer_pid()) +
                      " lets it go on) or the machine is overloaded"};
}

}  // namespace troupe::tool
