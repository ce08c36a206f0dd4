#include <troupe/policy/spec.hpp>

#include <algorithm>
#include <set>
#include <string_view>

namespace troupe::policy {

namespace {

using faults = std::vector<child_start::fault>;

bool has_zero(std::string_view text) {
  return text.find('\0') != std::string_view::npos;
}

void check_environment(const program_spec& what, faults& found) {
  std::set<std::string_view> names;
  for (const auto& [name, value] : what.environment) {
    if (!names.insert(name).second)
      found.emplace_back("environment", "sets " + name + " twice; leave one out");
    if (name.empty() || has_zero(name) || name.find('=') != std::string::npos)
      found.emplace_back("environment",
                         "has the name '" + name +
                             "'; a name must not be empty, nor have '=' or a zero byte in it");
    if (has_zero(value))
      found.emplace_back("environment",
                         "gives " + name + " a value with a zero byte, which no program can get");
    if (name == "TROUPE_TREE" || name == "NOTIFY_SOCKET")
      found.emplace_back("environment", "sets " + name + ", which is set for it; leave it out");
  }
}

void check_ready(const program_spec& what, faults& found) {
  using sign = ready_when::sign;
  const ready_when& ready = what.ready;
  if (static_cast<unsigned>(ready.by) > static_cast<unsigned>(sign::notified))
    found.emplace_back("ready", "is none of started, line and notified");
  const bool line = ready.by == sign::line;
  if (line && ready.descriptor != 1 && (ready.descriptor < 3 || ready.descriptor > 9))
    found.emplace_back("ready.descriptor", "must be 1, its stdout, or one from 3 to 9");
  if (!line && ready.descriptor != 1)
    found.emplace_back("ready.descriptor",
                       "has no effect, because no line makes it ready; leave it out");
  if (ready.text.find('\n') != std::string::npos)
    found.emplace_back("ready.text", "has a newline, which no line has; leave it out");
  if (!line && !ready.text.empty())
    found.emplace_back("ready.text", "has no effect, because no line makes it ready; leave it out");
}

}  // namespace

std::vector<child_start::fault> check_program(const program_spec& what, const child_spec& as) {
  faults found;
  if (what.argv.empty() || what.argv.front().empty())
    found.emplace_back("argv", "is empty: nothing says which program to start");
  if (std::ranges::any_of(what.argv, has_zero))
    found.emplace_back("argv", "has a zero byte, which no program can get");
  if (has_zero(what.directory)) found.emplace_back("directory", "has a zero byte");
  check_environment(what, found);
  check_ready(what, found);
  if (as.type == child_type::supervisor)
    found.emplace_back("type", "must be worker: a program is no supervisor");
  if (as.watchdog)
    found.emplace_back("watchdog",
                       "has no effect, because a program handles no messages; leave it out");
  return found;
}

}  // namespace troupe::policy
