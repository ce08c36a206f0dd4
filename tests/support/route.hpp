#pragma once

#include <support/supervised.hpp>

#include <caf/all.hpp>

#include <chrono>
#include <cstdint>
#include <string>

/// What tests of routes share: who sends, who hangs over it, and what is noted of that.
namespace test {

/// Each sender's numbers begin at its own number times this.
constexpr int per_sender = 1'000'000;
/// What a ledger holds for each life that has begun.
constexpr std::uint64_t a_life = std::uint64_t{1} << 40;

/// Sends numbers in a row when it is told how many, each as a tell or, every fourth, as a request;
/// tells how many of those were answered, and lost.
caf::behavior sender(caf::event_based_actor* self, caf::actor to, caf::actor report, int number,
                     int bytes);

/// Its first lives say so and hang at the first message but number 0 of each sender, after they
/// noted it.
caf::behavior hanging(caf::event_based_actor* self, const std::string& place, caf::actor report,
                      int hanging_lives);

/// A supervisor of one child.
troupe::supervisor supervise(troupe::child_spec child, int intensity = 1'000'000);

/// Dead letters are told while the loop runs.
template <class Done>
void run_until(Done done) {
  while (!done())
    test::runtime().self()->receive(caf::after(std::chrono::milliseconds{1}) >> [] {});
}

}  // namespace test
