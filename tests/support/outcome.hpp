#pragma once

#include <string>
#include <troupe/troupe.hpp>

namespace test {

/// Name of an error ("worker_lost", "request_timeout").
inline std::string outcome(const caf::error& error) {
  const std::string text = troupe::describe(error);
  return text.substr(0, text.find(':'));
}

/// "value", or the name of the error: reads well in a failed CHECK.
template <class T>
std::string outcome(const troupe::result<T>& of) {
  return of ? "value" : outcome(of.error());
}

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace test
