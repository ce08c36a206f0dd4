#include "troupe/engine/worker.hpp"

#include <cstdlib>
#include <deque>
#include <memory>
#include <string>

#include "troupe/engine/process_settings.hpp"
#include "troupe/engine/ring_writer.hpp"
#include "troupe/os/child.hpp"
#include "troupe/os/code_address.hpp"
#include "troupe/os/random.hpp"
#include "troupe/os/shared_memory.hpp"
#include "troupe/os/spin.hpp"
#include "troupe/wire/envelope.hpp"

namespace troupe::engine {

using namespace std::chrono_literals;
using wire::Envelope;
using wire::shared_page;

namespace {

constexpr std::size_t flush_bytes = 16 * 1024;  // a quarter of a default pipe
constexpr auto flush_age = 100us;

core* the_core = nullptr;
std::unique_ptr<core> own_core;
bool is_worker = false;
int exit_code = 0;

const void* code_from(schema::Code::Reader code) {
  const auto id = code.getBuildId();
  return os::resolve(
      {std::string{reinterpret_cast<const char*>(id.begin()), id.size()}, code.getOffset()});
}

class worker {
public:
  /// Borrows the descriptors; needs `page` only for the mapping.
  worker(int in, int out, int control, int page)
      : in_(in),
        control_fd_(control),
        memory_(page, shared_page::total_bytes),
        page_(*reinterpret_cast<shared_page*>(memory_.data())),
        inbox_(process_settings().max_message_bytes),
        control_(max_control_frame_bytes),
        ring_(page_, memory_.data() + shared_page::ring_offset, out) {}

  void say_hello() {
    capnp::word words[64] = {};  // on the stack: a fresh process pays for each page it touches
    capnp::MallocMessageBuilder builder{kj::arrayPtr(words + 1, 63)};
    auto envelope = builder.initRoot<Envelope>();
    envelope.setKind(Envelope::Kind::HELLO);
    auto hello = envelope.getBody().initHello();
    hello.setProtocolVersion(schema::PROTOCOL_VERSION);
    const std::string& id = os::own_build_id();
    hello.setBuildId({reinterpret_cast<const kj::byte*>(id.data()), id.size()});
    auto address = hello.initAddress();
    const os::random_bits incarnation = os::random_number();
    address.setIncarnationHigh(incarnation.high);
    address.setIncarnationLow(incarnation.low);
    const auto segments = builder.getSegmentsForOutput();
    KJ_REQUIRE(segments.size() == 1);
    const std::uint32_t table[2] = {0, static_cast<std::uint32_t>(segments[0].size())};
    std::memcpy(words, table, sizeof table);
    os::send_some(
        control_fd_,
        std::as_bytes(std::span{words}).first((1 + segments[0].size()) * sizeof words[0]));
  }

  /// Handles what there is to read, writes the answers, and pauses or sleeps when there was
  /// nothing.
  void turn() {
    const auto got = inbox_.read(in_, scratch_, [this](auto frame) { on_frame(frame); });
    if (got == inbox::state::closed) end(0);
    ring_.flush();
    if (got == inbox::state::open) {
      spin_.reset();
    } else if (!spin_.again()) {
      sleep();
    }
  }

  void host(std::uint64_t target, stub_function stub) {
    actor a;
    a.target = target;
    a.stub = stub;
    actors_.push_back(std::move(a));
  }

private:
  struct actor {
    std::uint64_t target = 0;
    stub_function stub = nullptr;
    const void* function = nullptr;
    std::string name;
    bool once = false;
    bool cancelled = false;
  };

  /// Builds the one answer of a request in the ring.
  class reply final : public answer_writer {
  public:
    reply(worker& to, std::uint64_t number, const actor& who)
        : worker_(to), number_(number), actor_(who) {}

    void payload(const payload_source& what) override {
      if (number_ == 0) return;
      const std::size_t room = wire::envelope_bytes(what);
      const std::size_t limit = process_settings().max_message_bytes;
      if (room > limit) {
        fail(errc::too_large, "the answer of " + actor_.name + " has " + std::to_string(room) +
                                  " bytes, the limit is " + std::to_string(limit) +
                                  "; write it to a file and answer its name, or raise "
                                  "max_message_bytes");
        return;
      }
      worker_.ring_.add(room, [&](std::byte* at) {
        return worker_.writer_.write(at, room, Envelope::Kind::ANSWER, number_, 0, what);
      });
    }

