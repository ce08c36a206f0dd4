// Actors that have processes of their own, and handles that travel through the tree.
#include <caf/all.hpp>
#include <support/catch.hpp>
#include <support/oracle.hpp>
#include <support/processes.hpp>
#include <support/runtime.hpp>

#include <signal.h>
#include <unistd.h>

#include <string>
#include <vector>

using namespace std::chrono_literals;

namespace {

/// Starts one below itself until `depth` is 0; answers a number with the pids from there up.
caf::behavior node(caf::event_based_actor* self, troupe::runtime& rt, int depth) {
  caf::actor below;
  if (depth > 0) below = rt.spawn(node, depth - 1);
  return {
      [=](caf::get_atom) -> caf::result<std::vector<std::string>> {
        const std::string mine = std::to_string(getpid());
        if (!below) return std::vector<std::string>{mine};
        auto promise = self->make_response_promise<std::vector<std::string>>();
        self->request(below, caf::infinite, caf::get_atom_v)
            .then(
                [=](std::vector<std::string> pids) mutable {
                  pids.push_back(mine);
                  promise.deliver(pids);
                },
                [=](caf::error& e) mutable { promise.deliver(e); });
        return promise;
      },
      [=](caf::join_atom) { return below; },
      [=](caf::delete_atom) { std::abort(); },
  };
}

caf::behavior echo(caf::event_based_actor* self) {
  return {
      [](int x) { return x; },
      [](const caf::actor& who) { return who; },
      [=](const caf::actor& who, int x) { return self->delegate(who, x); },
      [=](caf::get_atom) { return caf::actor_cast<caf::actor>(self); },
      [](caf::delete_atom) { std::abort(); },
  };
}

int seven() {
  return 7;
}

/// Asks below, and does not look at the answer before another process has come and gone.
caf::behavior busy(caf::event_based_actor* self, troupe::runtime& rt) {
  const auto below = rt.spawn(echo);
  return {[=, &rt](int x) -> caf::result<int> {
    auto promise = self->make_response_promise<int>();
    self->request(below, caf::infinite, x).then([=](int y) mutable { promise.deliver(y + 1); });
    rt.join(rt.spawn(seven));
    return promise;
  }};
}

/// Monitors or links to what it is given and tells the report of the end.
caf::behavior observer(caf::event_based_actor* self, caf::actor report) {
  self->set_down_handler([=](caf::down_msg& down) {
    self->send(report, "down", troupe::describe(down.reason), down.source);
  });
  self->set_exit_handler([=](caf::exit_msg& gone) {
    if (caf::actor_cast<caf::actor>(gone.source) == nullptr) self->quit(gone.reason);
    self->send(report, "exit", troupe::describe(gone.reason), gone.source);
  });
  return {
      [=](caf::monitor_atom, const caf::actor& whom) { self->monitor(whom); },
      [=](caf::link_atom, const caf::actor& whom) { self->link_to(whom); },
      [](int x) { return x; },
  };
}

/// A function with a mailbox: says who it is, and answers numbers until it gets text.
void mailbox_owner(troupe::runtime& rt, const caf::actor& report) {
  auto self = rt.self();
  self->send(report, caf::actor_cast<caf::actor>(self));
  bool running = true;
  self->receive_while(running)([](int x) { return 2 * x; },
                               [&](const std::string& what) {
                                 if (what == "crash") std::abort();
                                 running = false;
                               });
}

std::vector<int> pids_below(const caf::actor& top) {
  std::vector<int> pids;
  test::runtime()
      .self()
      ->request(top, caf::infinite, caf::get_atom_v)
      .receive(
          [&](const std::vector<std::string>& all) {
            for (const auto& p : all) pids.push_back(std::stoi(p));
          },
          [](caf::error& e) { FAIL(troupe::describe(e)); });
  return pids;
}

caf::actor handle_of(const caf::actor& from, caf::atom_value what) {
  caf::actor who;
  test::runtime()
      .self()
      ->request(from, caf::infinite, what)
      .receive([&](const caf::actor& a) { who = a; },
               [](caf::error& e) { FAIL(troupe::describe(e)); });
  return who;
}

/// Stands for its start value, and asks whom it is given, itself or by an actor below.
caf::behavior relative(caf::event_based_actor* self, troupe::runtime& rt, int start, int depth) {
  caf::actor below;
  if (depth > 0) below = rt.spawn(relative, start + 10, depth - 1);
  return {[=](int x) { return start + x; },
          [=](const caf::actor& whom, int x, int from) {
            return from > 0 ? self->delegate(below, whom, x, from - 1) : self->delegate(whom, x);
          },
          [=](caf::delete_atom, const caf::actor& whom, int from) {
            if (from > 0) {
              self->send(below, caf::delete_atom_v, whom, from - 1);
            } else {
              self->send_exit(whom, caf::exit_reason::kill);
            }
          }};
}

caf::actor me() {
  return caf::actor_cast<caf::actor>(test::runtime().self());
}

}  // namespace

TEST_CASE("actors start actors, to any depth", "[process][actor][tree]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto top = rt.spawn(node, 3);
  const auto pids = pids_below(top);
  CHECK(pids.size() == 4);
  CHECK(pids.back() == rt.process_of(top).pid());
  rt.stop(top);
  CHECK(test::ended(pids, 0ms));
  oracle.check();
}

