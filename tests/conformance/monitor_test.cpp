#include "actors.hpp"
#include "subject.hpp"

using test::subject;

namespace {

constexpr auto own_category = caf::atom("own");

caf::behavior trapping(caf::stateful_actor<test::notes>* self) {
  self->set_exit_handler([=](caf::exit_msg& exit) {
    self->state.text += exit.reason ? std::to_string(exit.reason.code()) + ' ' : "none ";
  });
  return {[=](caf::get_atom) { return self->state.text; }};
}

caf::behavior last_words(caf::event_based_actor* self) {
  return {[=](int x) {
    self->quit();
    return x;
  }};
}

caf::behavior monitoring(caf::event_based_actor* self) {
  return {[=](const caf::actor& whom, const caf::actor& observer) {
    self->set_down_handler([=](caf::down_msg& down) {
      self->send(observer, down.reason == caf::exit_reason::user_shutdown,
                 down.source == whom.address());
    });
    self->monitor(whom);
  }};
}

template <class Handle>
void end(subject& s, const Handle& actor) {
  s.self()->send(actor, caf::close_atom_v);
}

}  // namespace

TEST_CASE("a monitor sees a normal end", "[conformance][monitor]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(test::mortal);
    s.self()->monitor(actor);
    end(s, actor);
    const auto down = s.next<caf::down_msg>();
    CHECK(down.reason == caf::none);
    CHECK(down.source == actor.address());
  });
}

TEST_CASE("a monitor sees the reason of an end", "[conformance][monitor]") {
  test::with_each_kind([](subject& s) {
    for (const auto reason : {caf::exit_reason::user_shutdown, caf::exit_reason::out_of_workers,
                              caf::exit_reason::kill, caf::exit_reason::unreachable}) {
      const auto actor = s.spawn(test::mortal);
      s.self()->send(actor, caf::close_atom_v, reason);
      CHECK(s.end_of(actor) == reason);
    }
  });
}

TEST_CASE("a monitor sees an error of one's own, with its context", "[conformance][monitor]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(test::mortal);
    const caf::error reason{7, own_category, caf::make_message("seven is wrong")};
    s.self()->send(actor, caf::close_atom_v, reason);
    const auto seen = s.end_of(actor);
    CHECK(seen == reason);
    REQUIRE(seen.context().match_elements<std::string>());
    CHECK(seen.context().get_as<std::string>(0) == "seven is wrong");
  });
}

TEST_CASE("an error that is sent as a message ends an actor", "[conformance][monitor]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(test::mortal);
    s.self()->send(actor, caf::make_error(caf::sec::invalid_argument));
    CHECK(s.end_of(actor) == caf::sec::invalid_argument);
  });
}

TEST_CASE("an error handler keeps an actor alive", "[conformance][monitor]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn([](caf::stateful_actor<test::notes>* self) -> caf::behavior {
      self->set_error_handler(
          [=](caf::error& error) { self->state.text += std::to_string(error.code()) + ' '; });
      return {[=](caf::get_atom) { return self->state.text; }};
    });
    s.self()->send(actor, caf::make_error(caf::sec::invalid_argument));
    CHECK(s.ask<std::string>(actor, caf::get_atom_v) == "20 ");
  });
}

TEST_CASE("an actor that quits still answers", "[conformance][monitor]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(last_words);
    s.self()->monitor(actor);
    CHECK(s.ask<int>(actor, 42) == 42);
    CHECK(s.next<caf::down_msg>().reason == caf::none);
  });
}

TEST_CASE("kill ends every actor", "[conformance][monitor][exit]") {
  test::with_each_kind([](subject& s) {
    for (const auto& actor : {s.spawn(test::mortal), s.spawn(trapping)}) {
      s.self()->send_exit(actor, caf::exit_reason::kill);
      CHECK(s.end_of(actor) == caf::exit_reason::kill);
    }
  });
}

TEST_CASE("an exit ends an actor with its reason", "[conformance][monitor][exit]") {
  test::with_each_kind([](subject& s) {
    const auto first = s.spawn(test::mortal);
    s.self()->send_exit(first, caf::exit_reason::user_shutdown);
    CHECK(s.end_of(first) == caf::exit_reason::user_shutdown);
    const auto second = s.spawn(test::mortal);
    s.self()->send_exit(second, caf::sec::invalid_argument);
    CHECK(s.end_of(second) == caf::sec::invalid_argument);
    const auto third = s.spawn(test::mortal);
    caf::anon_send_exit(third, caf::exit_reason::user_shutdown);
    CHECK(s.end_of(third) == caf::exit_reason::user_shutdown);
  });
}

TEST_CASE("an exit with the reason normal ends nothing", "[conformance][monitor][exit]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(test::mortal);
    s.self()->send_exit(actor, caf::exit_reason::normal);
    CHECK(s.ask<int>(actor, 42) == 42);
  });
}

