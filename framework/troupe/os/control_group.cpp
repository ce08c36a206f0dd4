#include "troupe/os/control_group.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <sstream>
#include <string_view>
#include <utility>

#include "troupe/os/child.hpp"
#include "troupe/os/file.hpp"

namespace troupe::os {

namespace {

using words = std::vector<std::string>;

/// A process that forks may do so between two looks at who is in a group.
constexpr int max_moves = 64;

words words_of(const std::string& text) {
  std::istringstream from{text};
  words all;
  for (std::string word; from >> word;) all.push_back(word);
  return all;
}

bool has(const words& all, const std::string& word) {
  return std::find(all.begin(), all.end(), word) != all.end();
}

/// Writes to a file of a group, by name in an open folder or by path. 0, or errno.
int write_file(int folder, const std::string& name, std::string_view text) {
  const int fd = openat(folder, name.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  const descriptor file{fd};
  return write(fd, text.data(), text.size()) < 0 ? errno : 0;
}

/// A field of mountinfo, where blanks are written as \040 and so on.
std::string unescaped(std::string_view field) {
  std::string text;
  for (std::size_t i = 0; i < field.size(); ++i) {
    if (field[i] == '\\' && field.size() - i > 3) {
      text += static_cast<char>(std::stoi(std::string{field.substr(i + 1, 3)}, nullptr, 8));
      i += 3;
    } else {
      text += field[i];
    }
  }
  return text;
}

std::string path_of(const std::string& membership) {
  std::istringstream lines{membership};
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with("0::")) return line.substr(3);
  return {};
}

/// The name of the child's group that a process is in; empty: none.
std::string child_group_of(const std::string& process) {
  const std::string path = path_of(file_contents(process + "/cgroup"));
  const auto begin = path.rfind(std::string{'/'} + leaf_prefix);
  if (begin == std::string::npos) return {};
  return path.substr(begin + 1, path.find('/', begin + 1) - begin - 1);
}

bool is_writable(const std::string& folder) {
  return access(folder.c_str(), W_OK) == 0 &&
         access((folder + "/cgroup.procs").c_str(), W_OK) == 0 &&
         access((folder + "/cgroup.subtree_control").c_str(), W_OK) == 0;
}

pid_t parent_of(pid_t pid) {
  const std::string stat = file_contents("/proc/" + std::to_string(pid) + "/stat");
  const auto name_end = stat.rfind(')');
  if (name_end == std::string::npos) return -1;
  std::istringstream rest{stat.substr(name_end + 1)};
  char state = 0;
  pid_t parent = -1;
  rest >> state >> parent;
  return parent;
}

bool is_below(pid_t pid, pid_t root) {
  while (pid > 1 && pid != root) pid = parent_of(pid);
  return pid == root;
}

/// The first process in a group that is not below `root`; 0 is one of another pid namespace, -1:
/// there is none.
pid_t stranger_in(const std::string& folder, pid_t root) {
  for (const auto& word : words_of(file_contents(folder + "/cgroup.procs"))) {
    const pid_t pid = std::stoi(word);
    if (!is_below(pid, root) && (pid == 0 || parent_of(pid) >= 0)) return pid;
  }
  return -1;
}

/// False: some are still there.
bool move_all(const std::string& from, const std::string& to) {
  for (int move = 0; move < max_moves; ++move) {
    const words all = words_of(file_contents(from + "/cgroup.procs"));
    if (all.empty()) return true;
    for (const auto& pid : all) write_file(AT_FDCWD, to + "/cgroup.procs", pid);
  }
  return false;
}

std::string joined(const words& all, char sign) {
  std::string text;
  for (const auto& word : all) {
    if (!text.empty()) text += ' ';
    text += sign;
    text += word;
  }
  return text;
}

/// Why the controllers can't be handed on to groups below; empty: they are.
std::string hand_on(const std::string& folder, const words& controllers, pid_t root) {
  const std::string control = folder + "/cgroup.subtree_control";
  const auto refused = [&](int error) {
    return "the control group " + folder + " can't hand on its controllers: " + error_text(error);
  };
  if (const pid_t stranger = stranger_in(folder, root); stranger >= 0)
    return "the control group " + folder + " has processes of others in it, too" +
           (stranger > 0 ? ", such as " + std::to_string(stranger) : std::string{});
  const std::string change = joined(controllers, '+');
  int error = write_file(AT_FDCWD, control, change);
  if (error == 0) return {};
  if (error != EBUSY) return refused(error);
  const std::string main = folder + '/' + main_group;
  if (mkdir(main.c_str(), 0755) != 0 && errno != EEXIST) return refused(errno);
  if (move_all(folder, main)) error = write_file(AT_FDCWD, control, change);
  if (error == 0) return {};
  move_all(main, folder);
  rmdir(main.c_str());
  return refused(error);
}

bool is_ours(std::string_view name) {
  return name == main_group || name.starts_with(leaf_prefix);
}

/// Groups below it, but for `main_group`.
bool has_groups(const std::string& folder) {
  DIR* const entries = opendir(folder.c_str());
  if (entries == nullptr) return true;
  bool found = false;
  while (const dirent* entry = readdir(entries)) {
    const std::string_view name{entry->d_name};
    found = found || (entry->d_type == DT_DIR && name != "." && name != ".." && name != main_group);
  }
  closedir(entries);
  return found;
}

}  // namespace

std::string group_folder(const std::string& mountinfo, const std::string& membership) {
  const std::string path = path_of(membership);
  std::istringstream lines{mountinfo};
  std::string found;
  for (std::string line; std::getline(lines, line) && !path.empty();) {
    const auto dash = line.find(" - ");
    if (dash == std::string::npos || !line.substr(dash).starts_with(" - cgroup2 ")) continue;
    const words fields = words_of(line.substr(0, dash));
    if (fields.size() < 5) continue;
    const std::string root = unescaped(fields[3]);
    std::string below = path;  // what of the path lies below the mounted part
    if (root != "/") {
      if (!path.starts_with(root) || (path.size() > root.size() && path[root.size()] != '/'))
        continue;
      below = path.substr(root.size());
    }
    found = unescaped(fields[4]) + (below == "/" ? "" : below);
  }
  return found;
}

control_group own_control_group() {
  control_group group;
  const std::string membership = file_contents("/proc/self/cgroup");
  group.path = path_of(membership);
  group.folder = group_folder(file_contents("/proc/self/mountinfo"), membership);
  group.is_v2 = !group.folder.empty();
  if (!group.is_v2) return group;
  group.delegated = is_writable(group.folder);
  group.controllers = words_of(file_contents(group.folder + "/cgroup.controllers"));
  return group;
}

group_place open_group_place(std::string folder, pid_t root, const words& wanted) {
  group_place place;
  const auto none = [&](const std::string& why) {
    for (const auto& name : wanted) place.missing[name] = why;
    return std::move(place);
  };
  if (folder.empty()) return none("this process is in no control group of version 2");
  if (const auto slash = folder.rfind('/'); is_ours(folder.substr(slash + 1))) folder.erase(slash);
  if (!is_writable(folder))
    return none("the control group " + folder + " is not delegated to this program");
  const words there = words_of(file_contents(folder + "/cgroup.controllers"));
  const words on = words_of(file_contents(folder + "/cgroup.subtree_control"));
  words off;
  for (const auto& name : wanted) {
    if (!has(there, name)) {
      place.missing[name] = "the control group " + folder + " has no controller " + name;
    } else if (!has(on, name)) {
      off.push_back(name);
    }
  }
  if (!off.empty())
    if (const std::string why = hand_on(folder, off, root); !why.empty())
      for (const auto& name : off) place.missing[name] = why;
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return none("the control group " + folder + " can't be opened: " + error_text(errno));
  place.folder = descriptor{fd};
  return place;
}

bool close_group_place(int folder, pid_t root) noexcept {
  try {
    const std::string base = "/proc/self/fd/" + std::to_string(folder);
    const std::string main = base + '/' + main_group;
    if (access(main.c_str(), F_OK) != 0) return true;
    if (has_groups(base) || stranger_in(main, root) >= 0) return false;
    const words on = words_of(file_contents(base + "/cgroup.subtree_control"));
    if (!on.empty() && write_file(folder, "cgroup.subtree_control", joined(on, '-')) != 0)
      return true;
    if (move_all(main, base)) rmdir(main.c_str());
  } catch (const std::exception&) {
    // it stays, and the next program of this kind uses it
  }
  return true;
}

pid_t ancestor(std::size_t levels) {
  pid_t pid = getpid();
  for (; levels > 0 && pid > 0; --levels) pid = parent_of(pid);
  return pid;
}

bool is_in_child_group(pid_t pid) {
  const std::string its = child_group_of("/proc/" + std::to_string(pid));
  return !its.empty() && its != child_group_of("/proc/self");
}

int enter_group(int folder) noexcept {
  const int fd = openat(folder, "cgroup.procs", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  const int error = write(fd, "0", 1) < 0 ? errno : 0;
  close(fd);
  return error;
}

}  // namespace troupe::os
