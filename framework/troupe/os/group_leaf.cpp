#include "troupe/os/group_leaf.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <kj/debug.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <functional>

#include "troupe/os/control_group.hpp"
#include "troupe/os/random.hpp"

namespace troupe::os {

namespace {

constexpr auto longest_end = std::chrono::seconds{1};
/// Each of them lost to somebody who took the new folder for one that was left.
constexpr int max_attempts = 16;
constexpr std::size_t longest_label = 64;

descriptor open_folder(int in, const char* name) {
  return descriptor{openat(in, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
}

bool lock(int folder) {
  return flock(folder, LOCK_EX | LOCK_NB) == 0;
}

void write_to(int folder, const char* name, const std::string& text) {
  int fd = -1;
  KJ_SYSCALL(fd = openat(folder, name, O_WRONLY | O_CLOEXEC), name);
  const descriptor file{fd};
  KJ_SYSCALL(write(fd, text.data(), text.size()), name, text);
}

std::string contents(int folder, const char* name) {
  char text[1024];
  const int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  const descriptor file{fd};
  const auto bytes = read(fd, text, sizeof text);
  return {text, bytes > 0 ? static_cast<std::size_t>(bytes) : 0};
}

/// Folders in a folder.
void each_group(int in, const std::function<void(const char* name)>& visit) {
  const int own = openat(in, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* const entries = own < 0 ? nullptr : fdopendir(own);
  if (entries == nullptr) {
    if (own >= 0) close(own);
    return;
  }
  while (const dirent* entry = readdir(entries))
    if (entry->d_type == DT_DIR && std::string_view{entry->d_name} != "." &&
        std::string_view{entry->d_name} != "..")
      visit(entry->d_name);
  closedir(entries);
}

/// What the child itself has made below.
void remove_groups_in(int folder) {
  each_group(folder, [folder](const char* name) {
    const descriptor below = open_folder(folder, name);
    if (below.get() >= 0) remove_groups_in(below);
    unlinkat(folder, name, AT_REMOVEDIR);
  });
}

std::string new_name(std::string_view label) {
  char number[17] = {};
  std::to_chars(number, number + 16, random_number().low, 16);
  std::string text{label.substr(0, longest_label)};
  std::replace(text.begin(), text.end(), '/', '.');
  return leaf_prefix + std::string{number} + '-' + text;
}

}  // namespace

/// Between its making and its lock somebody may find the folder without one, and remove it: then
/// another is made. One that is locked and there is nobody else's.
group_leaf group_leaf::make(int place, const limits& what, std::string_view label) {
  for (int attempt = 0; attempt < max_attempts; ++attempt) {
    const std::string name = new_name(label);
    KJ_SYSCALL(mkdirat(place, name.c_str(), 0755));
    descriptor folder = open_folder(place, name.c_str());
    if (folder.get() < 0 || !lock(folder) || faccessat(place, name.c_str(), F_OK, 0) != 0) continue;
    group_leaf made{name, kj::mv(folder)};
    write_limits(made.folder_, what);
    return made;
  }
  KJ_FAIL_REQUIRE("somebody removes each control group as soon as it is made");
}

std::vector<group_leaf> group_leaf::take_left(int place) {
  std::vector<group_leaf> left;
  each_group(place, [&](const char* name) {
    if (!std::string_view{name}.starts_with(leaf_prefix)) return;
    descriptor folder = open_folder(place, name);
    if (folder.get() < 0 || !lock(folder)) return;
    left.push_back(group_leaf{name, kj::mv(folder)});
    left.back().kill();
  });
  return left;
}

group_leaf::~group_leaf() {
  if (folder_.get() < 0 || remove()) return;
  kill();
  const descriptor events{openat(folder_, "cgroup.events", O_RDONLY | O_CLOEXEC)};
  const auto limit = std::chrono::steady_clock::now() + longest_end;
  for (;;) {
    char text[256];
    static_cast<void>(pread(events, text, sizeof text, 0));  // what changes from now on is an event
    if (remove()) return;
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(limit - std::chrono::steady_clock::now());
    if (left.count() <= 0) return;
    pollfd change{events.get(), POLLPRI, 0};
    poll(&change, 1, static_cast<int>(left.count()));
  }
}

void group_leaf::kill() noexcept {
  const int fd = openat(folder_, "cgroup.kill", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  static_cast<void>(!write(fd, "1", 1));
  close(fd);
}

bool group_leaf::remove() noexcept {
  if (folder_.get() < 0) return true;
  const descriptor above = open_folder(folder_, "..");
  if (unlinkat(above, name_.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) {
    remove_groups_in(folder_);
    if (unlinkat(above, name_.c_str(), AT_REMOVEDIR) != 0) return false;
  }
  folder_ = nullptr;
  return true;
}

void write_limits(int folder, const group_leaf::limits& what) {
  if (what.memory_bytes) {
    write_to(folder, "memory.max", std::to_string(*what.memory_bytes));
    // All of it dies, not a part that the others wait for. What it may not have in memory it may
    // not have in swap either: the limit is of what it needs.
    write_to(folder, "memory.oom.group", "1");
    if (faccessat(folder, "memory.swap.max", F_OK, 0) == 0)  // a kernel without swap has none
      write_to(folder, "memory.swap.max", "0");
  }
  if (what.pids) write_to(folder, "pids.max", std::to_string(*what.pids));
}

std::uint64_t out_of_memory_kills(int folder) {
  const std::string text = '\n' + contents(folder, "memory.events");
  constexpr std::string_view key = "\noom_kill ";
  const auto found = text.find(key);
  std::uint64_t kills = 0;
  if (found != std::string::npos)
    std::from_chars(text.data() + found + key.size(), text.data() + text.size(), kills);
  return kills;
}

}  // namespace troupe::os
