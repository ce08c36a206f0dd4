#include "troupe/bridge/supervision_view.hpp"

#include <algorithm>
#include <iterator>

#include "troupe/bridge/supervision_messages.hpp"
#include "troupe/bridge/supervisor.hpp"
#include "troupe/engine/link.hpp"

namespace troupe::bridge {

namespace {

using engine::tree_node;

tree_node::state state_of(child_status::state now) {
  using from = child_status::state;
  switch (now) {
    case from::running:
      return tree_node::state::running;
    case from::starting:
      return tree_node::state::starting;
    case from::stopping:
      return tree_node::state::stopping;
    case from::restarting:
      return tree_node::state::restarting;
    case from::down:
      break;
  }
  return tree_node::state::down;
}

std::string name_of(restart_strategy strategy) {
  switch (strategy) {
    case restart_strategy::one_for_one:
      return "one_for_one";
    case restart_strategy::one_for_all:
      return "one_for_all";
    case restart_strategy::rest_for_one:
      return "rest_for_one";
    case restart_strategy::dynamic:
      break;
  }
  return "dynamic";
}

constexpr std::string_view last_part(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

std::string list_of(const std::vector<named_child>& all) {
  std::string text;
  for (const auto& c : all) {
    text += (text.empty() ? "" : ", ") + c.path;
    if (c.pid != 0) text += " (process " + std::to_string(c.pid) + ')';
  }
  return text;
}

/// Who has the whole path goes before who has the last part of it, and a name before a process id.
std::vector<named_child> meant_by(const std::string& name, const std::vector<named_child>& all) {
  const auto those = [&all](auto are_meant) {
    std::vector<named_child> some;
    std::copy_if(all.begin(), all.end(), std::back_inserter(some), are_meant);
    return some;
  };
  auto found = those([&](const named_child& c) { return c.path == name; });
  if (found.empty()) found = those([&](const named_child& c) { return last_part(c.path) == name; });
  if (found.empty())
    found =
        those([&](const named_child& c) { return c.pid != 0 && std::to_string(c.pid) == name; });
  return found;
}

}  // namespace

// --- what there is ---

void supervisor::show(unsigned depth, std::vector<tree_node>& into,
                      std::set<const engine::link*>& theirs) const {
  if (path_.empty()) {  // those below are children and have a line as such
    tree_node self;
    self.depth = depth++;
    self.name = "supervisor";
    self.role = name_of(machine_->flags().strategy);
    self.now = state_of(own_state());
    self.since = since_;
    into.push_back(std::move(self));
  }
  for (const auto& info : machine_->which_children()) {
    const auto found = children_.find(info.key);
    const child* const c = found != children_.end() ? &found->second : nullptr;
    const child_status status = status_of(info);
    tree_node node;
    if (c != nullptr && c->link != nullptr) {
      node = engine::describe(*c->link, depth);
      theirs.insert(c->link.get());
    }
    node.depth = depth;
    node.path = path_of(info.spec->id, info.key);
    node.name = last_part(node.path);
    node.now = state_of(status.now);
    node.restarts = status.restarts;
    node.waiting += status.waiting;
    const bool inside = c != nullptr && c->nested != nullptr;
    if (inside) {
      node.role = name_of(c->nested->machine_->flags().strategy);
      node.since = c->nested->since_;
    } else if (status.type == child_type::supervisor) {
      node.role = "supervisor";  // in a process of its own, which tells more
    } else if (node.role.empty()) {
      node.role = "worker";
    }
    into.push_back(std::move(node));
    if (inside && status.now != child_status::state::down) c->nested->show(depth + 1, into, theirs);
  }
}

void supervisor::list(std::vector<named_child>& into) {
  for (const auto& info : machine_->which_children()) {
    const auto running = process_of(info.key);
    into.push_back({this, info.key, path_of(info.spec->id, info.key),
                    running != nullptr ? std::max(running->pid(), 0) : 0});
    if (const auto below = nested_of(info.key)) below->list(into);
  }
}

child_status::state supervisor::own_state() const {
  using phase = policy::supervision::phase;
  switch (machine_->now_in()) {
    case phase::idle:
    case phase::starting:
      return child_status::state::starting;
    case phase::running:
      return child_status::state::running;
    case phase::ending:
      return child_status::state::stopping;
    case phase::ended:
      break;
  }
  return child_status::state::down;
}

void supervision_view::show(unsigned depth, std::vector<tree_node>& into,
                            std::set<const engine::link*>& theirs) const {
  for (const auto& s : all_)
    if (!s->finish()) s->show(depth, into, theirs);
}

// --- what it is told ---

void supervision_view::restart(const std::string& name, std::function<void(restarted)> to) {
  const auto refuse = [&to](const std::string& why) { to({{}, 0, 0, why}); };
  std::vector<named_child> all;
  for (const auto& s : all_)
    if (!s->finish()) s->list(all);
  const auto found = meant_by(name, all);
  if (found.empty()) {
    refuse("no supervised child is called " + name + "; `troupe tree` shows them all");
  } else if (found.size() > 1) {
    refuse("several children are called " + name + ": " + list_of(found) +
           "; say which by its path or its process id");
  } else {
    found.front().of->renew(found.front(), std::move(to));
  }
}

void supervisor::renew(const named_child& which,
                       std::function<void(engine::control_source::restarted)> to) {
  const auto info = machine_->which_child(which.key);
  engine::control_source::restarted result{which.path, which.pid, 0, {}};
  const auto refuse = [&](const std::string& why) {
    result.refused = which.path + " was not restarted: " + why;
    to(result);
  };
  if (!info) return refuse("it has just ended");
  const restart_type type = info->spec->restart;
  if (type == restart_type::temporary)
    return refuse("it is temporary, so its supervisor would forget it");
  if (machine_->flags().strategy == restart_strategy::dynamic)
    return renew_dynamic(which, *info, std::move(result), to);
  supervision_request first;
  first.what = supervision_request::op::terminate_child;
  first.id = info->spec->id;
  const auto tell = [this, key = which.key, before = result, to](const supervision_answer& a) {
    auto after = before;
    const auto running = process_of(key);
    const auto now = machine_->which_child(key);
    // Whoever asked for the same meanwhile may have started it.
    const bool runs = a.code == errc{} || (now && now->state == policy::child_state::running);
    after.pid = runs && running != nullptr ? std::max(running->pid(), 0) : 0;
    if (!runs) after.refused = after.path + " was ended and could not be started again: " + a.text;
    to(after);
  };
  supervision_request second = first;
  second.what = supervision_request::op::restart_child;
  perform(std::move(first), [this, second, tell](const supervision_answer& a) {
    if (a.code == errc{}) {
      perform(second, tell);
    } else {
      tell(a);
    }
  });
}

/// Such a supervisor forgets a child that is terminated, so its process is: to its supervisor that
/// is an end by itself.
void supervisor::renew_dynamic(const named_child& which, const policy::child_info& info,
                               engine::control_source::restarted result,
                               const std::function<void(engine::control_source::restarted)>& to) {
  const auto running = process_of(which.key);
  if (info.spec->restart != restart_type::permanent || running == nullptr) {
    result.refused = which.path + " was not restarted: " +
                     (running == nullptr ? "it has no process now"
                                         : "it is not permanent, so a dynamic supervisor would "
                                           "forget it");
  } else {
    running->stop(grace_of(info.spec->shutdown_or_default()));
  }
  to(result);
}

bool supervision_view::stop_last() {
  for (auto s = all_.rbegin(); s != all_.rend(); ++s) {
    if ((*s)->finish()) continue;
    if ((*s)->is_ending()) return false;
    (*s)->stop();
    if (!(*s)->finish()) return false;
  }
  return true;
}

}  // namespace troupe::bridge
