#include "troupe/engine/worker.hpp"

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "troupe/engine/arrivals.hpp"
#include "troupe/engine/bind.hpp"
#include "troupe/engine/process_settings.hpp"
#include "troupe/engine/progress_writer.hpp"
#include "troupe/engine/uplink.hpp"
#include "troupe/os/child.hpp"
#include "troupe/os/code_address.hpp"
#include "troupe/os/limits.hpp"
#include "troupe/os/random.hpp"
#include "troupe/os/spin.hpp"

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

/// Serves the mailbox. As long as the process has functions alone, and neither actors nor processes
/// of its own, it reads, calls and answers without a loop. Then `core` runs it: what arrives waits
/// in line, so that answers get through to a handler that blocks, and messages can overtake one
/// another.
class worker final : public event_handler {
public:
  worker(int in, int out, int control, int page)
      : link_(in, out, control, page), progress_(link_.page().progress[shared_page::parent_slot]) {}

  uplink& link() noexcept { return link_; }

  /// Handles what there is to read, writes the answers, and pauses or sleeps when there was
  /// nothing.
  void turn() {
    if (looped_) {
      turn_of_loop();
      return;
    }
    const auto got = link_.read([this](auto frame) { arrived(frame); });
    if (looped_) return;  // because of what arrived
    if (got == inbox::state::closed) end(0);
    flush();
    if (got == inbox::state::open) {
      spin_.reset();
    } else if (!spin_.again()) {
      sleep();
    }
  }

  void host(std::uint64_t target, stub_function stub) {
    role_actor a;
    a.target = target;
    a.stub = stub;
    actors_.push_back(std::move(a));
  }

  /// From now on `core` runs this process.
  void join_loop() {
    if (looped_) return;
    looped_ = true;
    core& loop = *the_core;
    const core::guard mine{loop};
    link_.read_rest([this](auto frame) { put_in_line(frame); });  // the function may read more
    slot_ = loop.take_slot(*this);
    loop.watch(slot_, static_cast<unsigned>(event::data), link_.in());
    loop.watch(slot_, static_cast<unsigned>(event::control), link_.control());
    loop.set_uplink(&link_);
  }

  void on_event(unsigned which, bool, bool) override {
    if (static_cast<event>(which) == event::control) {
      read_control();
    } else {
      read_into_line();
      while (running_ != 0 && step()) {
      }
    }
  }

  void end_soon(int code) {
    ending_ = true;
    exit_code = code;
  }
  void offer_again() { line_.offer_again(); }

  void start_goes_on() noexcept { start_lasts_ = true; }
  void start_is_over(const std::optional<std::string>& why_not) {
    if (!std::exchange(start_lasts_, false) || start_number_ == 0) return;
    const std::uint64_t number = std::exchange(start_number_, 0);
    if (why_not) {
      exit_code = 1;
      link_.fail(number, errc::start_failed, *why_not);
    } else {
      link_.answer(number, {});
    }
    link_.flush();
  }

private:
  enum class event : unsigned { data = 1, control };

  struct role_actor {
    std::uint64_t target = 0;
    stub_function stub = nullptr;
    const void* function = nullptr;
    std::string name;
    bool once = false;
    bool cancelled = false;
    bool actor = false;  ///< the first message makes it, the bridge has it then
    bool made = false;
  };

  /// Builds the one answer of a request in the ring.
  class reply final : public answer_writer {
  public:
    reply(worker& to, std::uint64_t number, const role_actor& who)
        : worker_(to), number_(number), actor_(who) {}

    void part(const payload_source& what) override {
      const auto mine = worker_.own_loop();
      worker_.link_.part(number_, what);
      worker_.link_.flush();
    }
    void payload(const payload_source& what) override {
      const auto mine = worker_.own_loop();
      if (number_ != 0) worker_.link_.answer(number_, what);
    }

    void fail(errc code, const std::string& text) override {
      const auto mine = worker_.own_loop();
      if (actor_.once || number_ == 0) os::write_all(os::worker_fd::errors, line_of(text));
      if (actor_.once) exit_code = 1;
      if (number_ != 0) worker_.link_.fail(number_, code, text);
    }