    void fail(errc code, const std::string& text) override {
      if (actor_.once || number_ == 0) os::write_all(os::worker_fd::errors, line_of(text));
      if (actor_.once) exit_code = 1;
      if (number_ == 0) return;
      wire::byte_queue frame;
      wire::append_envelope(frame, Envelope::Kind::FAILURE, number_, 0,
                            [&](Envelope::Builder e) { wire::set_failure(e, code, text); });
      worker_.ring_.add(frame.size(), [&](std::byte* at) {
        std::memcpy(at, frame.data(), frame.size());
        return frame.size();
      });
    }

  private:
    std::span<const std::byte> line_of(const std::string& text) {
      line_ = actor_.name + ": " + text + '\n';
      return std::as_bytes(std::span{line_});
    }

    worker& worker_;
    std::uint64_t number_;
    const actor& actor_;
    std::string line_;
  };

  void on_frame(std::span<const std::byte> frame) {
    if (page_.attention.load(std::memory_order_acquire) != attention_) read_control();
    const wire::incoming& message = reader_.read(frame);
    auto& progress = page_.progress[shared_page::parent_slot];
    const std::uint64_t number = message.number;
    progress.begun.store(number, std::memory_order_release);
    bool once = false;
    switch (message.kind) {
      case Envelope::Kind::REQUEST:
        once = call(message, number);
        break;
      case Envelope::Kind::TELL:
        once = call(message, 0);
        break;
      case Envelope::Kind::BIND:
        bind(message);
        break;
      case Envelope::Kind::UNBIND:
        unbind(message.target);
        break;
      default:
        KJ_FAIL_REQUIRE("a kind of message that no parent sends", number);
    }
    progress.finished.store(number, std::memory_order_release);
    if (once) end(exit_code);
    if (ring_.unwritten() >= flush_bytes) ring_.flush();
  }

  /// True when the process is to end now.
  bool call(const wire::incoming& message, std::uint64_t number) {
    static const actor nobody{0, nullptr, nullptr, "troupe", false, false};
    // Answers wait for company, but not behind a long call.
    if (ring_.unwritten() != 0) {
      const auto now = clock::now();
      if (now - last_flush_ > flush_age) {
        ring_.flush();
        last_flush_ = now;
      }
    }
    const actor* const found = find(message.target);
    if (found == nullptr || found->cancelled) {
      reply answer{*this, number, nobody};
      if (found == nullptr) {
        answer.fail(errc::unknown_message,
                    "no actor of this process has the number " + std::to_string(message.target));
      } else {
        answer.fail(errc::stopped, "the call was abandoned; not begun");
      }
      return false;
    }
    const actor& who = *found;
    reply answer{*this, number, who};
    incoming_call call{message.payload, answer};
    who.stub(who.function, call);
    return who.once;
  }

  void bind(const wire::incoming& message) {
    KJ_REQUIRE(message.envelope != nullptr && message.envelope->getBody().isBind());
    const auto body = message.envelope->getBody().getBind();
    actor a;
    a.stub = reinterpret_cast<stub_function>(const_cast<void*>(code_from(body.getStub())));
    if (body.hasFunction()) a.function = code_from(body.getFunction());
    a.name = body.getName().cStr();
    a.once = body.getOnce();
    KJ_REQUIRE(a.stub != nullptr, "a function that this binary does not have");
    a.target = message.target;
    actors_.push_back(std::move(a));
  }

  void unbind(std::uint64_t target) {
    std::erase_if(actors_, [target](const actor& a) { return a.target == target; });
  }

  /// Hardly ever more than one, the newest at the back.
  actor* find(std::uint64_t target) {
    for (auto a = actors_.rbegin(); a != actors_.rend(); ++a)
      if (a->target == target) return &*a;
    return nullptr;
  }

  void read_control() {
    attention_ = page_.attention.load(std::memory_order_acquire);
    for (;;) {
      const auto got =
          control_.read(control_fd_, control_scratch_, [this](auto frame) { on_control(frame); });
      if (got == inbox::state::closed) end(0);
      if (got == inbox::state::drained) return;
    }
  }