TEST_CASE("an exit handler keeps an actor alive", "[conformance][monitor][exit]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(trapping);
    s.self()->send_exit(actor, caf::exit_reason::user_shutdown);
    s.self()->send_exit(actor, caf::exit_reason::unhandled_exception);
    s.self()->send_exit(actor, caf::exit_reason::normal);
    CHECK(s.ask<std::string>(actor, caf::get_atom_v) == "4 1 none ");
  });
}

TEST_CASE("an exit comes after the messages before it", "[conformance][monitor][exit]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(test::echo);
    std::vector<decltype(s.self()->request(actor, caf::infinite, 0))> open;
    for (int i = 0; i < 100; ++i) open.push_back(s.self()->request(actor, caf::infinite, i));
    s.self()->send_exit(actor, caf::exit_reason::kill);
    for (int i = 0; i < 100; ++i) CHECK(s.answer<int>(open[static_cast<std::size_t>(i)]) == i);
    CHECK(s.ask<int>(actor, 100) == caf::sec::request_receiver_down);
  });
}

TEST_CASE("a monitor of a dead actor fires at once", "[conformance][monitor]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(test::mortal);
    s.self()->send(actor, caf::close_atom_v, caf::exit_reason::user_shutdown);
    for (int i = 0; i < 3; ++i) {
      s.self()->monitor(actor);
      const auto down = s.next<caf::down_msg>();
      CHECK(down.reason == caf::exit_reason::user_shutdown);
      CHECK(down.source == actor.address());
    }
  });
}

TEST_CASE("two monitors both fire", "[conformance][monitor]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(test::mortal);
    s.self()->monitor(actor);
    s.self()->monitor(actor);
    end(s, actor);
    CHECK(s.next<caf::down_msg>().source == actor.address());
    CHECK(s.next<caf::down_msg>().source == actor.address());
  });
}

TEST_CASE("demonitor stops the monitors of one actor", "[conformance][monitor]") {
  test::with_each_kind([](subject& s) {
    const auto first = s.spawn(test::mortal);
    const auto second = s.spawn(test::mortal);
    for (const auto& actor : {first, first, second}) s.self()->monitor(actor);
    s.self()->demonitor(first);
    end(s, first);
    s.self()->wait_for(first);
    end(s, second);
    CHECK(s.next<caf::down_msg>().source == second.address());
  });
}

TEST_CASE("an actor that nobody can reach any more ends", "[conformance][monitor]") {
  test::with_each_kind([](subject& s) {
    if (s.is_process()) {  // lives on: its handle may be known elsewhere
      SUCCEED();
      return;
    }
    s.self()->monitor(s.spawn(test::mortal));
    CHECK(s.next<caf::down_msg>().reason == caf::exit_reason::unreachable);
  });
}

TEST_CASE("wait_for and attach_functor see the end", "[conformance][monitor]") {
  test::with_each_kind([](subject& s) {
    const auto first = s.spawn(test::mortal);
    const auto second = s.spawn(test::mortal);
    first->attach_functor([me = s.me()](const caf::error& reason) { caf::anon_send(me, reason); });
    s.self()->send(first, caf::close_atom_v, caf::exit_reason::user_shutdown);
    end(s, second);
    s.self()->wait_for(first, second);
    CHECK(s.next<caf::error>() == caf::exit_reason::user_shutdown);
  });
}

TEST_CASE("a typed actor is monitored", "[conformance][monitor][typed]") {
  test::with_each_kind([](subject& s) {
    const auto actor = s.spawn(test::add);
    s.self()->monitor(actor);
    s.self()->send_exit(actor, caf::exit_reason::user_shutdown);
    const auto down = s.next<caf::down_msg>();
    CHECK(down.reason == caf::exit_reason::user_shutdown);
    CHECK(down.source == actor.address());
  });
}

TEST_CASE("an actor monitors others", "[conformance][monitor]") {
  test::with_each_kind([](subject& s) {
    const auto local = s.helper(test::mortal);
    for (const auto& watched : {s.spawn(test::mortal), local}) {
      const auto actor = s.spawn(monitoring);
      CHECK(s.ask<void>(actor, watched, s.me()));
      s.self()->send(watched, caf::close_atom_v, caf::exit_reason::user_shutdown);
      s.self()->receive([](bool same_reason, bool same_source) {
        CHECK(same_reason);
        CHECK(same_source);
      });
    }
  });
}

TEST_CASE("an actor of the test monitors another", "[conformance][monitor]") {
  test::with_each_kind([](subject& s) {
    const auto watched = s.spawn(test::mortal);
    const auto actor = s.helper(monitoring);
    CHECK(s.ask<void>(actor, watched, s.me()));
    s.self()->send_exit(watched, caf::exit_reason::user_shutdown);
    s.self()->receive([](bool same_reason, bool same_source) {
      CHECK(same_reason);
      CHECK(same_source);
    });
  });
}