  private:
    std::span<const std::byte> line_of(const std::string& text) {
      line_ = actor_.name + ": " + text + '\n';
      return std::as_bytes(std::span{line_});
    }

    worker& worker_;
    std::uint64_t number_;
    const role_actor& actor_;
    std::string line_;
  };

  /// What is written to the link belongs to the loop, if there is one.
  [[nodiscard]] std::unique_ptr<core::guard> own_loop() const {
    return looped_ ? std::make_unique<core::guard>(*the_core) : nullptr;
  }

  /// But while handlers run.
  void own_for_good() {
    if (!owns_loop_) the_core->enter();
    owns_loop_ = true;
  }

  /// A frame that was just read.
  void arrived(std::span<const std::byte> frame) {
    if (looped_) {
      put_in_line(frame);
      return;
    }
    look_at_control();
    const wire::incoming& message = link_.parse(frame);
    const std::uint64_t number = message.number;
    progress_.begin(number);
    const bool last = handle(message, number);
    if (looped_) own_for_good();  // what was called made one, which the keeper may run by now
    progress_.finish();
    if (last) end(exit_code);
    if (link_.unwritten() >= flush_bytes) link_.flush();
  }

  /// Answers at once: a handler may be waiting for them. All else in its turn.
  void put_in_line(std::span<const std::byte> frame) {
    const std::uint32_t urgent = link_.page().urgent.load(std::memory_order_acquire);
    bool overtakes = false;
    if (urgent != urgent_seen_ || link_.awaits_answers()) {
      const wire::incoming& message = link_.parse(frame);
      if (message.kind == Envelope::Kind::ANSWER || message.kind == Envelope::Kind::FAILURE) {
        link_.take_answer(message);
        return;
      }
      overtakes = message.priority != 0;
      if (overtakes) ++urgent_seen_;
    }
    line_.add(frame, overtakes);
  }

  void read_into_line() {
    if (closed_) return;
    const auto got = link_.read([this](auto frame) { put_in_line(frame); });
    if (got != inbox::state::closed) return;
    closed_ = true;
    ending_ = true;
    the_core->unwatch(link_.in());
  }

  void turn_of_loop() {
    core& loop = *the_core;
    own_for_good();
    while (!ending_ && step()) spin_.reset();
    if (ending_) end(exit_code);
    const bool more = loop.actors() != nullptr && loop.actors()->run_actors();
    if (ending_) end(exit_code);
    flush();
    const auto before = line_.empty();
    read_into_line();
    if (more || !line_.empty() || !before) {
      spin_.reset();
      if (++turns_ % 64 == 0) loop.run_once(clock::now());  // others have their turn too
    } else if (!spin_.again()) {
      spin_.reset();
      loop.run_once(std::nullopt);
    }
  }

  /// One message of the line; false when none can be handled now. While a function runs, which
  /// waits in the loop or computes beside it, only messages to actors of this process can: to its
  /// rt.self(), for example.
  bool step() {
    look_at_control();
    std::span<const std::byte> frame;
    const auto from = line_.next(frame, nobody_waits_to_be_made());
    if (from == arrivals::from::nowhere) return false;
    const wire::incoming& message = link_.parse(frame);
    const bool to_actor = the_core->actors() != nullptr && for_the_bridge(message);
    if (running_ != 0 && !to_actor) return false;
    const std::uint64_t number = message.number;
    const std::size_t bytes = frame.size();
    switch (from) {
      case arrivals::from::skipped:
        progress_.begin_again(number);
        break;
      case arrivals::from::urgent:
        progress_.begin_early(number);
        break;
      default:
        progress_.begin(number);
    }
    if (to_actor) {
      flush_if_old();
      link_.hurry(!os::has_one_core() && from == arrivals::from::line && line_.ends_with(bytes));
      const bool taken = the_core->actors()->on_message(link_, message);
      link_.hurry(false);
      if (!taken) {
        progress_.skip(number);
        line_.skipped(from, bytes);
        return true;
      }
    } else {
      // A copy: what the function does may put more in line.
      std::vector<std::uint64_t> own(bytes / sizeof(std::uint64_t));
      std::memcpy(own.data(), frame.data(), bytes);
      line_.handled(from, bytes);
      if (handle(link_.parse(std::as_bytes(std::span{own})), number)) ending_ = true;
    }
    if (running_ != 0) {
      progress_.finish_within(running_);
    } else {
      progress_.finish();
    }
    if (to_actor) line_.handled(from, bytes);
    if (link_.unwritten() >= flush_bytes) link_.flush();
    return true;
  }