  void on_control(std::span<const std::byte> frame) {
    const wire::checked_envelope envelope{frame};
    if (envelope->getKind() == Envelope::Kind::STOP) end(0);
    if (envelope->getKind() != Envelope::Kind::CANCEL) return;
    if (actor* const found = find(envelope->getTarget())) found->cancelled = true;
  }

  /// Until something comes: no timer of its own, so an idle worker never wakes. One that has
  /// processes of its own looks after them meanwhile.
  void sleep() {
    spin_.reset();
    if (the_core == nullptr) {
      const int watched[] = {in_, control_fd_};
      if ((os::wait_readable(watched, -1) & 2U) != 0) read_control();
      return;
    }
    the_core->run_once(clock::now());
    const int watched[] = {in_, control_fd_, the_core->fd()};
    if ((os::wait_readable(watched, the_core->milliseconds_to_timer()) & 2U) != 0) read_control();
  }

  [[noreturn]] void end(int code) {
    ring_.flush();
    if (own_core) {
      own_core->stop_all(5s);
      own_core.reset();
    }
    os::end_process(code);
  }

  int in_;
  int control_fd_;
  os::shared_mapping memory_;
  shared_page& page_;
  scratch scratch_;
  scratch control_scratch_{control_buffer_bytes};
  inbox inbox_;
  wire::envelope_reader reader_;
  wire::envelope_writer writer_;
  inbox control_;
  ring_writer ring_;
  os::spin_wait spin_;
  std::deque<actor> actors_;
  std::uint32_t attention_ = 0;
  clock::time_point last_flush_{};
};

}  // namespace

core_options& process_settings() {
  static core_options settings;
  return settings;
}

std::string new_mark() {
  const os::random_bits number = os::random_number();
  return std::to_string(number.high) + '-' + std::to_string(number.low);
}

void warm_up_worker() {
  const auto in = os::open_pipe(true);
  const auto out = os::open_pipe(true);
  const auto control = os::open_socket_pair(false);
  const auto memory = os::create_shared_memory("troupe-warm-up", shared_page::total_bytes);
  worker w{in.read, out.write, control.there, memory};
  w.say_hello();
  w.host(1, [](const void*, incoming_call& call) {
    payload_source same;
    same.plain_bytes = call.arguments.plain.size();
    same.value = call.arguments.plain.data();
    same.write = [](const void* from, std::byte* to) { std::memcpy(to, from, 1); };
    call.answer.payload(same);
  });
  std::uint64_t words[16];
  auto* const frame = reinterpret_cast<std::byte*>(words);
  payload_source letter;
  letter.plain_bytes = 1;
  letter.value = "x";
  letter.write = [](const void* from, std::byte* to) { std::memcpy(to, from, 1); };
  wire::envelope_writer writer;
  for (std::uint64_t number = 1; number <= 2; ++number) {
    const std::size_t room = wire::envelope_bytes(letter);
    writer.write(frame, room, Envelope::Kind::REQUEST, number, 1, letter);
    os::write_some(in.write, {frame, room});
    w.turn();
    for (int i = 0; i < 8; ++i) w.turn();  // as many empty reads as look at the clock
  }
}

void worker_main() {
  is_worker = true;
  os::set_process_name(os::worker_name);
  the_core = nullptr;
  process_settings().adopts_orphans = false;
  try {
    using namespace os::worker_fd;
    worker w{in, out, control, page};
    os::descriptor{page} = nullptr;  // mapped by now
    w.say_hello();
    for (;;) w.turn();
  } catch (const kj::Exception& e) {
    const std::string text =
        "troupe: this worker can't go on: " + std::string{e.getDescription().cStr()} + '\n';
    os::write_all(os::worker_fd::errors, std::as_bytes(std::span{text}));
    os::end_process(70);  // EX_SOFTWARE
  }
}

bool in_worker() {
  return is_worker;
}

core& local_core() {
  if (the_core == nullptr) {
    own_core = std::make_unique<core>(process_settings());
    the_core = own_core.get();
  }
  return *the_core;
}

void set_local_core(core* root) {
  the_core = root;
}

void set_exit_code(int code) {
  exit_code = code;
}

}  // namespace troupe::engine
