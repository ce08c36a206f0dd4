#include <troupe/policy/ending.hpp>

#include <algorithm>

namespace troupe::policy {

namespace {

bool matches(const ending_rule& rule, const ending& how, bool before_ready) {
  const auto listed = [&](bool if_none) {
    return rule.values.empty() ? if_none
                               : std::ranges::find(rule.values, how.value) != rule.values.end();
  };
  switch (rule.on) {
    case ending_rule::cause::exit_code:
      return how.how == ending::kind::exited && listed(how.value != 0);
    case ending_rule::cause::signal:
      return how.how == ending::kind::signaled && listed(true);
    case ending_rule::cause::out_of_memory:
      return how.out_of_memory;
    case ending_rule::cause::watchdog:
      return how.how == ending::kind::watchdog;
    case ending_rule::cause::start_failed:
      return before_ready;
  }
  return false;
}

}  // namespace

ending_rule::action decide(const child_spec& child, const ending& how, bool before_ready) {
  for (const auto& rule : child.rules)
    if (matches(rule, how, before_ready)) return rule.then;
  const bool again = before_ready || child.restart == restart_type::permanent ||
                     (child.restart == restart_type::transient && !how.well());
  return again ? ending_rule::action::restart : ending_rule::action::stop;
}

}  // namespace troupe::policy
