#include "troupe/engine/program_link.hpp"

#include <csignal>
#include <utility>

#include "troupe/engine/line_output.hpp"

namespace troupe::engine {

namespace {

using sign = ready_when::sign;

/// What waits to be written to a program's stdin; whoever sends more waits elsewhere.
constexpr std::size_t max_unwritten_bytes = std::size_t{64} << 10;
constexpr std::size_t read_bytes = std::size_t{16} << 10;
constexpr auto closed_grace = std::chrono::seconds{2};
/// Its stdin is closed: by itself, or because it is dead, which this process is about to hear.
constexpr auto death_is_seen_within = std::chrono::milliseconds{200};
/// More than any pipe holds, and an end should a program that left its group go on writing.
constexpr int max_last_reads = 128;

role role_of(program_role& what) {
  role r;
  r.name = what.name;
  r.limits = what.limits;
  r.group = std::move(what.group);
  return r;
}

os::own_limits own_limits_of(const process_limits& from) {
  os::own_limits to;
  const auto add = [&to](os::resource what, const auto& value) {
    if (value) to.limits.emplace_back(what, static_cast<std::uint64_t>(*value));
  };
  add(os::resource::address_space, from.address_space_bytes);
  add(os::resource::data, from.data_bytes);
  add(os::resource::stack, from.stack_bytes);
  add(os::resource::core, from.core_bytes);
  add(os::resource::file, from.file_bytes);
  add(os::resource::open_files, from.open_files);
  add(os::resource::processes, from.processes);
  if (from.cpu_time)
    to.limits.emplace_back(os::resource::cpu_seconds,
                           static_cast<std::uint64_t>(from.cpu_time->count()));
  to.nice = from.nice;
  to.cpus = from.cpus;
  return to;
}

channel channel_of_errors(os::descriptor& its_end) {
  auto errors = os::open_pipe(false);  // programs expect a stderr that blocks
  os::set_non_blocking(errors.read);
  channel c;
  c.errors = kj::mv(errors.read);
  its_end = kj::mv(errors.write);
  return c;
}

}  // namespace

program_link::program_link(core& owner, std::uint64_t id, place place_in_path, program_role what)
    : link(owner, id, place_in_path, role_of(what), channel{}), what_(std::move(what)) {
  open();
}

program_link::~program_link() {
  core_.cancel(closed_timer_);
  program_link::unregister_channel();
}

bool program_link::reads_stdout() const noexcept {
  return what_.tells_lines ||
         (what_.what.ready.by == sign::line && what_.what.ready.descriptor == 1);
}

void program_link::open() {
  channel_ = channel_of_errors(its_.errors);
  if (what_.what.takes_lines) {
    auto input = os::open_pipe(false);
    os::set_non_blocking(input.write);
    input_ = kj::mv(input.write);
    its_.input = kj::mv(input.read);
  }
  const auto open_for_reading = [](os::descriptor& ours, os::descriptor& theirs) {
    auto ends = os::open_pipe(false);
    os::set_non_blocking(ends.read);
    ours = kj::mv(ends.read);
    theirs = kj::mv(ends.write);
  };
  if (reads_stdout()) open_for_reading(output_, its_.output);
  const ready_when& ready = what_.what.ready;
  if (ready.by == sign::line && ready.descriptor != 1) open_for_reading(ready_, its_.ready);
  if (ready.by == sign::notified) notify_.emplace();
}

os::program_plan program_link::plan() const {
  const program_spec& from = what_.what;
  os::program_plan to;
  to.arguments = from.argv;
  // The socket of this program's own supervisor is not for its children.
  to.environment.push_back(notify_ ? "NOTIFY_SOCKET=" + notify_->name() : "NOTIFY_SOCKET");
  for (const auto& [name, value] : from.environment) to.environment.push_back(name + '=' + value);
  to.clean_environment = from.clean_environment;
  to.directory = from.directory;
  to.limits = own_limits_of(what_.limits);
  to.ready_at = from.ready.descriptor;
  return to;
}

std::string program_link::kind() const {
  const std::string& program = what_.what.argv.front();
  return program.substr(program.rfind('/') + 1);
}

// --- how it comes up ---

bool program_link::ask(os::zygote& of, os::start_method) {
  return of.execute(
      id(), plan(),
      {its_.errors.get(), its_.input.get(), its_.output.get(), its_.ready.get(), group_folder()});
}

void program_link::started(os::zygote::reply reply) {
  its_ = {};
  const bool executed = reply.pid >= 0 && reply.error == 0;
  link::started(kj::mv(reply));
  if (now() != state::starting || !executed) return;
  expect_no_hello();
  if (is_stopping()) send_term();
  if (what_.what.ready.by == sign::started) become_ready();
}

std::string program_link::why_not_executed(const os::zygote::reply& reply) const {
  return os::describe(os::exec_failure{reply.error, reply.at}, plan());
}

bool program_link::reopen() {
  if (now() != state::starting || is_stopping()) return false;
  unregister_channel();
  open();
  return true;
}

void program_link::register_channel() {
  watch(event::errors, channel_.errors);
  if (output_.get() >= 0) watch(event::data, output_);
  if (ready_.get() >= 0) watch(event::control, ready_);
  if (notify_) watch(event::control, notify_->fd());
  link::registered_ = true;
}

void program_link::unregister_channel() noexcept {
  if (std::exchange(registered_, false)) {
    if (output_.get() >= 0 && !paused_) core_.unwatch(output_);
    if (ready_.get() >= 0) core_.unwatch(ready_);
    if (notify_) core_.unwatch(notify_->fd());
    for (auto* fd : {&channel_.errors, &pidfd_})
      if (fd->get() >= 0) core_.unwatch(*fd);
  }
  close_input();
  output_ = nullptr;
  ready_ = nullptr;
  notify_.reset();
}

bool program_link::makes_ready(int descriptor, std::string_view text) const noexcept {
  const ready_when& ready = what_.what.ready;
  return now() == state::starting && ready.by == sign::line && ready.descriptor == descriptor &&
         text.find(ready.text) != std::string_view::npos;
}

/// No more will come from there. It may be about to end: that tells more.
void program_link::end_of(int descriptor) {
  const ready_when& ready = what_.what.ready;
  if (now() != state::starting || ready.by != sign::line || ready.descriptor != descriptor) return;
  if (end_timer_ != 0) return;
  end_timer_ = core_.after(closed_grace, [this, descriptor] {
    end_timer_ = 0;
    reject(exit_cause::start_failed, "it closed descriptor " + std::to_string(descriptor) +
                                         " before it wrote the line there that makes it ready");
  });
}

void program_link::on_control() {
  if (notify_) {
    if (notify_->says_ready(pid()) && now() == state::starting) become_ready();
    return;
  }
  if (ready_.get() < 0) return;
  char text[256];
  const auto got = os::read_some(ready_, std::as_writable_bytes(std::span{text}));
  if (got.why == os::transfer::end::closed) {
    core_.unwatch(ready_);
    ready_ = nullptr;
    const auto unfinished = ready_lines_.last();
    if (unfinished && makes_ready(what_.what.ready.descriptor, unfinished->text)) become_ready();
    end_of(what_.what.ready.descriptor);
  } else if (got.why == os::transfer::end::none && now() == state::starting) {
    ready_lines_.add({text, got.bytes});
    while (const auto line = ready_lines_.next())
      if (makes_ready(what_.what.ready.descriptor, line->text)) become_ready();
  }
}

// --- what it writes ---

void program_link::read_output() {
  if (output_.get() < 0 || paused_) return;
  read_some_output();
  hand_out(false);
}

/// False: there was nothing, or it is the end.
bool program_link::read_some_output() {
  char text[read_bytes];
  const auto got = os::read_some(output_, std::as_writable_bytes(std::span{text}));
  if (got.why == os::transfer::end::none) lines_.add({text, got.bytes});
  if (got.why == os::transfer::end::closed) {
    if (registered_ && !paused_) core_.unwatch(output_);
    output_ = nullptr;
  }
  return got.why == os::transfer::end::none;
}

/// As many lines as are wanted, by its listener or on stdout; no more are read until they are.
void program_link::hand_out(bool unasked) {
  const auto wanted = [&] {
    return unasked ||
           (what_.tells_lines ? what_.listener->wants_lines() : core_.output().has_room());
  };
  while (wanted()) {
    auto line = lines_.next();
    if (!line && output_.get() < 0) line = lines_.last();
    if (!line) {
      if (output_.get() < 0) end_of(1);
      return;
    }
    on_line(*line);
  }
  if (output_.get() >= 0) core_.unwatch(output_);
  paused_ = true;
}

void program_link::on_line(const line_cutter::piece& line) {
  if (what_.tells_lines) {
    what_.listener->on_line(*this, line.text, line.more);
  } else {
    core_.output().write(std::string{line.text} + (line.more ? "" : "\n"));
  }
  if (makes_ready(1, line.text)) become_ready();
}

void program_link::go_on() {
  if (!paused_ || now() == state::ended) return;
  paused_ = false;
  if (output_.get() >= 0 && registered_) watch(event::data, output_);
  hand_out(false);
}

/// Its group is dead: what the pipe holds is all there will be.
void program_link::take_rest() {
  for (int reads = 0; reads < max_last_reads && output_.get() >= 0 && read_some_output(); ++reads)
    hand_out(true);
  if (registered_ && !paused_ && output_.get() >= 0) core_.unwatch(output_);
  output_ = nullptr;
  if (reads_stdout()) hand_out(true);
}

// --- what it reads ---

std::optional<failure> program_link::post(const wire::header&, const payload_source&, answer_sink*,
                                          std::uint64_t) {
  return failure{errc::unknown_message,
                 "this message was not sent: " + serves().name +
                     " is a program, which takes strings only, as lines, and only if its spec says "
                     "so (takes_lines)",
                 nullptr,
                 {}};
}

std::optional<failure> program_link::write_line(std::string_view text) {
  const auto refused = [&](errc code, const std::string& why) {
    return failure{code, "this line was not sent: " + why, nullptr, {}};
  };
  if (now() == state::ended || is_stopping())
    return refused(errc::stopped, serves().name + " is being stopped or has ended");
  if (text.find('\n') != std::string_view::npos)
    return refused(errc::bad_message, "it has a newline in it; send each line by itself");
  if (input_.get() < 0 && closed_timer_ == 0)
    return refused(errc::refused, "the program " + serves().name + " has closed its stdin");
  if (unwritten_bytes_ >= max_unwritten_bytes || closed_timer_ != 0) {
    was_full_ = true;
    return refused(errc::mailbox_full, "the stdin of " + serves().name + " is full");
  }
  unwritten_.push_back(std::string{text} + '\n');
  unwritten_bytes_ += text.size() + 1;
  if (!waits_for_room_) write_input();
  return std::nullopt;
}

void program_link::write_input() {
  while (!unwritten_.empty()) {
    const std::string_view rest = std::string_view{unwritten_.front()}.substr(first_written_);
    const auto done = os::write_without_signal(input_, std::as_bytes(std::span{rest}));
    if (done.why == os::transfer::end::would_block) {
      if (!waits_for_room_) watch(event::room, input_, true);
      waits_for_room_ = true;
      return;
    }
    if (done.why == os::transfer::end::closed) {
      close_input();
      // If it has died, its next life gets what is left.
      closed_timer_ = core_.after(death_is_seen_within, [this] {
        answer_all();
        tell_room();
      });
      break;
    }
    first_written_ += done.bytes;
    unwritten_bytes_ -= done.bytes;
    if (first_written_ < unwritten_.front().size()) continue;
    unwritten_.pop_front();
    first_written_ = 0;
  }
  if (std::exchange(waits_for_room_, false)) core_.unwatch(input_);
  tell_room();
}

void program_link::tell_room() {
  if (std::exchange(was_full_, false) && core_.actors() != nullptr) core_.actors()->on_room(*this);
}

void program_link::close_input() noexcept {
  if (std::exchange(waits_for_room_, false)) core_.unwatch(input_);
  input_ = nullptr;
}

/// What never began to be written comes back.
void program_link::answer_all() {
  core_.cancel(std::exchange(closed_timer_, 0));
  if (std::exchange(first_written_, 0) != 0) unwritten_.pop_front();
  unwritten_bytes_ = 0;
  for (auto& line : std::exchange(unwritten_, {})) {
    line.pop_back();
    if (what_.listener) what_.listener->on_unwritten(*this, std::move(line));
  }
}

policy::stop_ladder program_link::ladder(clock::duration grace) const {
  return policy::stop_ladder::by_signal(grace);
}

}  // namespace troupe::engine
