// What this machine supports, and what follows from it for a program that uses Troupe.
#include <algorithm>
#include <iostream>
#include <sstream>

#include "commands.hpp"
#include "json.hpp"
#include "screen.hpp"
#include "table.hpp"
#include "troupe/os/capabilities.hpp"
#include "troupe/os/control_group.hpp"
#include "troupe/os/huge_code.hpp"
#include "troupe/os/runtime_directory.hpp"

namespace troupe::tool {

namespace {

struct finding {
  enum class verdict : std::uint8_t { yes, partly, no, missing };  ///< missing: Troupe needs it
  std::string what;
  verdict is = verdict::yes;
  std::string consequence;  ///< one sentence
};
using verdict = finding::verdict;

std::string word_of(verdict is) {
  switch (is) {
    case verdict::yes:
      return "yes";
    case verdict::partly:
      return "partly";
    case verdict::no:
      return "no";
    case verdict::missing:
      break;
  }
  return "MISSING";
}

verdict needed(bool is) {
  return is ? verdict::yes : verdict::missing;
}
verdict wanted(bool is) {
  return is ? verdict::yes : verdict::no;
}

std::string number(std::uint64_t limit) {
  return limit == os::resource_limit::unlimited ? "unlimited" : std::to_string(limit);
}

/// Major and minor version at least.
bool at_least(const std::string& release, int major, int minor) {
  std::istringstream text{release};
  int a = 0, b = 0;
  char dot = 0;
  text >> a >> dot >> b;
  return a > major || (a == major && b >= minor);
}

void processes(std::vector<finding>& all) {
  const std::string release = os::kernel_release();
  const bool recent = at_least(release, 6, 1);
  all.push_back({"kernel " + release, recent ? verdict::yes : verdict::partly,
                 recent ? "Troupe is tested on Linux 6.1 and newer."
                        : "Troupe is tested on Linux 6.1 and newer only; an older one may do."});
  const bool pidfd = os::has_pidfd() && os::has_wait_by_pidfd();
  all.push_back({"pidfd", needed(pidfd),
                 pidfd ? "A death is seen at once, and a signal never meets a process that has "
                         "taken over a number."
                       : "No process can be started: its end could not be seen."});
  const bool group = os::has_group_signal_by_pidfd();
  all.push_back({"pidfd of groups", wanted(group),
                 group ? "What a worker has started is killed with it without any race."
                       : "What a worker has started is killed by the number of its group (Linux "
                         "before 6.9)."});
  const bool clone3 = os::has_clone3();
  all.push_back({"clone3", wanted(clone3),
                 clone3 ? "A worker with a control group begins its life there."
                        : "A worker with a control group goes there itself, first of all; "
                          "containers usually forbid clone3."});
  const bool close_range = os::has_close_range();
  all.push_back({"close_range", needed(close_range),
                 close_range ? "A worker has no descriptor of the program that started it."
                             : "No process can be started: it could not close what it inherits."});
  const bool memfd = os::has_sealed_memory();
  all.push_back({"memfd", needed(memfd),
                 memfd ? "A result that a worker has finished survives the worker's death."
                       : "No process can be started: it shares a page of memory with its parent."});
  const bool huge = os::has_huge_pages();
  all.push_back({"huge pages", wanted(huge),
                 huge ? "Code of workers that are started later lies in them, so they start sooner."
                      : "Each worker maps its code anew, page by page; `madvise` in "
                        "/sys/kernel/mm/transparent_hugepage/enabled makes starts quicker."});
  const bool subreaper = os::has_subreaper();
  all.push_back({"subreaper", wanted(subreaper),
                 subreaper
                     ? "What leaves its process group is found and ended when its worker ends."
                     : "What leaves its process group outlives its worker."});
}

void limits(std::vector<finding>& all) {
  const auto files = os::limit_of_descriptors();
  constexpr std::uint64_t per_process = 8, few = 1024;
  const bool enough = files.hard > few;
  all.push_back({"open files " + number(files.soft) + " of " + number(files.hard),
                 enough ? verdict::yes : verdict::partly,
                 "A program raises the first number to the second, which is enough for " +
                     (files.hard == os::resource_limit::unlimited
                          ? std::string{"any number of"}
                          : "about " + std::to_string(files.hard / per_process)) +
                     " processes."});
  const auto count = os::limit_of_processes();
  const bool many = count.soft > few;
  all.push_back({"processes " + number(count.soft), many ? verdict::yes : verdict::partly,
                 "All processes and threads of this user together may be so many; beyond, a start "
                 "fails with a sentence that says so."});
  const auto core = os::limit_of_core_bytes();
  all.push_back({"core files " + number(core.soft), wanted(core.soft != 0),
                 core.soft != 0 ? "A crashed worker leaves a core, and its report says so."
                                : "A crashed worker leaves no core; `ulimit -c unlimited` before "
                                  "the start of the program allows it."});
  const auto pages = os::limit_of_pipe_pages();
  all.push_back({"pipe pages " + (pages == 0 ? "unlimited" : std::to_string(pages)), verdict::yes,
                 "Beyond so many pages in pipes, a user without privileges gets small ones, and "
                 "large messages take more writes."});
}

void containment(std::vector<finding>& all) {
  const auto group = os::own_control_group();
  all.push_back({"cgroup v2", wanted(group.is_v2),
                 group.is_v2 ? "Memory and number of processes of a child can be limited where a "
                               "group with these controllers is delegated."
                             : "Memory and number of processes of a child can't be limited, but by "
                               "rlimits."});
  const auto has = [&group](const char* name) {
    return std::find(group.controllers.begin(), group.controllers.end(), name) !=
           group.controllers.end();
  };
  const bool memory = has("memory"), pids = has("pids");
  const bool useful = group.delegated && (memory || pids);
  const std::string limits = memory && pids ? "memory_bytes and pids of a child hold"
                             : memory       ? "memory_bytes of a child holds, pids doesn't"
                                            : "pids of a child holds, memory_bytes doesn't";
  all.push_back({"cgroup delegation",
                 !useful          ? verdict::no
                 : memory && pids ? verdict::yes
                                  : verdict::partly,
                 useful ? limits + ", if the program is alone in its group " + group.folder + "."
                        : "memory_bytes and pids of a child are refused; run the program by "
                          "`systemd-run --user --scope -p Delegate=yes`."});
  const bool kills = useful && at_least(os::kernel_release(), 5, 14);
  all.push_back({"cgroup.kill", wanted(kills),
                 kills ? "All that a child with these limits has started is killed with it."
                       : "A program that a worker starts and that calls setsid can outlive a root "
                         "that is killed."});
  const int landlock = os::landlock_version();
  all.push_back({"Landlock" + (landlock > 0 ? " " + std::to_string(landlock) : std::string{}),
                 wanted(landlock > 0),
                 landlock > 0 ? "Files could be kept from a worker without privileges."
                              : "Files can't be kept from a worker without privileges."});
  const bool seccomp = os::has_seccomp_filters();
  all.push_back({"seccomp", wanted(seccomp),
                 seccomp ? "System calls could be kept from a worker."
                         : "System calls can't be kept from a worker."});
}

void visibility(std::vector<finding>& all) {
  const bool proc = os::has_proc();
  all.push_back({"/proc", proc ? verdict::yes : verdict::partly,
                 proc
                     ? "Orphans are found, memory and CPU time are shown."
                     : "It is not there or speaks of another pid namespace: orphans are not found, "
                       "memory and CPU time not shown; mount it (`mount -t proc proc /proc`)."});
  const bool children = os::has_proc_children();
  all.push_back({"/proc children", children ? verdict::yes : verdict::partly,
                 children ? "Children that a dead zygote did not tell of are found."
                          : "Children that a dead zygote did not tell of are not found (a kernel "
                            "without CONFIG_PROC_CHILDREN)."});
  const bool others = os::sees_other_processes();
  all.push_back({"/proc of others", wanted(others),
                 others ? "Nothing is hidden."
                        : "Processes of other users are hidden (hidepid), which Troupe does not "
                          "mind."});
  const bool io = os::has_proc_io();
  all.push_back({"/proc/PID/io", wanted(io),
                 io ? "Bytes that a process has read and written can be told."
                    : "Bytes that a process has read and written can't be told."});
  for (const std::string& path : os::runtime_directories()) {
    const auto where = os::open_private(path, false);
    const bool fine = where.problem.empty();
    all.push_back({path, fine ? verdict::yes : verdict::no,
                   fine ? "Programs of this user can be reached there." : where.problem + "."});
  }
}

void print_json(const std::vector<finding>& all) {
  std::cout << '[';
  for (std::size_t i = 0; i < all.size(); ++i)
    std::cout << (i == 0 ? "\n" : ",\n") << "  {\"what\": " << json_text(all[i].what)
              << ", \"supported\": " << json_text(word_of(all[i].is))
              << ", \"consequence\": " << json_text(all[i].consequence) << '}';
  std::cout << "\n]\n";
}

}  // namespace

exit_status doctor(bool json) {
  std::vector<finding> all;
  processes(all);
  limits(all);
  containment(all);
  visibility(all);
  bool fit = true;
  for (const auto& f : all) fit = fit && f.is != verdict::missing;
  if (json) {
    print_json(all);
  } else {
    std::vector<std::vector<std::string>> rows;
    for (const auto& f : all) rows.push_back({f.what, word_of(f.is), f.consequence});
    for (const auto& line : table_lines(rows, page{0, own_page().unicode}))
      std::cout << line << '\n';
  }
  return fit ? exit_status::done : exit_status::refused;
}

}  // namespace troupe::tool