  /// Whether each actor has had the message that it is made of, which none may overtake.
  [[nodiscard]] bool nobody_waits_to_be_made() const {
    return !actors_.empty() && std::all_of(actors_.begin(), actors_.end(),
                                           [](const role_actor& a) { return a.made || !a.actor; });
  }

  bool for_the_bridge(const wire::incoming& message) {
    if (message.kind != Envelope::Kind::REQUEST && message.kind != Envelope::Kind::TELL)
      return message.kind == Envelope::Kind::WATCH;
    if (message.envelope != nullptr && message.envelope->hasContext() &&
        message.envelope->getContext().hasReceiver())
      return true;
    const role_actor* const found = find(message.target);
    return found == nullptr || found->made;
  }

  /// True when the process is to end now.
  bool handle(const wire::incoming& message, std::uint64_t number) {
    switch (message.kind) {
      case Envelope::Kind::REQUEST:
        return call(message, number);
      case Envelope::Kind::TELL:
        return call(message, 0);
      case Envelope::Kind::BIND:
        bind(message);
        return false;
      case Envelope::Kind::UNBIND:
        unbind(message.target);
        return false;
      case Envelope::Kind::WATCH:
        link_.fail(number, errc::unknown_message, "no actor lives in this process");
        return false;
      default:
        KJ_FAIL_REQUIRE("a kind of message that no parent sends", number);
    }
  }

  void flush() {
    if (link_.unwritten() == 0) return;
    link_.flush();
    os::let_receiver_run();
  }

  /// Answers wait for company, but not behind a long call.
  void flush_if_old() {
    if (link_.unwritten() == 0) return;
    const auto now = clock::now();
    if (now - last_flush_ <= flush_age) return;
    link_.flush();
    last_flush_ = now;
  }

  bool call(const wire::incoming& message, std::uint64_t number) {
    static const role_actor nobody = [] {
      role_actor a;
      a.name = "troupe";
      return a;
    }();
    flush_if_old();
    role_actor* const found = find(message.target);
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
    role_actor& who = *found;
    reply answer{*this, number, who};
    incoming_call call{message.payload,
                       answer,
                       who.target,
                       number,
                       &link_.page().chunk,
                       link_.outcomes(),
                       process_settings().max_message_bytes};
    if (who.actor) return make_actor(who, call, number);
    running_ = message.number;
    if (owns_loop_) {
      const core::released others_may_run_it{*the_core};
      who.stub(who.function, call);
    } else {
      who.stub(who.function, call);
    }
    std::optional<core::guard> mine;
    if (looped_) mine.emplace(*the_core);
    running_ = 0;
    return who.once;
  }

  /// True: it can't be made, so the process has no use.
  bool make_actor(role_actor& who, incoming_call& call, std::uint64_t number) {
    who.made = true;
    try {
      who.stub(who.function, call);
    } catch (const not_wanted&) {
      call.answer.fail(errc::stopped, "it chose not to run");
      return true;
    } catch (const std::exception& e) {
      exit_code = 1;
      call.answer.fail(errc::exception, std::string{"its actor can't be made: "} + e.what());
      return true;
    }
    if (start_lasts_) {
      start_number_ = number;
    } else {
      call.answer.payload({});
    }
    return false;
  }

