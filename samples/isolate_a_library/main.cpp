// A library function that crashes on some inputs: glibc's regcomp() calls itself for each
// parenthesis until the stack is full. In a process of its own it takes nobody along.
#include <regex.h>

#include <array>
#include <iostream>
#include <troupe/troupe.hpp>

// region wrapper
caf::behavior matcher() {
  return {[](const std::string& pattern, const std::string& text) -> caf::result<bool> {
    regex_t compiled;
    if (const int code = regcomp(&compiled, pattern.c_str(), REG_EXTENDED | REG_NOSUB)) {
      std::array<char, 128> why{};
      regerror(code, &compiled, why.data(), why.size());
      return caf::make_error(caf::sec::invalid_argument, std::string{why.data()});
    }
    const bool found = regexec(&compiled, text.c_str(), 0, nullptr, 0) == 0;
    regfree(&compiled);
    return found;
  }};
}
// endregion

std::string nested(std::size_t depth) {
  return std::string(depth, '(') + "a" + std::string(depth, ')');
}

int main(int argc, char** argv) {
  return troupe::program{argc, argv}.run([](troupe::runtime& rt) {
    // region use
    const auto start = [&] { return rt.spawn({"regex"}, matcher); };
    auto library = start();
    const std::vector<std::string> patterns{"b[an]+", nested(20), nested(200'000),
                                            "b[an",   "z$",       nested(300'000)};
    for (const auto& pattern : patterns) {
      std::cout << pattern.substr(0, 10) << " (" << pattern.size() << " characters): ";
      rt.self()
          ->request(library, caf::infinite, pattern, "banana")
          .receive([](bool found) { std::cout << (found ? "found\n" : "not found\n"); },
                   [&](caf::error& e) {
                     const auto crash = troupe::report_of(e);
                     std::cout << (crash ? crash->sentence() : rt.describe(e)) << '\n';
                     if (crash) library = start();
                   });
    }
    // endregion
  });
}