TEST_CASE("a handle from below works from above, and hears of the end between",
          "[process][actor][tree]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto top = rt.spawn(node, 2);
  const auto middle = handle_of(top, caf::join_atom_v);
  const auto bottom = handle_of(middle, caf::join_atom_v);
  CHECK(middle != bottom);
  CHECK(handle_of(top, caf::join_atom_v) == middle);
  CHECK(pids_below(bottom).size() == 1);
  rt.self()->monitor(bottom);
  rt.self()->send(middle, caf::delete_atom_v);
  rt.self()->receive([&](const caf::down_msg& down) {
    CHECK(down.source == bottom.address());
    CHECK(down.reason == troupe::errc::worker_lost);
  });
  rt.self()
      ->request(bottom, caf::infinite, caf::get_atom_v)
      .receive([](const std::vector<std::string>&) { FAIL("answered"); },
               [](caf::error& e) { CHECK(e); });
  rt.stop(top);
  oracle.check();
}

TEST_CASE("an answer that comes while the asker's handler waits for something else is handled",
          "[process][actor][tree]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  {
    const auto actor = rt.spawn(busy);
    for (int i = 0; i < 20; ++i) {
      int answer = 0;
      rt.self()
          ->request(actor, 10s, i)
          .receive([&](int y) { answer = y; },
                   [](const caf::error& e) { FAIL(troupe::describe(e)); });
      CHECK(answer == i + 1);
    }
    rt.stop(actor);
  }
  oracle.check();
}

TEST_CASE("messages reach the actor of a function that waits for them", "[process][actor][tree]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  auto self = rt.self();
  const bool crashes = GENERATE(false, true);
  const auto started = rt.spawn(mailbox_owner, me());
  caf::actor owner;
  self->receive([&](const caf::actor& who) { owner = who; });
  self->monitor(owner);
  const auto asker = rt.spawn(echo);
  for (int i = 0; i < 100; ++i) {
    self->request(owner, caf::infinite, i)
        .receive([&](int x) { CHECK(x == 2 * i); },
                 [](caf::error& e) { FAIL(troupe::describe(e)); });
    self->request(asker, caf::infinite, owner, i)  // from a sibling
        .receive([&](int x) { CHECK(x == 2 * i); },
                 [](caf::error& e) { FAIL(troupe::describe(e)); });
  }
  self->send(owner, crashes ? "crash" : "end");
  self->receive([&](const caf::down_msg& down) { CHECK(down.source == owner.address()); });
  const auto end = rt.join(started);
  CHECK(end.in_progress == crashes);
  CHECK(end.success() == !crashes);
  rt.stop(asker);
  oracle.check();
}

TEST_CASE("handles of siblings travel, compare equal, and come home", "[process][actor][tree]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto a = rt.spawn(echo);
  const auto b = rt.spawn(echo);
  auto self = rt.self();
  const auto back = [&](const caf::actor& through, const caf::actor& who) {
    caf::actor same;
    self->request(through, caf::infinite, who)
        .receive([&](const caf::actor& x) { same = x; },
                 [](caf::error& e) { FAIL(troupe::describe(e)); });
    return same;
  };
  CHECK(back(a, b) == b);
  CHECK(back(a, a) == a);
  CHECK(back(b, me()) == me());
  CHECK(handle_of(a, caf::get_atom_v) == a);
  self->request(a, caf::infinite, b, 17)
      .receive([](int x) { CHECK(x == 17); }, [](caf::error& e) { FAIL(troupe::describe(e)); });
  // The one that it is delegated to has died meanwhile.
  rt.kill(b);
  rt.join(b);
  self->request(a, caf::infinite, b, 18)
      .receive([](int) { FAIL("answered"); }, [](caf::error& e) { CHECK(e); });
  rt.stop(a);
  oracle.check();
}

TEST_CASE("a monitor and a link reach across processes", "[process][actor][tree]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  auto self = rt.self();
  const auto watched = rt.spawn(echo);
  const auto watcher = rt.spawn(observer, me());
  const bool linked = GENERATE(false, true);
  if (linked) {
    self->send(watcher, caf::link_atom_v, watched);
  } else {
    self->send(watcher, caf::monitor_atom_v, watched);
  }
  self->request(watcher, caf::infinite, 1)
      .receive([](int) {}, [](caf::error& e) { FAIL(troupe::describe(e)); });
  rt.kill(watched);
  self->receive([&](const std::string& how, const std::string& why, const caf::actor_addr& who) {
    CHECK(how == (linked ? "exit" : "down"));
    CHECK(why.find("SIGKILL") != std::string::npos);
    CHECK(who == watched.address());
  });
  rt.stop(watcher);
  oracle.check();
}

TEST_CASE("a message from below reaches whom it is for, and not who lies on its way",
          "[process][actor][tree]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const auto uncle = rt.spawn(relative, 500, 1);
  const auto parent = rt.spawn(relative, 1000, 2);
  for (int from = 0; from <= 2; ++from) {
    INFO("from " << from << " below");
    rt.self()
        ->request(parent, caf::infinite, uncle, 7, from)
        .receive([](int x) { CHECK(x == 507); },
                 [](const caf::error& e) { FAIL(troupe::describe(e)); });
  }
  rt.self()->monitor(uncle);
  rt.self()->send(parent, caf::delete_atom_v, uncle, 2);
  rt.self()->receive([&](const caf::down_msg& down) { CHECK(down.source == uncle.address()); });
  rt.self()
      ->request(parent, caf::infinite, 7)
      .receive([](int x) { CHECK(x == 1007); },
               [](const caf::error& e) { FAIL(troupe::describe(e)); });
  rt.stop(parent);
  oracle.check();
}
