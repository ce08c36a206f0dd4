#include "troupe/os/runtime_directory.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace troupe::os {

namespace {

std::string why_not(const std::string& path, int error) {
  if (error == ELOOP || error == ENOTDIR)
    return path + " is not used: it is a link or no folder; remove it";
  return path + " can't be used: " + std::strerror(error);
}

std::string why_not(const std::string& path, const struct stat& is) {
  if (is.st_uid != geteuid())
    return path + " is not used: it belongs to user " + std::to_string(is.st_uid) +
           ", who could read and replace what is in it; have it removed, or set XDG_RUNTIME_DIR";
  if ((is.st_mode & 077U) != 0)
    return path + " is not used: others may enter it; run: chmod 700 " + path;
  return {};
}

}  // namespace

std::vector<std::string> runtime_directories() {
  std::vector<std::string> all;
  const char* const given = std::getenv("XDG_RUNTIME_DIR");
  struct stat is {};
  // After `su` or `sudo` it may still be another user's.
  if (given != nullptr && *given == '/' && stat(given, &is) == 0 && is.st_uid == geteuid())
    all.push_back(std::string{given} + "/troupe");
  all.push_back("/tmp/troupe-" + std::to_string(geteuid()));
  return all;
}

private_directory open_private(const std::string& path, bool create) {
  private_directory dir{path, {}, {}};
  if (create && mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    dir.problem = why_not(path, errno);
    return dir;
  }
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) {
    if (errno != ENOENT || create) dir.problem = why_not(path, errno);
    return dir;
  }
  descriptor opened{fd};
  struct stat is {};
  if (fstat(fd, &is) != 0) {
    dir.problem = why_not(path, errno);
    return dir;
  }
  dir.problem = why_not(path, is);
  if (dir.problem.empty()) dir.fd = kj::mv(opened);
  return dir;
}

std::vector<std::string> names_in(const private_directory& where) {
  std::vector<std::string> names;
  const int again = openat(where.fd.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (again < 0) return names;
  struct close_list {
    void operator()(DIR* list) const { closedir(list); }
  };
  const std::unique_ptr<DIR, close_list> list{fdopendir(again)};
  if (list == nullptr) {
    close(again);
    return names;
  }
  while (const dirent* entry = readdir(list.get())) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  return names;
}

void remove_from(const private_directory& where, const std::string& name) noexcept {
  static_cast<void>(unlinkat(where.fd.get(), name.c_str(), 0));
}

}  // namespace troupe::os
