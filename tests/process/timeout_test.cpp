// Timeouts of requests between actors: what is left of them when they are answered, or too late.
#include <support/oracle.hpp>
#include <support/supervised.hpp>
#include <support/victim.hpp>

#include <vector>

using namespace std::chrono_literals;
using test::me;

namespace {

constexpr auto long_after_the_test = 3600s;

/// Answers the number when it gets a flush, just before that's own answer.
caf::behavior late(caf::event_based_actor* self) {
  using promises = std::vector<caf::typed_response_promise<int>>;
  const auto owed = std::make_shared<promises>();
  return {
      [self, owed](int) {
        owed->push_back(self->make_response_promise<int>());
        return owed->back();
      },
      [owed](caf::flush_atom) {
        for (auto& one : *owed) one.deliver(1);
        owed->clear();
        return true;
      },
  };
}

caf::behavior echo() {
  return {[](int x) { return x; }};
}

/// Asks somebody of this process as often as it is told; tells of its own end.
caf::behavior asker(caf::event_based_actor* self, caf::actor whom, caf::actor report) {
  self->attach_functor([report](const caf::error&) { caf::anon_send(report, caf::delete_atom_v); });
  return {[self, whom](int times) {
    auto done = self->make_response_promise<int>();
    const auto left = std::make_shared<int>(times);
    for (int i = 0; i < times; ++i)
      self->request(whom, long_after_the_test, i).then([left, done](int x) mutable {
        if (--*left == 0) done.deliver(x);
      });
    return done;
  }};
}

/// Returns while two of its actors wait for timeouts of what has been answered.
int talking_root(troupe::runtime& rt, const std::string&) {
  const auto to = rt.spawn(troupe::in_process, echo);
  const auto from = rt.spawn(troupe::in_process, asker, to, caf::actor{rt.self()});
  int last = 0;
  rt.self()
      ->request(from, caf::infinite, 4)
      .receive([&](int x) { last = x; }, [](const caf::error&) {});
  return last;
}
const test::victim_role talking{"talking root", talking_root};

}  // namespace

TEST_CASE("an answer after its request's timeout leaves nothing behind", "[process][timeout]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  auto& self = *rt.self();
  const bool is_local = GENERATE(false, true);
  const auto actor = is_local ? rt.spawn(troupe::in_process, late) : rt.spawn(late);
  for (int i = 0; i < 20; ++i) {
    self.request(actor, 1ms, i)
        .receive([](int) { FAIL("an answer"); },
                 [](const caf::error& e) { CHECK(e == caf::sec::request_timeout); });
    CHECK(test::ask<bool>(actor, caf::flush_atom_v));
  }
  CHECK(self.mailbox().size() == 0);
  is_local ? self.send_exit(actor, caf::exit_reason::kill) : void(rt.stop(actor));
  oracle.check();
}

TEST_CASE("an actor that nobody knows does not live on for the timeouts of what was answered",
          "[process][timeout]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto to = rt.spawn(troupe::in_process, echo);
  {
    const auto first = rt.spawn(troupe::in_process, asker, to, me());
    CHECK(test::ask<int>(first, 3) == 2);
  }
  const auto second = rt.spawn(troupe::in_process, asker, to, me());
  CHECK(test::ask<int>(second, 500) == 499);
  rt.self()->receive([](caf::delete_atom) {});  // the first one's end
  for (const auto& who : {to, second}) rt.self()->send_exit(who, caf::exit_reason::kill);
  rt.self()->receive([](caf::delete_atom) {});
  oracle.check();
}

TEST_CASE("a program may return before the timeouts of its actors' requests",
          "[process][timeout][root]") {
  test::victim root{"talking root"};
  const int status = root.status();
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 3);
}