  void bind(const wire::incoming& message) {
    KJ_REQUIRE(message.envelope != nullptr && message.envelope->getBody().isBind());
    const auto body = message.envelope->getBody().getBind();
    role_actor a;
    a.stub = reinterpret_cast<stub_function>(const_cast<void*>(code_from(body.getStub())));
    if (body.hasFunction()) a.function = code_from(body.getFunction());
    a.name = body.getName().cStr();
    a.once = body.getOnce();
    a.actor = body.getActor();
    KJ_REQUIRE(a.stub != nullptr, "a function that this binary does not have");
    a.target = message.target;
    auto& path = process_settings().path;
    path.clear();
    for (const std::uint32_t place : body.getPath()) path.push_back(place);
    process_settings().control = body.getControl();
    process_settings().incarnation = body.getIncarnation();
    const auto predecessor =
        std::as_bytes(std::span{body.getPredecessor().begin(), body.getPredecessor().size()});
    process_settings().predecessor.assign(predecessor.begin(), predecessor.end());
    limit_self(body);
    if (the_core != nullptr) the_core->set_place(path, body.getIncarnation());
    const bool needs_loop = a.actor;
    actors_.push_back(std::move(a));
    if (needs_loop) local_core();
  }

  /// A process that can't have what its spec promises is not the one that was asked for.
  void limit_self(schema::Bind::Reader body) {
    os::own_limits limits;
    for (const auto l : body.getLimits())
      limits.limits.emplace_back(static_cast<os::resource>(l.getResource()), l.getValue());
    limits.nice = body.getNice();
    for (const auto cpu : body.getCpus()) limits.cpus.push_back(cpu);
    const std::string refused = os::limit_self(limits);
    if (refused.empty()) return;
    const std::string line = "troupe: this process can't start: " + refused + '\n';
    os::write_all(os::worker_fd::errors, std::as_bytes(std::span{line}));
    os::end_process(71);  // EX_OSERR
  }

  void unbind(std::uint64_t target) {
    std::erase_if(actors_, [target](const role_actor& a) { return a.target == target; });
  }

  /// Hardly ever more than one, the newest at the back.
  role_actor* find(std::uint64_t target) {
    for (auto a = actors_.rbegin(); a != actors_.rend(); ++a)
      if (a->target == target) return &*a;
    return nullptr;
  }

  /// A busy worker looks at one word instead of making a system call.
  void look_at_control() {
    if (link_.page().attention.load(std::memory_order_acquire) != attention_) read_control();
  }

  void read_control() {
    attention_ = link_.page().attention.load(std::memory_order_acquire);
    for (;;) {
      const auto got = link_.read_control([this](auto frame) { on_control(frame); });
      if (got == inbox::state::drained) return;
      if (got != inbox::state::closed) continue;
      if (looped_) the_core->unwatch(link_.control());
      stop();
      return;
    }
  }

  void on_control(std::span<const std::byte> frame) {
    const wire::checked_envelope envelope{frame};
    if (envelope->getKind() == Envelope::Kind::STOP) stop();
    if (envelope->getKind() != Envelope::Kind::CANCEL) return;
    if (role_actor* const found = find(envelope->getTarget())) found->cancelled = true;
  }

  void stop() {
    if (!looped_) end(0);
    ending_ = true;
  }

  /// Until something comes: no timer of its own, so an idle worker never wakes.
  void sleep() {
    spin_.reset();
    const int watched[] = {link_.in(), link_.control()};
    if ((os::wait_readable(watched, -1) & 2U) != 0) read_control();
  }

  [[noreturn]] void end(int code) {
    link_.flush();
    if (own_core) {
      const core::guard mine{*own_core};
      if (own_core->actors() != nullptr) own_core->actors()->end();
      link_.flush();
      own_core->stop_all(5s);
      own_core->end_now();
    }
    os::end_process(code);
  }

  uplink link_;
  progress_writer progress_;
  arrivals line_;
  os::spin_wait spin_;
  std::deque<role_actor> actors_;
  core::slot slot_ = 0;
  bool looped_ = false;
  bool owns_loop_ = false;
  bool closed_ = false;
  bool ending_ = false;
  bool start_lasts_ = false;        ///< the actor is made, and not ready yet
  std::uint64_t start_number_ = 0;  ///< of the message that waits for that
  unsigned turns_ = 0;
  std::uint64_t running_ = 0;  ///< number of the message whose function runs
  std::uint32_t attention_ = 0;
  std::uint32_t urgent_seen_ = 0;
  clock::time_point last_flush_{};
};

worker* the_worker = nullptr;

}  // namespace

core_options& process_settings() {
  static core_options settings;
  return settings;
}

