#pragma once

#include <support/victim.hpp>

namespace test {

/// A program with supervisors, to be looked at and commanded from outside: `store`, `workers` (with
/// `a` and `b`) and `log`, a pool of one and a plain function. `b` is at the first of five
/// messages. Ready when it has been constructed; ends with 3 when its supervisor does.
class service : public victim {
public:
  /// `argument`: "", or what else it shall have: "long names", "a family" (an actor
  /// with processes of its own, and a supervisor in a process of its own), "two trees" (another
  /// supervisor with a `store`).
  explicit service(const std::string& argument = {});
};

}  // namespace test
