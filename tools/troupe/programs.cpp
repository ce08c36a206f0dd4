#include "programs.hpp"

#include <algorithm>
#include <string_view>
#include <tuple>

#include <kj/exception.h>

#include "errors.hpp"
#include "troupe/os/local_socket.hpp"

namespace troupe::tool {

namespace {

constexpr std::string_view of_a_program = ".sock";
constexpr std::string_view of_a_part = ".part";

std::string called(const std::string& name, int pid) {
  return name + " (" + std::to_string(pid) + ")";
}

/// Calls `use(name, pid, conversation)` for each socket of this kind that can be reached.
template <class Wanted, class Use>
void reach(const os::private_directory& where, std::string_view kind, Wanted wanted, Use use) {
  for (const std::string& file : os::names_in(where)) {
    const int pid = os::pid_in(file);
    if (pid == 0 || !file.ends_with(kind) || !wanted(pid)) continue;
    const std::string stem = file.substr(0, file.size() - kind.size());
    const std::string name = stem.substr(0, stem.rfind('.'));
    auto to = os::connect_in(where, file);
    if (to.is == os::reached::yes)
      use(name, pid, conversation{kj::mv(to.socket), called(name, pid)});
  }
}

std::string list_of(const std::vector<found_program>& all) {
  std::string text;
  for (const auto& p : all) text += (text.empty() ? "" : ", ") + called(p.name, p.pid);
  return text;
}

}  // namespace

look_around running_programs() {
  look_around seen;
  for (const std::string& path : os::runtime_directories()) {
    const auto where = os::open_private(path, false);
    if (!where.problem.empty()) seen.problems.push_back(where.problem);
    if (where.fd.get() < 0) continue;
    os::remove_abandoned_sockets(where, true);
    try {
      reach(
          where, of_a_program, [](int) { return true; },
          [&](const std::string& name, int pid, conversation talk) {
            seen.programs.push_back({name, pid, std::move(talk)});
          });
    } catch (const kj::Exception& e) {
      seen.problems.push_back(path + ": " + e.getDescription().cStr());
    }
  }
  std::sort(seen.programs.begin(), seen.programs.end(), [](const auto& a, const auto& b) {
    return std::tie(a.name, a.pid) < std::tie(b.name, b.pid);
  });
  return seen;
}

found_program choose(const std::optional<std::string>& name_or_pid) {
  auto seen = running_programs();
  auto& all = seen.programs;
  const std::string running = list_of(all);
  if (name_or_pid)
    std::erase_if(all, [&](const found_program& p) {
      return p.name != os::socket_name_of(*name_or_pid) && std::to_string(p.pid) != *name_or_pid;
    });
  if (all.size() == 1) return std::move(all.front());
  std::string problems;
  for (const auto& p : seen.problems) problems += "; " + p;
  if (!all.empty())
    throw trouble{exit_status::no_program,
                  "several programs " + (name_or_pid ? "are called " + *name_or_pid : "run") +
                      ": " + list_of(all) + "; say which by its " +
                      (name_or_pid ? "" : "name or ") + "process id" + problems};
  if (running.empty())
    throw trouble{exit_status::no_program,
                  "no program of yours that uses Troupe runs now (one shows itself when it has "
                  "started its first process, unless TROUPE_CONTROL=off)" +
                      problems};
  throw trouble{exit_status::no_program, "no running program is called " + *name_or_pid +
                                             "; there are: " + running + problems};
}

std::map<int, conversation> parts_with(const std::vector<int>& pids) {
  std::map<int, conversation> found;
  for (const std::string& path : os::runtime_directories()) try {
      const auto where = os::open_private(path, false);
      if (where.fd.get() < 0) continue;
      reach(
          where, of_a_part,
          [&](int pid) { return std::find(pids.begin(), pids.end(), pid) != pids.end(); },
          [&](const std::string&, int pid, conversation talk) {
            found.emplace(pid, std::move(talk));
          });
    } catch (const kj::Exception&) {
      // its part of the tree is not shown
    }
  return found;
}

}  // namespace troupe::tool
