#include "troupe/os/program_start.hpp"

#include <fcntl.h>
#include <kj/debug.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "troupe/os/child.hpp"
#include "troupe/os/control_group.hpp"
#include "troupe/os/zygote.hpp"

extern char** environ;

namespace troupe::os {

namespace {

/// What a shell without a PATH looks through. Source: execvp(3).
constexpr const char* default_path = "/bin:/usr/bin";

constexpr std::int32_t as_it_is = 127;  ///< no nice value

struct plan_header {
  std::uint32_t arguments = 0;
  std::uint32_t environment = 0;
  std::uint32_t limits = 0;
  std::uint32_t cpus = 0;
  std::int32_t nice = as_it_is;
  std::int32_t ready_at = -1;
  std::uint32_t clean = 0;
};

template <class T>
void append(std::string& to, const T& value) {
  to.append(reinterpret_cast<const char*>(&value), sizeof value);
}

class plan_reader {
public:
  explicit plan_reader(std::span<char> bytes) : rest_(bytes) {}

  template <class T>
  T value() {
    KJ_REQUIRE(rest_.size() >= sizeof(T), "a plan that is cut off");
    T v{};
    std::memcpy(&v, rest_.data(), sizeof v);
    rest_ = rest_.subspan(sizeof v);
    return v;
  }
  char* text() {
    const auto end = std::find(rest_.begin(), rest_.end(), '\0');
    KJ_REQUIRE(end != rest_.end(), "a plan that is cut off");
    char* const begin = rest_.data();
    rest_ = rest_.subspan(static_cast<std::size_t>(end - rest_.begin()) + 1);
    return begin;
  }

private:
  std::span<char> rest_;
};

std::string_view name_of(const char* entry) {
  const std::string_view all{entry};
  return all.substr(0, all.find('='));
}

/// Moves what lies at `from` (-1: nothing) to where the program expects it, open over its exec.
void place(int from, int to) noexcept {
  if (from >= 0) dup2(from, to);
}

}  // namespace

std::string packed(const program_plan& plan) {
  std::string bytes;
  plan_header head;
  head.arguments = static_cast<std::uint32_t>(plan.arguments.size());
  head.environment = static_cast<std::uint32_t>(plan.environment.size());
  head.limits = static_cast<std::uint32_t>(plan.limits.limits.size());
  head.cpus = static_cast<std::uint32_t>(plan.limits.cpus.size());
  head.nice = plan.limits.nice.value_or(as_it_is);
  head.ready_at = plan.ready_at;
  head.clean = plan.clean_environment ? 1 : 0;
  append(bytes, head);
  for (const auto& [what, value] : plan.limits.limits) {
    append(bytes, what);
    append(bytes, value);
  }
  for (const int cpu : plan.limits.cpus) append(bytes, cpu);
  const auto add = [&bytes](const std::string& text) {
    bytes.append(text.c_str(), text.size() + 1);
  };
  add(plan.directory);
  for (const auto& text : plan.arguments) add(text);
  for (const auto& text : plan.environment) add(text);
  return bytes;
}

program_execution::program_execution(std::span<char> packed_plan, const program_ends& ends)
    : ends_(ends) {
  plan_reader from{packed_plan};
  const auto head = from.value<plan_header>();
  for (std::uint32_t i = 0; i < head.limits; ++i) {
    const auto what = from.value<resource>();
    limits_.limits.emplace_back(what, from.value<std::uint64_t>());
  }
  for (std::uint32_t i = 0; i < head.cpus; ++i) limits_.cpus.push_back(from.value<int>());
  if (head.nice != as_it_is) limits_.nice = head.nice;
  ready_at_ = head.ready_at;
  directory_ = from.text();
  for (std::uint32_t i = 0; i < head.arguments; ++i) arguments_.push_back(from.text());
  KJ_REQUIRE(!arguments_.empty(), "a program without a name");
  arguments_.push_back(nullptr);
  std::vector<char*> given;
  for (std::uint32_t i = 0; i < head.environment; ++i) given.push_back(from.text());
  inherit(head.clean != 0, given);
  find_candidates();
}

void program_execution::inherit(bool clean, const std::vector<char*>& given) {
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view name = name_of(*entry);
    const bool replaced = std::any_of(given.begin(), given.end(),
                                      [name](const char* g) { return name_of(g) == name; });
    if (!replaced && (!clean || name == tree_variable)) environment_.push_back(*entry);
  }
  for (char* const entry : given)
    if (std::strchr(entry, '=') != nullptr) environment_.push_back(entry);
  environment_.push_back(nullptr);
}

