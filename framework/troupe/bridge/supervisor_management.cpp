// What is asked of a supervisor while it runs.
#include <caf/scheduled_actor.hpp>

#include <algorithm>

#include "troupe/bridge/hosted_actor.hpp"
#include "troupe/bridge/supervision_messages.hpp"
#include "troupe/bridge/supervisor.hpp"
#include "troupe/bridge/supervisor_actor.hpp"
#include "troupe/engine/control_groups.hpp"
#include "troupe/engine/link.hpp"
#include "troupe/error.hpp"

namespace troupe::bridge {

using policy::answer;
using policy::outcome;
using op = supervision_request::op;

namespace {

std::string_view sentence_of(outcome what) {
  switch (what) {
    case outcome::ok:
    case outcome::ignored:
      return "ok";
    case outcome::already_started:
      return "already_started: a child of this id runs or is being started";
    case outcome::already_present:
      return "already_present: there is a child of this id, which is down or about to be restarted";
    case outcome::not_found:
      return "not_found: the supervisor has no such child";
    case outcome::running:
      return "running: the child runs; terminate it first";
    case outcome::restarting:
      return "restarting: the supervisor is about to start this child itself";
    case outcome::simple_one_for_one:
      return "simple_one_for_one: a dynamic supervisor does not take this call";
    case outcome::max_children:
      return "max_children: the supervisor has as many children as its spec allows";
    case outcome::start_failed:
      return "start_failed: the child could not be started";
    case outcome::terminated:
      return "terminated: the child was ended before it was ready";
    case outcome::bad_spec:
      return "bad_spec";
    case outcome::not_running:
      return "not_running: the supervisor has ended or is about to";
  }
  return "unknown";
}

supervision_answer not_found(const std::string& id) {
  supervision_answer none;
  none.code = errc::refused;
  none.text = "not_found: the supervisor has no child " + id;
  return none;
}

}  // namespace

supervision_answer supervisor::answer_of(const answer& a, const std::string& id) const {
  supervision_answer to;
  if (const auto status = status_of(a.child)) to.children.push_back(*status);
  if (a.result == outcome::ok || a.result == outcome::ignored) {
    if (to.children.empty()) to.children.push_back({a.child, id});
    return to;
  }
  to.code = a.result == outcome::start_failed  ? errc::start_failed
            : a.result == outcome::not_running ? errc::stopped
                                               : errc::refused;
  to.text = sentence_of(a.result);
  for (const auto& f : a.faults) to.text += ": " + f.sentence;
  if (!id.empty() && a.faults.empty()) to.text += " (child " + id + ")";
  const bool failed = a.result == outcome::start_failed || a.result == outcome::terminated;
  if (const std::string why = why_not_started(a.child); failed && !why.empty())
    to.text += ": " + why;
  return to;
}

template <class Call>
void supervisor::ask(const std::string& id, done to, Call call) {
  const policy::call_id number = ++last_call_;
  calls_.emplace(number, [this, id, to = std::move(to)](const answer& a) { to(answer_of(a, id)); });
  tell([number, call = std::move(call)](auto now, auto& out) mutable { call(number, now, out); });
}

void supervisor::perform(supervision_request what, done to) {
  if (finish_) {
    supervision_answer ended;
    if (what.what == op::stop || what.what == op::wait) {
      ended.text = why_finished();
    } else {
      ended.code = errc::stopped;
      ended.text = "not_running: the supervisor has ended: " + why_finished();
    }
    to(std::move(ended));
    return;
  }
  const std::string id = what.id;
  const policy::child_key key = what.key;
  switch (what.what) {
    case op::start_child:
    case op::start_children:
      learn_limits(what.spec.children);
      start_children(std::move(what.spec.children), what.what == op::start_children, std::move(to));
      break;
    case op::terminate_child:
      ask(id.empty() ? std::to_string(key) : id, std::move(to),
          [this, id, key](auto call, auto now, auto& out) {
            if (key != 0) {
              machine_->terminate_child(call, key, now, out);
            } else {
              machine_->terminate_child(call, id, now, out);
            }
          });
      break;
    case op::restart_child:
      ask(id, std::move(to), [this, id](auto call, auto now, auto& out) {
        machine_->restart_child(call, id, now, out);
      });
      break;
    case op::delete_child:
      ask(id, std::move(to), [this, id](auto call, auto now, auto& out) {
        machine_->delete_child(call, id, now, out);
      });
      break;
    case op::change:
      learn_limits(what.spec.children);
      ask("", std::move(to), [this, spec = std::move(what.spec)](auto call, auto, auto& out) {
        machine_->change(call, spec, out);
      });
      break;
    case op::which_children: {
      supervision_answer all;
      for (const auto& info : machine_->which_children()) all.children.push_back(status_of(info));
      to(std::move(all));
      break;
    }
    case op::count_children: {
      const auto counts = machine_->count_children();
      supervision_answer all;
      all.counts = {counts.specs, counts.active, counts.supervisors, counts.workers};
      to(std::move(all));
      break;
    }
    case op::get_childspec: {
      auto spec = machine_->get_childspec(id);
      if (!spec) {
        to(not_found(id));
        break;
      }
      supervision_answer one;
      one.spec.children.push_back(std::move(*spec));
      to(std::move(one));
      break;
    }
    case op::handle:
      to(handle_of(what));
      break;
    case op::stop:
      waiters_.emplace_back(0, std::move(to));
      stop();
      break;
    case op::wait:
      waiters_.emplace_back(key, std::move(to));
      break;
    case op::stop_waiting:
      std::erase_if(waiters_, [key](const auto& w) { return w.first == key; });
      to({});
      break;
  }
}

/// Only for those that need it: to look for a control group takes a moment.
void supervisor::learn_limits(const std::vector<child_spec>& of) {
  if (std::any_of(of.begin(), of.end(),
                  [](const auto& c) { return policy::needs_control_groups(c); }))
    machine_->learn(node_.core().control_groups().facts());
}

/// All at once; answered when each has been. Those that started run on, whatever became of others.
void supervisor::start_children(std::vector<child_spec> specs, bool by_pattern, done to) {
  struct collected {
    supervision_answer all;
    std::size_t left = 0;
    std::size_t failed = 0;
    done to;
  };
  const auto state = std::make_shared<collected>();
  state->left = specs.size();
  state->to = std::move(to);
  if (specs.empty()) state->to({});
  state->all.children.resize(specs.size());
  by_pattern = by_pattern && machine_->flags().strategy == restart_strategy::dynamic;
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const auto collect = [this, state, i](const supervision_answer& one) {
      if (!one.children.empty()) state->all.children[i] = one.children.front();
      if (one.code != errc{} && state->failed++ == 0) {
        state->all.code = one.code;
        state->all.text = one.text;
      }
      if (--state->left != 0) return;
      const std::size_t asked = state->all.children.size();
      using phase = policy::supervision::phase;
      const phase now = machine_->now_in();
      const bool others_run =
          state->failed < asked && (now == phase::starting || now == phase::running);
      if (state->failed != 0 && asked > 1)
        state->all.text = std::to_string(state->failed) + " of " + std::to_string(asked) +
                          " children were not started" + (others_run ? ", the others run" : "") +
                          "; the first was not because " + state->all.text;
      state->to(std::move(state->all));
    };
    auto spec = std::make_shared<child_spec>(std::move(specs[i]));
    const std::string id = spec->id;
    ask(id, collect, [this, spec, by_pattern](auto call, auto now, auto& out) {
      if (by_pattern) {
        machine_->start_child(call, spec->start, now, out);
      } else {
        machine_->start_child(call, *spec, now, out);
      }
    });
  }
}

