#pragma once

#include <caf/all.hpp>

#include <string>

/// Actors that several topics use.
namespace test {

inline caf::behavior adder() {
  return {[](caf::add_atom, int a, int b) { return a + b; }};
}

/// Answers with what it is asked.
inline caf::behavior echo() {
  return {[](int x) { return x; }, [](const std::string& x) { return x; }};
}

using typed_adder = caf::typed_actor<caf::replies_to<caf::add_atom, int, int>::with<int>>;

inline typed_adder::behavior_type add() {
  return {[](caf::add_atom, int a, int b) { return a + b; }};
}

struct notes {
  std::string text;
};

/// Writes down what it is sent; answers `get` with all of it.
inline caf::behavior recorder(caf::stateful_actor<notes>* self) {
  return {[=](int x) { self->state.text += std::to_string(x) + ' '; },
          [=](const std::string& x) { self->state.text += x + ' '; },
          [=](caf::get_atom) { return self->state.text; }};
}

/// Ends as it is told.
inline caf::behavior mortal(caf::event_based_actor* self) {
  return {[=](caf::close_atom) { self->quit(); },
          [=](caf::close_atom, caf::exit_reason reason) { self->quit(reason); },
          [=](caf::close_atom, const caf::error& reason) { self->quit(reason); },
          [](int x) { return x; }};
}

}  // namespace test
