#include "programs.hpp"

#include <algorithm>
#include <tuple>

#include <kj/exception.h>

#include "errors.hpp"
#include "troupe/os/local_socket.hpp"

namespace troupe::tool {

namespace {

constexpr std::string_view ending = ".sock";

/// "NAME.PID.sock".
std::optional<std::pair<std::string, int>> parts_of(const std::string& file) {
  if (!file.ends_with(ending)) return std::nullopt;
  const std::string stem = file.substr(0, file.size() - ending.size());
  const auto dot = stem.rfind('.');
  if (dot == std::string::npos || dot + 1 == stem.size() || stem.size() - dot > 10)
    return std::nullopt;
  const std::string digits = stem.substr(dot + 1);
  if (digits.find_first_not_of("0123456789") != std::string::npos) return std::nullopt;
  return std::pair{stem.substr(0, dot), std::stoi(digits)};
}

std::string list_of(const std::vector<found_program>& all) {
  std::string text;
  for (const auto& p : all)
    text += (text.empty() ? "" : ", ") + p.name + " (" + std::to_string(p.pid) + ")";
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
    for (const std::string& file : os::names_in(where)) {
      const auto parts = parts_of(file);
      if (!parts) continue;
      try {
        auto to = os::connect_in(where, file);
        if (to.is == os::reached::yes)
          seen.programs.push_back(
              {parts->first, parts->second,
               conversation{kj::mv(to.socket),
                            parts->first + " (" + std::to_string(parts->second) + ")"}});
      } catch (const kj::Exception& e) {
        seen.problems.push_back(path + '/' + file + ": " + e.getDescription().cStr());
      }
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
      return p.name != *name_or_pid && std::to_string(p.pid) != *name_or_pid;
    });
  if (all.size() == 1) return std::move(all.front());
  std::string problems;
  for (const auto& p : seen.problems) problems += "; " + p;
  if (!all.empty())
    throw trouble{exit_status::no_program,
                  "several programs " + (name_or_pid ? "are called " + *name_or_pid : "run") +
                      ": " + list_of(all) + "; say which by its process id" + problems};
  if (running.empty())
    throw trouble{exit_status::no_program,
                  "no program of yours that uses Troupe runs now (one shows itself when it has "
                  "started its first process, unless TROUPE_CONTROL=off)" +
                      problems};
  throw trouble{exit_status::no_program, "no running program is called " + *name_or_pid +
                                             "; there are: " + running + problems};
}

}  // namespace troupe::tool
