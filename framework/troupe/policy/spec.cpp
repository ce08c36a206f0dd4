#include <troupe/policy/spec.hpp>

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_set>
#include <utility>

namespace troupe::policy {

namespace {

using std::chrono::nanoseconds;

/// Collects what is wrong with a supervisor, or with one child.
class complaints {
public:
  explicit complaints(std::vector<fault>& to) : to_(to), subject_("The supervisor") {}
  complaints(std::vector<fault>& to, const child_spec& child, std::size_t number)
      : to_(to), child_(child.id) {
    subject_ = child.id.empty() ? number == 0 ? "The child" : "Child " + std::to_string(number)
                                : "Child '" + child.id + "'";
  }

  /// `says` goes on after the subject and the field.
  void unless(bool holds, const char* field, const std::string& says) {
    if (!holds) to_.push_back({child_, field, subject_ + ": " + field + " " + says});
  }

private:
  std::vector<fault>& to_;
  std::string child_;
  std::string subject_;
};

template <class Enum>
bool within(Enum value, Enum last) {
  return static_cast<unsigned>(value) <= static_cast<unsigned>(last);
}

bool usable_name(std::string_view id) {
  return !id.empty() && id.size() <= 128 && std::ranges::all_of(id, [](char c) {
    return c != '/' && static_cast<unsigned char>(c) > 0x20 && c != 0x7f;
  });
}

void check_back_off(const child_spec& child, complaints& faults) {
  if (!child.back_off) return;
  const backoff& b = *child.back_off;
  faults.unless(child.restart != restart_type::temporary, "back_off",
                "has no effect, because a temporary child is never restarted; leave it out");
  faults.unless(b.initial > nanoseconds{0}, "back_off.initial", "must be more than 0");
  faults.unless(b.max >= b.initial, "back_off.max", "must not be less than back_off.initial");
  faults.unless(b.factor >= 1 && std::isfinite(b.factor), "back_off.factor",
                "must be at least 1, and finite");
  faults.unless(b.jitter >= 0 && b.jitter <= 1, "back_off.jitter", "must be from 0 to 1");
  faults.unless(!b.reset_after || *b.reset_after >= nanoseconds{0}, "back_off.reset_after",
                "must not be negative");
}

/// Whether nothing is left for `rule`: the first that matches decides.
bool is_hidden(const ending_rule& rule, std::span<const ending_rule> earlier) {
  const auto covers = [&](const ending_rule& by, std::optional<int> value) {
    if (by.on != rule.on) return false;
    if (!by.values.empty()) return value && std::ranges::count(by.values, *value) != 0;
    return by.on != ending_rule::cause::exit_code || value != 0;  // without values: all but 0
  };
  const auto is_covered = [&](std::optional<int> value) {
    return std::ranges::any_of(earlier, [&](const auto& by) { return covers(by, value); });
  };
  if (rule.values.empty()) return is_covered(std::nullopt);
  return std::ranges::all_of(rule.values, is_covered);
}

void check_rule(const child_spec& child, const ending_rule& rule,
                std::span<const ending_rule> earlier, complaints& faults) {
  using cause = ending_rule::cause;
  using action = ending_rule::action;
  faults.unless(within(rule.on, cause::start_failed), "rules.on", "is none of the causes");
  faults.unless(within(rule.then, action::escalate), "rules.then", "is none of the actions");
  const bool takes_values = rule.on == cause::exit_code || rule.on == cause::signal;
  faults.unless(takes_values || rule.values.empty(), "rules.values",
                "belong to exit codes and signals only; leave them out for another cause");
  const auto [least, most] = rule.on == cause::signal ? std::pair{1, 64} : std::pair{0, 255};
  for (const int value : rule.values)
    faults.unless(
        !takes_values || (value >= least && value <= most), "rules.values",
        "has " + std::to_string(value) + ", but " +
            (rule.on == cause::signal ? "signals go from 1 to 64" : "exit codes go from 0 to 255"));
  const bool again = rule.then == action::restart || rule.then == action::restart_slower;
  faults.unless(!again || child.restart != restart_type::temporary, "rules.then",
                "can't restart a temporary child; make it transient");
  faults.unless(rule.on != cause::start_failed || child.restart != restart_type::temporary,
                "rules.on",
                "is a restart that failed, but a temporary child is never restarted; leave it out");
  faults.unless(
      !is_hidden(rule, earlier), "rules",
      "has one for ends that an earlier one decides about; leave it out, or put it first");
  faults.unless(rule.on != cause::watchdog || child.watchdog, "rules.on",
                "is the watchdog, but the child has none; set watchdog");
  faults.unless(rule.then != action::restart_slower || child.back_off, "rules.then",
                "can't restart it slower without a back_off; add one");
}

void check_limits(const process_limits& limits, const group_facts& groups, complaints& faults) {
  faults.unless(!limits.nice || (*limits.nice >= -20 && *limits.nice <= 19), "limits.nice",
                "must be from -20 to 19");
  faults.unless(!limits.cpu_time || limits.cpu_time->count() > 0, "limits.cpu_time",
                "must be more than 0");
  faults.unless(limits.memory_bytes != 0U, "limits.memory_bytes", "must be more than 0");
  faults.unless(limits.pids != 0U, "limits.pids", "must be more than 0");
  const auto not_kept = [](const std::string& why, const char* instead) {
    return "can't be kept, because " + why +
           "; start the program in a group of its own (`systemd-run --user --scope -p "
           "Delegate=yes`), or use " +
           instead;
  };
  faults.unless(limits.memory_bytes.value_or(0) == 0 || groups.memory.empty(),
                "limits.memory_bytes",
                not_kept(groups.memory, "address_space_bytes or data_bytes"));
  faults.unless(limits.pids.value_or(0) == 0 || groups.pids.empty(), "limits.pids",
                not_kept(groups.pids, "processes"));
  faults.unless(std::ranges::all_of(limits.cpus, [](int cpu) { return cpu >= 0 && cpu < 1024; }),
                "limits.cpus", "must be from 0 to 1023");
}

void check_significant(const child_spec& child, const supervisor_spec& under, complaints& faults) {
  if (!child.significant) return;
  faults.unless(child.restart != restart_type::permanent, "significant",
                "needs a child that may end, but a permanent one is always restarted; make it "
                "transient or temporary");
  if (under.strategy == restart_strategy::dynamic)
    faults.unless(false, "significant", "is not for children of a dynamic supervisor");
  else
    faults.unless(under.auto_shutdown != auto_shutdown_mode::never, "significant",
                  "has no effect while the supervisor's auto_shutdown is never; choose "
                  "any_significant or all_significant there");
}

void check_child(const child_spec& child, const supervisor_spec& under, const group_facts& groups,
                 complaints& faults) {
  faults.unless(usable_name(child.id), "id",
                "must be 1 to 128 printable characters without spaces or '/'");
  faults.unless(child.start != nullptr, "start", "is missing: nothing says what to start");
  faults.unless(within(child.restart, restart_type::temporary), "restart",
                "is none of permanent, transient and temporary");
  faults.unless(within(child.type, child_type::supervisor), "type",
                "is neither worker nor supervisor");
  if (child.shutdown) {
    faults.unless(within(child.shutdown->how, shutdown_limit::mode::infinity), "shutdown",
                  "is none of brutal_kill, a time and infinity");
    faults.unless(child.shutdown->time >= nanoseconds{0}, "shutdown", "must not be negative");
  }
  faults.unless(!child.start_timeout || *child.start_timeout > nanoseconds{0}, "start_timeout",
                "must be more than 0");
  faults.unless(!child.watchdog || *child.watchdog >= std::chrono::milliseconds{1}, "watchdog",
                "must be 1 ms at least");
  check_significant(child, under, faults);
  check_back_off(child, faults);
  check_limits(child.limits, groups, faults);
  const std::span rules{child.rules};
  for (std::size_t i = 0; i < rules.size(); ++i)
    check_rule(child, rules[i], rules.first(i), faults);
  if (child.start != nullptr)
    for (const auto& [field, says] : child.start->faults(child))
      faults.unless(false, field.c_str(), says);
}

void check_flags(const supervisor_spec& spec, complaints& faults) {
  const bool dynamic = spec.strategy == restart_strategy::dynamic;
  faults.unless(within(spec.strategy, restart_strategy::dynamic), "strategy",
                "is none of one_for_one, one_for_all, rest_for_one and dynamic");
  faults.unless(spec.intensity >= 0, "intensity", "must not be negative");
  faults.unless(spec.period > nanoseconds{0}, "period", "must be more than 0");
  faults.unless(within(spec.auto_shutdown, auto_shutdown_mode::all_significant), "auto_shutdown",
                "is none of never, any_significant and all_significant");
  faults.unless(!dynamic || spec.auto_shutdown == auto_shutdown_mode::never, "auto_shutdown",
                "must be never for a dynamic supervisor");
  faults.unless(dynamic || !spec.max_children, "max_children",
                "is for dynamic supervisors only; leave it out");
  faults.unless(spec.spares >= 0 && spec.spares <= 64, "spares", "must be 0 to 64");
  if (spec.pace) {
    faults.unless(spec.pace->burst >= 1 && spec.pace->burst <= 10'000, "pace.burst",
                  "must be 1 to 10,000");
    faults.unless(spec.pace->every > nanoseconds{0} && spec.pace->every <= std::chrono::hours{24},
                  "pace.every", "must be more than 0, and 24 h at most");
  }
  faults.unless(!dynamic || spec.children.size() == 1, "children",
                "of a dynamic supervisor must be exactly one, the pattern of all");
}

/// The faults of a child that is a supervisor.
void check_below(const child_spec& child, const group_facts& groups, std::vector<fault>& faults) {
  const auto* const below = child.start != nullptr ? child.start->below() : nullptr;
  if (below == nullptr) return;
  for (const auto& f : validate(*below, groups))
    faults.push_back({f.child.empty() ? child.id : child.id + '/' + f.child, f.field,
                      "In child '" + child.id + "': " + f.sentence});
}

}  // namespace

bool needs_control_groups(const child_spec& child) {
  const auto* const below = child.start != nullptr ? child.start->below() : nullptr;
  return child.limits.need_control_group() || (below != nullptr && needs_control_groups(*below));
}

bool needs_control_groups(const supervisor_spec& spec) {
  return std::ranges::any_of(spec.children,
                             [](const child_spec& c) { return needs_control_groups(c); });
}

std::vector<fault> validate(const supervisor_spec& spec, const group_facts& groups) {
  std::vector<fault> faults;
  complaints of_flags{faults};
  check_flags(spec, of_flags);
  std::unordered_set<std::string_view> ids;
  for (std::size_t i = 0; i < spec.children.size(); ++i) {
    const auto& child = spec.children[i];
    complaints of_child{faults, child, i + 1};
    check_child(child, spec, groups, of_child);
    of_child.unless(child.id.empty() || ids.insert(child.id).second, "id",
                    "is used twice; give each child its own");
    check_below(child, groups, faults);
  }
  return faults;
}

std::vector<fault> validate(const child_spec& child, const supervisor_spec& under,
                            const group_facts& groups) {
  std::vector<fault> faults;
  complaints of_child{faults, child, 0};
  check_child(child, under, groups, of_child);
  check_below(child, groups, faults);
  return faults;
}

}  // namespace troupe::policy
