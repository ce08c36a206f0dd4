#include "actors.hpp"
#include "subject.hpp"

using test::subject;

namespace {

/// Ends with what it is linked to; links and unlinks when told.
caf::behavior linking(caf::event_based_actor* self) {
  return {[=](caf::link_atom, const caf::actor& whom) { self->link_to(whom); },
          [=](caf::unlink_atom, const caf::actor& whom) { self->unlink_from(whom); },
          [](caf::get_atom) { return "alive"; }};
}

/// Tells of every exit; lives on.
caf::behavior telling(caf::event_based_actor* self, const caf::actor& observer) {
  self->set_exit_handler(
      [=](caf::exit_msg& exit) { self->send(observer, exit.reason, exit.source); });
  return {[=](caf::link_atom, const caf::actor& whom) { self->link_to(whom); },
          [](caf::get_atom) { return "alive"; }};
}

void expect_exit(subject& s, const caf::actor& source, const caf::error& reason) {
  s.self()->receive([&](const caf::error& seen, const caf::actor_addr& from) {
    CHECK(seen == reason);
    CHECK(from == source.address());
  });
}

}  // namespace

TEST_CASE("who is linked to an actor that fails ends with it", "[conformance][link]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(test::mortal);
    const auto local = s.helper(linking);
    CHECK(s.ask<void>(local, caf::link_atom_v, actor));
    s.self()->send(actor, caf::close_atom_v, caf::exit_reason::user_shutdown);
    CHECK(s.end_of(local) == caf::exit_reason::user_shutdown);
  });
}

TEST_CASE("who is linked to an actor that ends normally lives on", "[conformance][link]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(test::mortal);
    const auto local = s.helper(linking);
    CHECK(s.ask<void>(local, caf::link_atom_v, actor));
    s.self()->send(actor, caf::close_atom_v);
    CHECK(s.end_of(actor) == caf::none);
    CHECK(s.ask<std::string>(local, caf::get_atom_v) == "alive");
  });
}

TEST_CASE("who traps exits is told of a linked actor's end", "[conformance][link]") {
  test::with_each_kind([](subject& s) {
    const auto local = s.helper(telling, s.me());
    const auto first = s.spawn(test::mortal);
    CHECK(s.ask<void>(local, caf::link_atom_v, first));
    s.self()->send(first, caf::close_atom_v, caf::exit_reason::kill);
    // Nobody traps a kill.
    CHECK(s.end_of(local) == caf::exit_reason::kill);

    const auto other = s.helper(telling, s.me());
    const auto second = s.spawn(test::mortal);
    CHECK(s.ask<void>(other, caf::link_atom_v, second));
    s.self()->send(second, caf::close_atom_v, caf::exit_reason::user_shutdown);
    expect_exit(s, second, caf::exit_reason::user_shutdown);
    CHECK(s.ask<std::string>(other, caf::get_atom_v) == "alive");
  });
}

TEST_CASE("an actor ends with what it is linked to", "[conformance][link]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(linking);
    const auto local = s.helper(test::mortal);
    CHECK(s.ask<void>(actor, caf::link_atom_v, local));
    s.self()->send(local, caf::close_atom_v, caf::exit_reason::user_shutdown);
    CHECK(s.end_of(actor) == caf::exit_reason::user_shutdown);
  });
}

TEST_CASE("an actor lives on when what it is linked to ends normally", "[conformance][link]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(linking);
    const auto local = s.helper(test::mortal);
    CHECK(s.ask<void>(actor, caf::link_atom_v, local));
    s.self()->send(local, caf::close_atom_v);
    CHECK(s.end_of(local) == caf::none);
    CHECK(s.ask<std::string>(actor, caf::get_atom_v) == "alive");
  });
}

TEST_CASE("an actor that traps exits is told of a linked end", "[conformance][link]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(telling, s.me());
    const auto local = s.helper(test::mortal);
    CHECK(s.ask<void>(actor, caf::link_atom_v, local));
    s.self()->send(local, caf::close_atom_v, caf::exit_reason::user_shutdown);
    expect_exit(s, local, caf::exit_reason::user_shutdown);
    CHECK(s.ask<std::string>(actor, caf::get_atom_v) == "alive");
  });
}

TEST_CASE("a link works both ways, whoever made it", "[conformance][link]") {
  test::with_each_kind([](subject& s) {
    const auto local = s.helper(linking);
    const auto actor = s.spawn(linking);
    CHECK(s.ask<void>(local, caf::link_atom_v, actor));
    s.self()->send_exit(local, caf::exit_reason::user_shutdown);
    CHECK(s.end_of(actor) == caf::exit_reason::user_shutdown);

    const auto other_local = s.helper(linking);
    const auto other = s.spawn(linking);
    CHECK(s.ask<void>(other, caf::link_atom_v, other_local));
    s.self()->send_exit(other, caf::exit_reason::user_shutdown);
    CHECK(s.end_of(other_local) == caf::exit_reason::user_shutdown);
  });
}

TEST_CASE("two actors are linked", "[conformance][link]") {
  test::with_each_kind([](subject& s) {
    const auto one = s.spawn(linking);
    const auto other = s.spawn(linking);
    CHECK(s.ask<void>(one, caf::link_atom_v, other));
    s.self()->send_exit(other, caf::exit_reason::user_shutdown);
    CHECK(s.end_of(one) == caf::exit_reason::user_shutdown);
  });
}

TEST_CASE("an actor that is unlinked lives on", "[conformance][link]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(linking);
    const auto local = s.helper(linking);
    CHECK(s.ask<void>(actor, caf::link_atom_v, local));
    CHECK(s.ask<void>(actor, caf::unlink_atom_v, local));
    s.self()->send_exit(local, caf::exit_reason::user_shutdown);
    CHECK(s.end_of(local) == caf::exit_reason::user_shutdown);
    CHECK(s.ask<std::string>(actor, caf::get_atom_v) == "alive");

    const auto second = s.helper(linking);
    CHECK(s.ask<void>(second, caf::link_atom_v, actor));
    CHECK(s.ask<void>(second, caf::unlink_atom_v, actor));
    s.self()->send_exit(actor, caf::exit_reason::user_shutdown);
    CHECK(s.end_of(actor) == caf::exit_reason::user_shutdown);
    CHECK(s.ask<std::string>(second, caf::get_atom_v) == "alive");
  });
}

TEST_CASE("a link to a dead actor is an exit at once", "[conformance][link]") {
  test::with_each_kind([](subject& s) {
    const auto dead = s.spawn(test::mortal);
    s.self()->send(dead, caf::close_atom_v, caf::exit_reason::user_shutdown);
    CHECK(s.end_of(dead) == caf::exit_reason::user_shutdown);
    const auto local = s.helper(linking);
    s.self()->send(local, caf::link_atom_v, dead);
    CHECK(s.end_of(local) == caf::exit_reason::user_shutdown);
    const auto actor = s.spawn(linking);
    s.self()->send(actor, caf::link_atom_v, local);
    CHECK(s.end_of(actor) == caf::exit_reason::user_shutdown);
  });
}

TEST_CASE("an actor that waits is told of a linked end", "[conformance][link]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(test::mortal);
    s.self()->link_to(actor);
    s.self()->send(actor, caf::close_atom_v, caf::exit_reason::user_shutdown);
    const auto exit = s.next<caf::exit_msg>();
    CHECK(exit.reason == caf::exit_reason::user_shutdown);
    CHECK(exit.source == actor.address());
  });
}