const char* program_execution::variable(const char* name) const noexcept {
  for (const char* const entry : environment_)
    if (entry != nullptr && name_of(entry) == name) return entry + std::strlen(name) + 1;
  return nullptr;
}

void program_execution::find_candidates() {
  const std::string_view name = arguments_.front();
  if (name.empty() || name.find('/') != std::string_view::npos) {
    candidates_.emplace_back(name);
    return;
  }
  const char* const path = variable("PATH");
  std::string_view folders = path != nullptr ? path : default_path;
  for (;;) {
    const auto colon = folders.find(':');
    const std::string_view folder = folders.substr(0, colon);
    candidates_.push_back((folder.empty() ? std::string{"."} : std::string{folder}) + '/' +
                          std::string{name});
    if (colon == std::string_view::npos) return;
    folders.remove_prefix(colon + 1);
  }
}

void program_execution::run() noexcept {
  if (ends_.group >= 0) {  // before anything else: what it starts is in there, too
    if (const int error = enter_group(ends_.group); error != 0) {
      failure_ = {error, exec_failure::group};
      return;
    }
  }
  // The received descriptors are all above 9, so no place below is taken by one of them.
  place(ends_.errors, 2);
  place(ends_.input, 0);
  place(ends_.output, 1);
  syscall(SYS_close_range, 3U, ~0U, 1U << 2);  // CLOSE_RANGE_CLOEXEC
  place(ends_.ready, ready_at_);
  if (*directory_ != '\0' && chdir(directory_) != 0) {
    failure_ = {errno, exec_failure::directory};
    return;
  }
  if (const refused_limit refused = take_limits(limits_); refused.error != 0) {
    failure_ = {refused.error, static_cast<std::int32_t>(exec_failure::limit + refused.place)};
    return;
  }
  // As a shell does: what may not be executed here may be found further on.
  int error = ENOENT;
  for (const auto& file : candidates_) {
    execve(file.c_str(), arguments_.data(), environment_.data());
    if (errno == EACCES || (errno != ENOENT && errno != ENOTDIR)) error = errno;
    if (errno != EACCES && errno != ENOENT && errno != ENOTDIR) break;
  }
  failure_ = {error, exec_failure::execution};
}

std::string describe(const exec_failure& what, const program_plan& plan) {
  if (what.at == exec_failure::directory)
    return "it can't begin in the directory " + plan.directory + ": " + error_text(what.error);
  if (what.at == exec_failure::group)
    return "it can't enter its control group: " + error_text(what.error);
  if (what.at >= exec_failure::limit)
    return describe({what.error, static_cast<std::size_t>(what.at - exec_failure::limit)},
                    plan.limits);
  const std::string& name = plan.arguments.front();
  const std::string text = "can't execute " + name + ": ";
  const bool searched = name.find('/') == std::string::npos;
  switch (what.error) {
    case ENOENT:
      return text + (searched ? "there is no such program in its PATH"
                              : "there is no such file, or the interpreter that it names is "
                                "missing");
    case EACCES:
      return text + "permission denied; it must be a file that this user may execute";
    case ENOEXEC:
      return text + "it is no program for this system; a script needs #! in its first line";
    case E2BIG:
      return text + "its arguments and environment are longer than the system allows";
    default:
      return text + error_text(what.error);
  }
}

}  // namespace troupe::os
