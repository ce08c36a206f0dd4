#pragma once

#include <schemas/shapes.capnp.h>
#include <support/catch.hpp>
#include <troupe/message.hpp>

#include <caf/all.hpp>

#include <concepts>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

/// 1 once a runtime has `self()` and spawns behaviours; `kinds` below names what is run.
#define TEST_TROUPE_ACTORS 1

#if TEST_TROUPE_ACTORS
#include <support/runtime.hpp>
#else
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::msg<test::Shape>)
#endif

namespace test {

/// What the actor under test is.
enum class kind {
  local,       ///< an actor of CAF, without Troupe
  in_process,  ///< an actor of a runtime, in the process of the runtime
  process      ///< an actor of a runtime, in a process of its own
};

#if TEST_TROUPE_ACTORS
inline constexpr kind kinds[] = {kind::local, kind::in_process, kind::process};
#else
inline constexpr kind kinds[] = {kind::local};
#endif

std::string to_string(kind of);

/// One run of a case: starts the actors under test and talks to them.
///
/// What is demanded of every kind is what CAF does with a local actor. So functions of actors are
/// plain functions or lambdas without captures, get values by arguments and messages only, and the
/// test sees nothing of them but messages.
class subject {
public:
  explicit subject(kind of);
  subject(const subject&) = delete;
  subject& operator=(const subject&) = delete;
  /// Kills what `spawn` and `helper` started and waits for its end.
  ~subject();

  /// For what docs/caf.md says is different.
  [[nodiscard]] bool is_process() const noexcept { return kind_ == kind::process; }

  /// The actor of the test; its waiting is what lets a runtime run.
  [[nodiscard]] caf::blocking_actor* self() const;
  [[nodiscard]] caf::actor me() const { return self(); }

  /// Starts an actor of this kind.
  template <class F, class... Ts>
  requires(!std::derived_from<F, caf::local_actor>) caf::infer_handle_from_fun_t<F> spawn(
      F f, Ts&&... xs) {
#if TEST_TROUPE_ACTORS
    if (kind_ == kind::process) return kept(runtime().spawn(f, std::forward<Ts>(xs)...));
    if (kind_ == kind::in_process)
      return kept(runtime().spawn(troupe::in_process, f, std::forward<Ts>(xs)...));
#endif
    return kept(system_->spawn(f, std::forward<Ts>(xs)...));
  }
  template <class C, class... Ts>
  requires std::derived_from<C, caf::local_actor> caf::infer_handle_from_class_t<C> spawn(
      Ts&&... xs) {
#if TEST_TROUPE_ACTORS
    if (kind_ == kind::process) return kept(runtime().spawn<C>(std::forward<Ts>(xs)...));
    if (kind_ == kind::in_process)
      return kept(runtime().spawn<C>(troupe::in_process, std::forward<Ts>(xs)...));
#endif
    return kept(system_->spawn<C>(std::forward<Ts>(xs)...));
  }

  /// Starts an actor of the test itself: local in every kind, and it may capture.
  template <class F, class... Ts>
  caf::infer_handle_from_fun_t<F> helper(F f, Ts&&... xs) {
    return kept(self()->spawn(f, std::forward<Ts>(xs)...));
  }

  /// Sends a request and waits for its answer, or its error.
  template <class T, class Handle, class... Ts>
  caf::expected<T> ask(const Handle& whom, Ts&&... xs) {
    return answer<T>(self()->request(whom, caf::infinite, std::forward<Ts>(xs)...));
  }
  /// Waits for the answer of a request.
  template <class T, class Pending>
  caf::expected<T> answer(Pending pending) {
    caf::expected<T> result{caf::no_error};
    const auto failed = [&](caf::error& error) { result = std::move(error); };
    if constexpr (std::is_void_v<T>) {
      pending.receive([] {}, failed);
    } else {
      pending.receive([&](T& value) { result = std::move(value); }, failed);
    }
    return result;
  }

  /// Waits for the next message that is a T alone.
  template <class T>
  T next() {
    T result{};
    self()->receive([&](const T& value) { result = value; });
    return result;
  }
  /// Waits for the next message that is N values of type T.
  template <class T>
  std::vector<T> next(std::size_t n) {
    std::vector<T> result;
    for (std::size_t i = 0; i < n; ++i) result.push_back(next<T>());
    return result;
  }

  /// Waits for the end of an actor. Its reason.
  template <class Handle>
  caf::error end_of(const Handle& whom) {
    self()->monitor(whom);
    return next<caf::down_msg>().reason;
  }

private:
  template <class Handle>
  Handle kept(Handle started) {
    started_.push_back(started.address());
    return started;
  }

  [[maybe_unused]] kind kind_;
  caf::actor_system_config config_;
  std::unique_ptr<caf::actor_system> system_;  // of a local kind
  std::unique_ptr<caf::scoped_actor> self_;
  std::vector<caf::actor_addr> started_;
};

/// Runs a case with each kind, as a section of that name: `-c process` runs that one alone.
template <class Case>
void with_each_kind(Case run) {
  for (const kind of : kinds) {
    DYNAMIC_SECTION(to_string(of)) {
      subject s{of};
      run(s);
    }
  }
}

/// As a failed CHECK should show it.
std::string text(const caf::error& error);

}  // namespace test

namespace Catch {
template <>
struct StringMaker<caf::error> {
  static std::string convert(const caf::error& error) { return test::text(error); }
};
template <class T>
struct StringMaker<caf::expected<T>> {
  static std::string convert(const caf::expected<T>& of) {
    if (!of) return test::text(of.error());
    return caf::deep_to_string(*of);
  }
};
template <>
struct StringMaker<caf::expected<void>> {
  static std::string convert(const caf::expected<void>& of) {
    return of ? "done" : test::text(of.error());
  }
};
template <>
struct StringMaker<caf::expected<caf::unit_t>> : StringMaker<caf::expected<void>> {};
}  // namespace Catch
