#pragma once

#include <caf/scheduled_actor.hpp>

#include <exception>
#include <memory>
#include <string>

namespace troupe::bridge {

/// How the actor of a process has fared so far. The actor and its node share it.
struct hosted_actor {
  std::string name;
  bool is_made = false;
  std::exception_ptr thrown;  ///< that ended it, by the default handler
};

/// Gives an actor of a process of its own these defaults, where it has CAF's: what goes wrong in it
/// is said on stderr with its name, not on stdout with CAF's number of it; the error of an
/// exception, `sec::runtime_error` as with CAF, has its text.
void set_defaults(caf::scheduled_actor& actor, std::shared_ptr<hosted_actor> as);

}  // namespace troupe::bridge
