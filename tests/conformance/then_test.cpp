#include "actors.hpp"
#include "subject.hpp"

using test::subject;

namespace {

caf::behavior waits_for_word(caf::stateful_actor<std::vector<caf::response_promise>>* self) {
  return {[=](int) {
            self->state.push_back(self->make_response_promise());
            return self->state.back();
          },
          [=](caf::ok_atom) {
            for (auto& promise : self->state) promise.deliver("at last");
          }};
}

}  // namespace

TEST_CASE("then gets the answer", "[conformance][then]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(test::adder);
    s.helper([actor, me = s.me()](caf::event_based_actor* self) {
      self->request(actor, caf::infinite, caf::add_atom_v, 2, 40).then([=](int sum) {
        self->send(me, sum);
      });
    });
    CHECK(s.next<int>() == 42);
  });
}

TEST_CASE("await gets the answer", "[conformance][then]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(test::adder);
    s.helper([actor, me = s.me()](caf::event_based_actor* self) {
      self->request(actor, caf::infinite, caf::add_atom_v, 2, 40).await([=](int sum) {
        self->send(me, sum);
      });
    });
    CHECK(s.next<int>() == 42);
  });
}

TEST_CASE("the error handlers of then and await get the error", "[conformance][then]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(test::adder);
    s.helper([actor, me = s.me()](caf::event_based_actor* self) {
      const auto value = [=](int) { self->send(me, "a value"); };
      const auto failed = [=](caf::error& error) { self->send(me, error); };
      self->request(actor, caf::infinite, "no clause").await(value, failed);
      self->request(actor, caf::infinite, "no clause").then(value, failed);
    });
    CHECK(s.next<caf::error>() == caf::sec::unexpected_message);
    CHECK(s.next<caf::error>() == caf::sec::unexpected_message);
  });
}

TEST_CASE("an error that nobody handles ends the asking actor", "[conformance][then]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(test::adder);
    const auto asking = s.helper([actor](caf::event_based_actor* self) -> caf::behavior {
      return {
          [=](caf::ok_atom) { self->request(actor, caf::infinite, "no clause").then([](int) {}); }};
    });
    s.self()->send(asking, caf::ok_atom_v);
    CHECK(s.end_of(asking) == caf::sec::unexpected_message);
    CHECK(s.ask<int>(actor, caf::add_atom_v, 1, 1) == 2);
  });
}

TEST_CASE("an answer of another type is an error for then", "[conformance][then]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(test::adder);
    s.helper([actor, me = s.me()](caf::event_based_actor* self) {
      self->request(actor, caf::infinite, caf::add_atom_v, 2, 40)
          .then([=](const std::string&) { self->send(me, "a value"); },
                [=](caf::error& error) { self->send(me, error); });
    });
    CHECK(s.next<caf::error>() == caf::sec::unexpected_response);
  });
}

TEST_CASE("what is awaited comes before all else, the last awaited first", "[conformance][then]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(test::echo);
    s.helper([actor, me = s.me()](caf::event_based_actor* self) -> caf::behavior {
      const auto tell = [=](int x) { self->send(me, x); };
      self->send(self, 0);
      self->request(actor, caf::infinite, 1).then(tell);
      self->request(actor, caf::infinite, 2).await(tell);
      self->request(actor, caf::infinite, 3).await(tell);
      return {tell};
    });
    CHECK(s.next<int>(4) == std::vector{3, 2, 0, 1});
  });
}

TEST_CASE("an actor that awaits holds back messages", "[conformance][then]") {
  test::with_each_kind([](subject& s) {
    const auto slow = s.spawn(waits_for_word);
    s.helper([slow, me = s.me()](caf::event_based_actor* self) -> caf::behavior {
      self->send(self, 1);
      self->send(self, 2);
      self->request(slow, caf::infinite, 1).await([=](const std::string& x) { self->send(me, x); });
      self->send(slow, caf::ok_atom_v);
      return {[=](int x) { self->send(me, std::to_string(x)); }};
    });
    CHECK(s.next<std::string>(3) == std::vector<std::string>{"at last", "1", "2"});
  });
}

TEST_CASE("then handles messages while it waits", "[conformance][then]") {
  test::with_each_kind([](subject& s) {
    const auto slow = s.spawn(waits_for_word);
    const auto asking = s.helper([slow,
                                  me = s.me()](caf::event_based_actor* self) -> caf::behavior {
      self->request(slow, caf::infinite, 1).then([=](const std::string& x) { self->send(me, x); });
      return {[=](int x) {
        self->send(me, std::to_string(x));
        self->send(slow, caf::ok_atom_v);
      }};
    });
    s.self()->send(asking, 1);
    CHECK(s.next<std::string>(2) == std::vector<std::string>{"1", "at last"});
  });
}

TEST_CASE("one actor asks several", "[conformance][then]") {
  test::with_each_kind([](subject& s) {
    std::vector<caf::actor> all;
    for (int i = 0; i < 3; ++i) all.push_back(s.spawn(test::echo));
    s.helper([all, me = s.me()](caf::event_based_actor* self) {
      auto sum = std::make_shared<int>(0);
      auto left = std::make_shared<int>(30);
      for (int i = 0; i < 30; ++i)
        self->request(all[static_cast<std::size_t>(i % 3)], caf::infinite, i).then([=](int x) {
          *sum += x;
          if (--*left == 0) self->send(me, *sum);
        });
    });
    CHECK(s.next<int>() == 29 * 30 / 2);
  });
}
