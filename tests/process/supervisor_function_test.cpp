// Functions as children that have supervisors of their own.
#include <support/oracle.hpp>
#include <support/route.hpp>
#include <support/supervised.hpp>

using namespace std::chrono_literals;

namespace {

/// Has two children, waits for their end, and notes its own.
int with_supervisor(troupe::runtime& rt, const std::string& place) {
  const auto child = [&](const std::string& id, int number) {
    return troupe::child_spec{.id = id, .start = troupe::run(test::orderly, place, number, 50)};
  };
  auto below = rt.supervise({.children = {child("first", 1), child("second", 2)}});
  static_cast<void>(below.wait(1h));
  test::note(place, 3);
  return 0;
}

/// Runs its loop for a while before it has a child.
int late_supervisor(troupe::runtime& rt) {
  const bool is_first = rt.restart().count == 0;
  for (int i = 0; i < 200; ++i) static_cast<void>(rt.names().find("nobody"));
  auto below = rt.supervise({.children = {test::patient_spec("child")}});
  if (is_first) rt.names().add("child", below.child("child"));
  static_cast<void>(below.wait(1h));
  return 0;
}

}  // namespace

TEST_CASE("a function that waits for its supervisor ends when it is told to, its children first",
          "[process][supervisor][stop]") {
  const test::ledger notes;
  const test::oracle oracle;
  const auto type = GENERATE(troupe::child_type::worker, troupe::child_type::supervisor);
  auto sup =
      test::runtime().supervise({.children = {{.id = "f",
                                               .start = troupe::run(with_supervisor, notes.place()),
                                               .restart = troupe::restart_type::transient,
                                               .shutdown = troupe::infinity,
                                               .type = type}}});
  test::run_until([&] { return notes.sequence().size() == 2; });
  sup.stop();
  CHECK(notes.sequence() == std::vector<std::uint64_t>{1, 2, 102, 101, 3});
  oracle.check();
}

TEST_CASE("a child of a function is not taken for ended while the function is started again",
          "[process][supervisor][route]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  auto sup = rt.supervise({.children = {{.id = "f", .start = troupe::run(late_supervisor)}}});
  std::optional<caf::actor> child;
  test::run_until([&] { return (child = rt.names().find("child")).has_value(); });
  rt.self()->monitor(*child);
  const int before = test::ask(*child, caf::get_atom_v);
  test::kill_child(sup, "f");
  for (std::string said; said != "value";) {
    said = test::outcome_of(*child, 1);
    INFO(said);
    CHECK((said == "value" || said == "not_started" || said == "worker_lost"));
  }
  CHECK(test::ask(*child, caf::get_atom_v) != before);
  bool told = false;
  rt.self()->receive([&](const caf::down_msg&) { told = true; }, caf::after(0s) >> [] {});
  CHECK_FALSE(told);
  rt.names().remove("child");
  sup.stop();
  oracle.check();
}
