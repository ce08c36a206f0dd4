#pragma once

#include <cstddef>
#include <functional>
#include <type_traits>

#include "troupe/runtime.hpp"

namespace troupe {

/// Makes one binary the parent and all its workers. The first object in `main`:
/// in a worker its constructor does not return.
///
/// Environment: TROUPE_START=spawn starts workers by exec instead of a fork of the zygote;
/// TROUPE_LOG=debug prints what starts and ends; TROUPE_CONTROL=off opens no control socket;
/// TROUPE_HUGE_CODE=never leaves the code of workers in its files, for tools that look for it
/// there.
class program {
public:
  program(int argc, char** argv);

  /// Largest message, in bytes, that is sent or accepted; the default is 16 MiB.
  /// @throws std::invalid_argument unless it is 1 to 2 GiB.
  program& max_message_bytes(std::size_t bytes);

  /// Whether `troupe tree` and the other commands of that program may reach this one; they may
  /// unless told otherwise, or TROUPE_CONTROL=off is set. There is something to reach from the
  /// first process or supervisor on.
  program& control(bool on);

  /// Names types that actors send without a typed signature: types, or blocks of CAF's
  /// CAF_BEGIN_TYPE_ID_BLOCK. Numbers, strings, the other types that CAF knows by itself, and
  /// `msg<T>` need no naming.
  template <class... Types>
  program& with() {
    (detail::know_named<Types>(), ...);
    return *this;
  }

  /// Calls `f(runtime&)`; when it returns, stops what still runs, in reverse order and within 5 s;
  /// then waits until no other thread has a scoped_actor any more. Handles that are kept beyond
  /// that mean nothing. Returns the exit code: f's int, else 0; 1 after an exception, which is
  /// printed as one sentence.
  /// @throws std::logic_error where one runs already
  template <class F>
  int run(F f) {
    return run_erased([&f](runtime& rt) -> int {
      if constexpr (std::is_convertible_v<std::invoke_result_t<F&, runtime&>, int>) {
        return f(rt);
      } else {
        f(rt);
        return 0;
      }
    });
  }

private:
  int run_erased(const std::function<int(runtime&)>& f);
};

}  // namespace troupe
