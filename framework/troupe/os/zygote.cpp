#include "troupe/os/zygote.hpp"

#include <fcntl.h>
#include <kj/debug.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/auxv.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <iostream>

#include "troupe/os/child.hpp"
#include "troupe/os/shared_memory.hpp"
#include "troupe/os/zygote_process.hpp"

extern char** environ;

namespace troupe::os {

namespace {

/// Last argument of a zygote that is to leave its code where it is.
constexpr const char* moves_no_code = "code-in-files";
constexpr int end_limit_ms = 2'000;

}  // namespace

zygote::zygote(descriptor socket, pid_t pid)
    : socket_(kj::mv(socket)), pidfd_(open_pidfd(pid)), pid_(pid), room_(duplicate(pidfd_, 0)) {}

const char* own_binary() {
  constexpr auto usual = "/proc/self/exe";
  const auto* const by_path = reinterpret_cast<const char*>(getauxval(AT_EXECFN));
  return by_path == nullptr || access(usual, X_OK) == 0 ? usual : by_path;
}

zygote zygote::forked(const zygote_config& config) {
  auto ends = open_socket_pair(true);
  const pid_t owner = getpid();
  flush_streams();
  pid_t pid = -1;
  KJ_SYSCALL(pid = fork());
  if (pid == 0) run_zygote(ends.there.get(), owner, config);
  return {kj::mv(ends.here), pid};
}

zygote zygote::executed(const zygote_config& config) {
  auto ends = open_socket_pair(true);
  const std::string owner = std::to_string(getpid());
  const char* arguments[] = {config.program.c_str(),
                             zygote_argument,
                             owner.c_str(),
                             config.mark.c_str(),
                             config.huge_code == huge_code::never ? moves_no_code : nullptr,
                             nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  KJ_DEFER({
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  });
  const descriptor socket = duplicate(ends.there.get(), 10);  // apart from its place in the zygote
  posix_spawn_file_actions_adddup2(&actions, socket.get(), worker_fd::in);
  sigset_t all;
  sigfillset(&all);
  const sigset_t own = signals_of_exec();
  posix_spawnattr_setsigmask(&attributes, &own);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  pid_t pid = -1;
  const int rc = posix_spawn(&pid, own_binary(), &actions, &attributes,
                             const_cast<char**>(arguments), environ);
  if (rc != 0) KJ_FAIL_SYSCALL("posix_spawn", rc, "start a zygote");
  return {kj::mv(ends.here), pid};
}

void zygote::keep_room() {
  if (room_.get() < 0) room_ = duplicate(pidfd_, 0);
}

bool zygote::start(std::uint64_t token, start_method method, const worker_ends& ends,
                   const std::vector<std::string>& path_and_arguments, int group) {
  std::string record(sizeof(zygote_request), '\0');
  const pid_t forgotten = forgotten_.empty() ? 0 : forgotten_.back();
  const zygote_request request{zygote_request::what::start, method, forgotten, token, 0};
  std::memcpy(record.data(), &request, sizeof request);
  for (const auto& part : path_and_arguments) record.append(part.c_str(), part.size() + 1);
  KJ_REQUIRE(record.size() <= zygote_request::max_bytes, "too many arguments", record.size());
  std::array<int, std::tuple_size_v<worker_ends> + 1> passed{};
  *std::copy(ends.begin(), ends.end(), passed.begin()) = group;
  const transfer sent =
      send_with_descriptors(socket_, std::as_bytes(std::span{record}),
                            std::span{passed}.first(group < 0 ? ends.size() : passed.size()));
  if (sent.why == transfer::end::would_block) return false;
  if (forgotten != 0) forgotten_.pop_back();
  return true;  // a dead zygote shows in `next`
}

/// Plans of any length: what is too long for a record goes through memory.
bool zygote::execute(std::uint64_t token, const program_plan& what, const program_ends& ends) {
  zygote_request request{zygote_request::what::execute, start_method::program, 0, token, 0};
  std::vector<int> passed;
  const int all[] = {ends.errors, ends.input, ends.output, ends.ready, ends.group};
  for (unsigned i = 0; i < std::size(all); ++i) {
    if (all[i] < 0) continue;
    request.ends |= 1U << i;
    passed.push_back(all[i]);
  }
  std::string plan = packed(what);
  descriptor memory;
  if (sizeof request + plan.size() > zygote_request::max_bytes) {
    memory = create_shared_memory("troupe-program", plan.size());
    const shared_mapping mapped{memory, plan.size()};
    std::memcpy(mapped.data(), plan.data(), plan.size());
    plan.clear();
    request.ends |= zygote_request::plan_in_memory;
    passed.push_back(memory);
  }
  plan.insert(0, reinterpret_cast<const char*>(&request), sizeof request);
  const transfer sent = send_with_descriptors(socket_, std::as_bytes(std::span{plan}), passed);
  return sent.why != transfer::end::would_block;  // a dead zygote shows in `next`
}

void zygote::adopt(pid_t pid, int pidfd, int group) {
  const int passed[] = {pidfd, group};
  tell({zygote_request::what::adopt, start_method::fork, pid}, {passed, group < 0 ? 1U : 2U});
}

/// Waits for room. A dead zygote hears nothing.
void zygote::tell(const zygote_request& what, std::span<const int> descriptors) {
  const auto record = std::as_bytes(std::span{&what, 1});
  while (send_with_descriptors(socket_, record, descriptors).why == transfer::end::would_block)
    wait_writable(socket_, pidfd_);
}

void zygote::tell_forgotten() {
  while (!forgotten_.empty()) {
    const zygote_request request{zygote_request::what::forget, start_method::fork,
                                 forgotten_.back(), 0, 0};
    const transfer sent = send_some(socket_, std::as_bytes(std::span{&request, 1}));
    if (sent.why == transfer::end::would_block) return;
    forgotten_.pop_back();
  }
}

namespace {

/// A child of this process that was not reaped yet, so that its id is no other's.
void end_unwatched(pid_t pid) {
  ::kill(pid, SIGKILL);
  while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace

std::optional<zygote::reply> zygote::next(bool& gone) {
  zygote_reply record{};
  auto got = receive_with_descriptors(socket_, std::as_writable_bytes(std::span{&record, 1}));
  if (got.what.why == transfer::end::closed) gone = true;
  if (got.what.why != transfer::end::none || got.what.bytes != sizeof record) return std::nullopt;
  reply answer{record.token, record.pid, record.error, record.at, {}};
  if (!got.descriptors.empty()) answer.pidfd = kj::mv(got.descriptors.front());
  std::erase(forgotten_, answer.pid);               // another one now, which the zygote knows
  if (answer.pid >= 0 && answer.pidfd.get() < 0) {  // no descriptor was free for it
    room_ = nullptr;
    try {  // a child that is not reaped: its id is no other's
      answer.pidfd = open_pidfd(answer.pid);
    } catch (const kj::Exception&) {
    }
  }
  if (answer.pid >= 0 && answer.pidfd.get() < 0) {
    end_unwatched(answer.pid);
    forget(answer.pid);
    answer.pid = -1;
    answer.error = EMFILE;
  }
  return answer;
}

void zygote::kill() {
  send_signal(pidfd_, SIGKILL);
}

/// One that is stopped (SIGSTOP) ends by no word.
void zygote::close() {
  if (pid_ < 0) return;
  const zygote_request end{zygote_request::what::end};
  send_some(socket_, std::as_bytes(std::span{&end, 1}));
  socket_ = nullptr;
  const int ended[] = {pidfd_};
  if (wait_readable(ended, end_limit_ms) == 0) kill();
  reap_blocking(pidfd_);
  pidfd_ = nullptr;
  pid_ = -1;
}

void become_zygote_if_asked(int argc, char** argv, const zygote_config& like) {
  if (argc < 4 || argc > 5 || std::strcmp(argv[1], zygote_argument) != 0) return;
  const bool as_here = argc == 4 || std::strcmp(argv[4], moves_no_code) != 0;
  const zygote_config config{argv[0], argv[3], like.worker_entry, like.warm_up,
                             as_here ? like.huge_code : huge_code::never};
  run_zygote(worker_fd::in, static_cast<pid_t>(std::stol(argv[2])), config);
}

bool is_executed_worker(int argc, char** argv) {
  if (argc != 2 || std::strcmp(argv[1], worker_argument) != 0) return false;
  end_of_exec();
  for (int fd = worker_fd::in; fd <= worker_fd::page; ++fd) set_close_on_exec(fd, true);
  return true;
}

void flush_streams() {
  std::cout.flush();
  std::cerr.flush();
  std::clog.flush();
  std::fflush(nullptr);
}

void end_process(int code) {
  flush_streams();
  _exit(code);
}

}  // namespace troupe::os
