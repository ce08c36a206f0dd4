#include "actors.hpp"
#include "subject.hpp"

using test::subject;

namespace {

template <class Handler>
caf::behavior with_default(caf::event_based_actor* self, Handler handler) {
  self->set_default_handler(handler);
  return {[](caf::get_atom) { return "alive"; }};
}

caf::behavior reflecting(caf::event_based_actor* self) {
  return with_default(self, caf::reflect);
}

caf::behavior reflecting_once(caf::event_based_actor* self) {
  return with_default(self, caf::reflect_and_quit);
}

caf::behavior dropping(caf::event_based_actor* self) {
  return with_default(self, caf::drop);
}

caf::behavior answering(caf::event_based_actor* self) {
  return with_default(self,
                      [](caf::scheduled_actor*, caf::message_view& x) -> caf::result<caf::message> {
                        return caf::make_message(static_cast<int>(x.content().size()));
                      });
}

/// Takes numbers only after a word; until then they wait.
caf::behavior skipping(caf::stateful_actor<test::notes>* self) {
  self->set_default_handler(caf::skip);
  return {[=](const std::string& word) {
    self->state.text += word + ' ';
    self->set_default_handler(caf::print_and_drop);
    self->become([=](int x) { self->state.text += std::to_string(x) + ' '; },
                 [=](caf::get_atom) { return self->state.text; });
  }};
}

/// The same by a handler that skips what it doesn't want yet.
caf::behavior skipping_handler(caf::stateful_actor<test::notes>* self) {
  return {[=](int x) -> caf::result<void> {
            if (self->state.text.empty()) return caf::skip();
            self->state.text += std::to_string(x) + ' ';
            return caf::unit;
          },
          [=](const std::string& word) { self->state.text += word + ' '; },
          [=](caf::get_atom) { return self->state.text; }};
}

caf::behavior switching(caf::event_based_actor* self) {
  return {[=](caf::put_atom) {
            self->become([=](caf::get_atom) { return "second"; },
                         [=](caf::delete_atom) { self->unbecome(); });
          },
          [](caf::get_atom) { return "first"; }};
}

caf::behavior stacking(caf::event_based_actor* self) {
  return {[=](caf::put_atom) {
            self->become(
                caf::keep_behavior, [=](caf::get_atom) { return "second"; },
                [=](caf::delete_atom) { self->unbecome(); });
          },
          [](caf::get_atom) { return "first"; }};
}

struct depth {
  int calls = 0;
};

/// Alternates between two behaviours that become each other.
caf::behavior even(caf::stateful_actor<depth>* self);

caf::behavior odd(caf::stateful_actor<depth>* self) {
  return {[=](int x) {
    self->become(even(self));
    return "odd " + std::to_string(x);
  }};
}

caf::behavior even(caf::stateful_actor<depth>* self) {
  return {[=](int x) {
    self->become(odd(self));
    return "even " + std::to_string(x);
  }};
}

}  // namespace

TEST_CASE("a request without a clause is an unexpected message", "[conformance][behavior]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(test::adder);
    CHECK(s.ask<int>(actor, "text") == caf::sec::unexpected_message);
    CHECK(s.ask<int>(actor, caf::add_atom_v, 1) == caf::sec::unexpected_message);
    CHECK(s.ask<int>(actor, caf::sub_atom_v, 1, 2) == caf::sec::unexpected_message);
    CHECK(s.ask<int>(actor, caf::add_atom_v, 1, 2) == 3);
  });
}

TEST_CASE("a send without a clause is answered with an error", "[conformance][behavior]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(test::adder);
    s.self()->send(actor, "text");
    CHECK(s.next<caf::error>() == caf::sec::unexpected_message);
    CHECK(s.ask<int>(actor, caf::add_atom_v, 1, 2) == 3);
  });
}

TEST_CASE("reflect answers with the message itself", "[conformance][behavior][default]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(reflecting);
    CHECK(s.ask<int>(actor, 42) == 42);
    CHECK(s.ask<std::string>(actor, "text") == "text");
    CHECK(s.ask<std::string>(actor, caf::get_atom_v) == "alive");
  });
}

TEST_CASE("reflect_and_quit answers, then ends", "[conformance][behavior][default]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(reflecting_once);
    CHECK(s.ask<int>(actor, 42) == 42);
    CHECK(s.end_of(actor) == caf::none);
  });
}

TEST_CASE("drop answers with an error", "[conformance][behavior][default]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(dropping);
    CHECK(s.ask<int>(actor, 42) == caf::sec::unexpected_message);
    CHECK(s.ask<std::string>(actor, caf::get_atom_v) == "alive");
  });
}

TEST_CASE("a default handler of one's own answers", "[conformance][behavior][default]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(answering);
    CHECK(s.ask<int>(actor, "one", 2, 3.0) == 3);
    CHECK(s.ask<std::string>(actor, caf::get_atom_v) == "alive");
  });
}

TEST_CASE("skipped messages wait, in order, for a behaviour that takes them",
          "[conformance][behavior][skip]") {
  test::with_each_kind([](subject& s) {
    for (const auto& actor : {s.spawn(skipping), s.spawn(skipping_handler)}) {
      for (int i = 1; i <= 3; ++i) s.self()->send(actor, i);
      s.self()->send(actor, "word");
      s.self()->send(actor, 4);
      CHECK(s.ask<std::string>(actor, caf::get_atom_v) == "word 1 2 3 4 ");
    }
  });
}

TEST_CASE("a skipped request is answered later", "[conformance][behavior][skip]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(skipping);
    auto early = s.self()->request(actor, caf::infinite, caf::get_atom_v);
    s.self()->send(actor, 1);
    s.self()->send(actor, "word");
    CHECK(s.answer<std::string>(early) == "word ");
    CHECK(s.ask<std::string>(actor, caf::get_atom_v) == "word 1 ");
  });
}

TEST_CASE("become replaces the behaviour; without one the actor ends", "[conformance][behavior]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(switching);
    CHECK(s.ask<std::string>(actor, caf::get_atom_v) == "first");
    s.self()->send(actor, caf::put_atom_v);
    CHECK(s.ask<std::string>(actor, caf::get_atom_v) == "second");
    CHECK(s.ask<void>(actor, caf::put_atom_v) == caf::sec::unexpected_message);
    s.self()->send(actor, caf::delete_atom_v);
    CHECK(s.end_of(actor) == caf::none);
  });
}

TEST_CASE("unbecome returns to a behaviour that was kept", "[conformance][behavior]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(stacking);
    for (int i = 0; i < 3; ++i) {
      CHECK(s.ask<std::string>(actor, caf::get_atom_v) == "first");
      s.self()->send(actor, caf::put_atom_v);
      CHECK(s.ask<std::string>(actor, caf::get_atom_v) == "second");
      s.self()->send(actor, caf::delete_atom_v);
    }
    CHECK(s.ask<std::string>(actor, caf::get_atom_v) == "first");
  });
}

TEST_CASE("behaviours become each other", "[conformance][behavior]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(even);
    for (int i = 0; i < 10; ++i)
      CHECK(s.ask<std::string>(actor, i) == (i % 2 == 0 ? "even " : "odd ") + std::to_string(i));
  });
}
