#include "troupe/os/file_tree.hpp"

#include <fts.h>
#include <kj/debug.h>
#include <sys/stat.h>

#include <cerrno>
#include <memory>

namespace troupe::os {

file_tree walk_file_tree(const std::string& directory) {
  std::string root = directory;
  char* roots[] = {root.data(), nullptr};
  struct close_walk {
    void operator()(FTS* walk) const { fts_close(walk); }
  };
  const std::unique_ptr<FTS, close_walk> walk{
      fts_open(roots, FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, nullptr)};
  if (walk == nullptr) KJ_FAIL_SYSCALL("fts_open", errno, directory);
  file_tree found;
  while (FTSENT* entry = fts_read(walk.get())) {
    switch (entry->fts_info) {
      case FTS_F:
        found.files.emplace_back(entry->fts_path);
        break;
      case FTS_DNR:
      case FTS_ERR:
      case FTS_NS:
        found.problems.push_back({entry->fts_path, entry->fts_errno});
        break;
      default:
        break;
    }
  }
  return found;
}

}  // namespace troupe::os
