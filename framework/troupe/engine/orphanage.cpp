#include "troupe/engine/orphanage.hpp"

#include <kj/exception.h>

#include <csignal>
#include <optional>
#include <utility>
#include <vector>

#include "troupe/os/child.hpp"
#include "troupe/os/control_group.hpp"
#include "troupe/os/memory_holder.hpp"
#include "troupe/os/zygote.hpp"

namespace troupe::engine {

namespace {

/// Empty, too, when there is no descriptor for it: it is looked at again.
std::optional<os::descriptor> pidfd_of(int pid) {
  try {
    return os::find_pidfd(pid);
  } catch (const kj::Exception&) {
    return std::nullopt;
  }
}

}  // namespace

/// As a zombie nothing tells whose one is that began a group after it was looked at.
bool orphanage::reap_killed() {
  const bool any = !killed_.empty();
  std::erase_if(killed_, [this](const auto& k) {
    const auto& [pid, pidfd] = k;
    const auto is = os::wait_child(pidfd, true).how;
    if (is == os::wait_status::kind::running) return false;
    if (is == os::wait_status::kind::unknown) return true;  // somebody else reaped it
    groups_.insert(pid);
    os::signal_group(pid, SIGKILL);
    os::wait_child(pidfd, false);
    return true;
  });
  return any;
}

bool orphanage::sweep(const std::set<int>& known, bool kill_zygotes) {
  bool left = reap_killed();
  std::set<int> sessions;  // as they are now
  std::vector<std::pair<int, os::process_identity>> strangers;
  for (const int pid : os::children_of_this_process()) {
    if (known.contains(pid)) continue;
    const auto who = os::identify(pid, std::string{os::tree_variable} + '=' + mark_);
    if (!who) continue;
    strangers.emplace_back(pid, *who);
    if (who->name == os::zygote_name && who->session == pid) sessions_.insert(pid);
    sessions.insert(who->session);
  }
  std::erase_if(sessions_, [&](int session) { return !sessions.contains(session); });
  for (const auto& [pid, who] : strangers) {
    const bool zygote = who.name == os::zygote_name;
    if (!zygote && who.name != os::worker_name && who.name != os::holder_name && !who.marked &&
        !groups_.contains(who.group) && !sessions_.contains(who.session) &&
        !os::is_in_child_group(pid))
      continue;
    // An unreaped child's pid can't be used again, so the pidfd is the process just looked at.
    auto pidfd = pidfd_of(pid);
    left = left || !pidfd;
    const auto is = pidfd ? os::wait_child(*pidfd, true).how : os::wait_status::kind::unknown;
    if (is == os::wait_status::kind::unknown) continue;  // somebody else reaped it meanwhile
    if (is == os::wait_status::kind::running) {
      left = true;
      if (zygote && !kill_zygotes) continue;
      os::send_signal(*pidfd, SIGKILL);
    }
    if (who.group == pid) {
      groups_.insert(pid);
      os::signal_group(pid, SIGKILL);
    }
    if (is == os::wait_status::kind::running) {
      killed_.insert_or_assign(pid, kj::mv(*pidfd));
      continue;
    }
    os::wait_child(*pidfd, false);
    left = true;  // what it left came here after this look began
  }
  std::erase_if(groups_, [](int group) { return !os::group_exists(group); });
  return left || !groups_.empty();
}

void orphanage::end_untold_workers(const std::set<int>& known, bool programs) {
  for (const int pid : os::children_of_this_process()) {
    if (known.contains(pid)) continue;
    const auto who = os::identify(pid, std::string{os::tree_variable} + '=' + mark_);
    if (!who) continue;
    const bool program = programs && who->marked && who->group == pid;  // executed already
    if (!program && who->name != os::worker_name && who->name != os::zygote_name) continue;
    const auto pidfd = pidfd_of(pid);
    if (!pidfd || os::wait_child(*pidfd, true).how == os::wait_status::kind::unknown) continue;
    os::send_signal(*pidfd, SIGKILL);
    if (who->group == pid) os::signal_group(pid, SIGKILL);
    os::reap_blocking(*pidfd);
  }
}

}  // namespace troupe::engine
