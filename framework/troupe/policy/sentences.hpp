#pragma once

#include <troupe/policy/actions.hpp>
#include <troupe/policy/child_list.hpp>

#include <string>
#include <string_view>

namespace troupe::policy {

/// Names as they stand in the code: "already_started", "restarting", "gave_up" and so on.
[[nodiscard]] std::string_view to_string(outcome o);
[[nodiscard]] std::string_view to_string(child_state s);
[[nodiscard]] std::string_view to_string(end_reason r);
[[nodiscard]] std::string_view to_string(report::event e);

/// "ended with exit code 3", "was killed by signal 11", ...
[[nodiscard]] std::string phrase(const ending& how);

/// What became of a call, for whoever made it: what happened, to which child, what to do.
/// `call` is its name ("restart_child"), `child` the id or the key it named.
[[nodiscard]] std::string sentence(const answer& a, std::string_view call, std::string_view child);

/// Why a supervisor ended. `child` is the id of `f.child`.
[[nodiscard]] std::string sentence(const finish& f, const supervisor_spec& flags,
                                   std::string_view child);

}  // namespace troupe::policy