supervision_answer supervisor::handle_of(const supervision_request& of) {
  const auto info = of.key != 0 ? machine_->which_child(of.key) : machine_->which_child(of.id);
  if (!info) return not_found(of.key != 0 ? std::to_string(of.key) : of.id);
  supervision_answer one;
  one.is = info->spec->type;
  const auto found = children_.find(info->key);
  if (found == children_.end()) {  // it waits for others
    one.code = errc::not_started;
    one.text = "the child " + info->spec->id + " has not been started yet: ask for it when it has";
    return one;
  }
  child& c = found->second;
  if (c.nested != nullptr) {
    one.handle = c.nested->actor();
  } else {
    one.handle = c.route;
  }
  return one;
}

const caf::strong_actor_ptr& supervisor::actor() {
  if (actor_ != nullptr) return actor_;
  actor_ = caf::actor_cast<caf::strong_actor_ptr>(actor_for(shared_from_this()));
  const auto as = std::make_shared<hosted_actor>();
  as->name = path_.empty() ? "the supervisor of this process" : "the supervisor '" + path_ + '\'';
  as->is_made = true;
  set_defaults(static_cast<caf::scheduled_actor&>(*actor_->get()), as);
  if (is_static(path_)) node_.export_for_good(actor_, number_of(path_ + '/'));  // no child's
  return actor_;
}

child_status supervisor::status_of(const policy::child_info& info) const {
  child_status s;
  s.key = info.key;
  s.id = info.spec->id;
  s.type = info.spec->type;
  s.restarts = info.restarts;
  using from = policy::child_state;
  using to = child_status::state;
  s.now = info.state == from::running    ? to::running
          : info.state == from::stopping ? to::stopping
          : info.state == from::down     ? to::down
          : info.restart                 ? to::restarting
                                         : to::starting;
  const auto found = children_.find(info.key);
  if (found == children_.end()) return s;
  const child& c = found->second;
  if (c.link != nullptr) s.pid = known(c.link->pid());
  if (c.route != nullptr) s.waiting = route_of(c).waiting();
  return s;
}

std::optional<child_status> supervisor::status_of(policy::child_key key) const {
  const auto info = machine_->which_child(key);
  return info ? std::optional{status_of(*info)} : std::nullopt;
}

engine::link_ptr supervisor::process_of(policy::child_key key) const {
  const auto found = children_.find(key);
  return found != children_.end() ? found->second.link : nullptr;
}

engine::link_ptr supervisor::process_of(std::string_view id) const {
  const auto info = machine_->which_child(id);
  return info ? process_of(info->key) : nullptr;
}

std::shared_ptr<supervisor> supervisor::nested_of(policy::child_key key) const {
  const auto found = children_.find(key);
  return found != children_.end() ? found->second.nested : nullptr;
}

std::shared_ptr<supervisor> supervisor::nested_of(std::string_view id) const {
  const auto info = machine_->which_child(id);
  return info ? nested_of(info->key) : nullptr;
}

}  // namespace troupe::bridge