std::string new_mark() {
  const os::random_bits number = os::random_number();
  return std::to_string(number.high) + '-' + std::to_string(number.low);
}

namespace {

void live_as_worker() {
  is_worker = true;
  the_core = nullptr;
  process_settings().adopts_orphans = false;
  process_settings().control = false;
}

}  // namespace

void rehearse(const role& what, const payload_source& first, const payload_source& again,
              void (*end_actors)()) {
  constexpr std::uint64_t last = 3;
  const auto in = os::open_pipe(true);
  const auto out = os::open_pipe(true);
  const auto control = os::open_socket_pair(false);
  const auto memory = os::create_shared_memory("troupe-rehearsal", shared_page::total_bytes);
  const core_options settings = process_settings();
  worker* const outer = the_worker;
  const bool was_worker = is_worker;
  live_as_worker();
  worker w{in.read, out.write, control.there, memory};
  the_worker = &w;
  w.link().say_hello();
  wire::byte_queue bytes;
  wire::append_envelope(bytes, Envelope::Kind::BIND, 1, 1, [&](Envelope::Builder envelope) {
    describe_role(envelope.getBody().initBind(), what, {0}, 1, false);
  });
  wire::envelope_writer writer;
  const address asker{{}, 1, 0, 0};
  for (std::uint64_t number = 2; number <= last; ++number) {
    wire::header head{Envelope::Kind::REQUEST, number, 1};
    if (what.actor && number == last) {
      head.sender = 1;
      head.introduced = &asker;
    }
    const payload_source& payload = number == 2 ? first : again;
    const std::size_t room = wire::envelope_bytes(head, payload);
    bytes.commit(writer.write(bytes.reserve(room), room, head, payload));
  }
  os::write_some(in.write, bytes.view());
  const auto& finished = w.link().page().progress[shared_page::parent_slot].finished;
  while (finished.load(std::memory_order_relaxed) != last) w.turn();
  if (!what.actor)
    for (int i = 0; i < 8; ++i) w.turn();  // as many empty reads as look at the clock
  if (own_core) {
    end_actors();
    own_core.reset();
  }
  the_core = nullptr;
  the_worker = outer;
  is_worker = was_worker;
  exit_code = 0;
  process_settings() = settings;
}

namespace {

[[noreturn]] void give_up(const char* why) {
  const std::string text = std::string{"troupe: this worker can't go on: "} + why + '\n';
  os::write_all(os::worker_fd::errors, std::as_bytes(std::span{text}));
  os::end_process(70);  // EX_SOFTWARE
}

}  // namespace

void worker_main() {
  os::set_process_name(os::worker_name);
  live_as_worker();
  try {
    using namespace os::worker_fd;
    worker w{in, out, control, page};
    the_worker = &w;
    os::descriptor{page} = nullptr;  // mapped by now
    w.link().say_hello();
    if (w.link().page().is_spare != 0 && process_settings().warm_up != nullptr)
      process_settings().warm_up();
    for (;;) w.turn();
  } catch (const kj::Exception& e) {
    give_up(e.getDescription().cStr());
  } catch (const std::exception& e) {
    give_up(e.what());
  }
}

bool in_worker() {
  return is_worker;
}

core& local_core() {
  if (the_core == nullptr) {
    own_core = std::make_unique<core>(process_settings());
    the_core = own_core.get();
    if (the_worker != nullptr) the_worker->join_loop();
  }
  return *the_core;
}

void set_local_core(core* root) {
  the_core = root;
}

uplink* parent_link() {
  return the_worker != nullptr ? &the_worker->link() : nullptr;
}

void start_goes_on() noexcept {
  if (the_worker != nullptr) the_worker->start_goes_on();
}

void start_is_over(const std::optional<std::string>& why_not) {
  if (the_worker != nullptr) the_worker->start_is_over(why_not);
}

void end_worker_soon(int code) {
  if (the_worker != nullptr) the_worker->end_soon(code);
}

void offer_skipped_again() {
  if (the_worker != nullptr) the_worker->offer_again();
}

void set_exit_code(int code) {
  exit_code = code;
}

}  // namespace troupe::engine
