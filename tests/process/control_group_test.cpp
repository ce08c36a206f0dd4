// Children in control groups of their own. Groups are made where this machine lets this test; where
// it doesn't, that is told by what the library says.
#include <support/control_group.hpp>
#include <support/oracle.hpp>
#include <support/outcome.hpp>
#include <support/processes.hpp>
#include <support/supervised.hpp>
#include <support/victim.hpp>

#include <troupe/engine/control_groups.hpp>
#include <troupe/engine/core.hpp>
#include <troupe/engine/link.hpp>
#include <troupe/engine/program_link.hpp>
#include <troupe/engine/worker.hpp>
#include <troupe/os/control_group.hpp>
#include <troupe/os/group_leaf.hpp>

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <stdexcept>

using namespace std::chrono_literals;
using test::contains;
using troupe::exit_cause;
using troupe::os::group_leaf;
using kind = troupe::lifecycle_event::kind;

namespace {

troupe::engine::core& loop() {
  return troupe::engine::local_core();
}

const troupe::policy::group_facts& facts() {
  const troupe::engine::core::guard mine{loop()};
  return loop().control_groups().facts();
}

std::string own_group() {
  std::ifstream file{"/proc/self/cgroup"};
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("0::")) return line.substr(3);
  return {};
}

int tell_own_group() {
  std::cerr << own_group() << std::endl;
  return 0;
}

std::shared_ptr<group_leaf> leaf_in(const test::control_group& place, const std::string& name) {
  return std::make_shared<group_leaf>(group_leaf::make(place.folder(), {}, name));
}

/// Runs the loop until the process and its group are gone.
troupe::exit_report end_of(const troupe::engine::link_ptr& link) {
  const troupe::engine::core::guard mine{loop()};
  loop().run_until([&] { return link->now() == troupe::engine::link::state::ended; });
  loop().run_until([] { return loop().control_groups().empty(); });
  return *link->report();
}

troupe::engine::link_ptr start_shell(std::string script, std::shared_ptr<group_leaf> group,
                                     troupe::engine::core& in = loop()) {
  const troupe::engine::core::guard mine{in};
  troupe::engine::program_role role;
  role.name = "shell";
  role.what.argv = {"/bin/sh", "-c", std::move(script)};
  role.group = std::move(group);
  return in.start_program(std::move(role), std::nullopt);
}

troupe::engine::link_ptr start_function(int (*f)(), std::shared_ptr<group_leaf> group) {
  const troupe::engine::core::guard mine{loop()};
  auto role = troupe::callable::role_of<std::tuple<>, false>(f, "function", true);
  role.group = std::move(group);
  auto link = loop().start(std::move(role));
  if (link->post({.kind = troupe::wire::Envelope::Kind::TELL, .target = 1}, {}, nullptr, 0))
    throw std::logic_error{"a start that takes no message"};
  return link;
}

}  // namespace

TEST_CASE("a child begins its life in its control group, which goes with it", "[process][group]") {
  const test::control_group place;
  if (!place) {
    CHECK_FALSE(facts().memory.empty());
    return;
  }
  facts();  // has a descriptor for good
  const test::oracle oracle;
  const bool program = GENERATE(true, false);
  auto group = leaf_in(place, "one");
  const std::string name = group->name();
  const auto link = program ? start_shell("cat /proc/self/cgroup >&2", std::move(group))
                            : start_function(tell_own_group, std::move(group));
  const auto report = end_of(link);
  INFO(report.sentence());
  CHECK(report.success());
  CHECK(report.cause == exit_cause::exited);
  CHECK(contains(report.stderr_tail, place.name() + '/' + name + '\n'));
  CHECK(place.groups().empty());
  oracle.check();
}

TEST_CASE("what a child in a control group leaves is killed with it, wherever it went",
          "[process][group]") {
  const test::control_group place;
  if (!place) {
    CHECK_FALSE(facts().memory.empty());
    return;
  }
  facts();
  const test::oracle oracle;
  const auto link = start_shell(
      "for i in 1 2 3; do setsid env -i sh -c 'trap \"\" TERM; sleep 1000 & sleep 1000' & done; "
      "echo $! >&2; exit 3",
      leaf_in(place, "one"));
  const auto report = end_of(link);
  CHECK(report.exit_code == 3);
  CHECK(place.groups().empty());
  CHECK(test::ended({std::stoi(report.stderr_tail)}, 10s));
  oracle.check();
}

TEST_CASE("a group whose child can't be started is removed", "[process][group]") {
  const test::control_group place;
  if (!place) {
    CHECK_FALSE(facts().memory.empty());
    return;
  }
  facts();
  const test::oracle oracle;
  SECTION("because there is no such program") {
    const troupe::engine::core::guard mine{loop()};
    troupe::engine::program_role role;
    role.what.argv = {"/nowhere/to/be/found"};
    role.group = leaf_in(place, "one");
    const auto report = end_of(loop().start_program(std::move(role), std::nullopt));
    CHECK(report.cause == exit_cause::start_failed);
    INFO(report.sentence());
    CHECK(contains(report.sentence(), "can't execute /nowhere"));
  }
  SECTION("because the group is not there") {
    auto group = leaf_in(place, "one");
    place.remove(group->name());
    const bool program = GENERATE(true, false);
    const auto link = program ? start_shell("true", std::move(group))
                              : start_function(tell_own_group, std::move(group));
    const auto report = end_of(link);
    CHECK(report.cause == exit_cause::start_failed);
    CHECK(contains(report.sentence(), "control group"));
  }
  CHECK(place.groups().empty());
  oracle.check();
}

namespace {

/// A worker in a group that is there, and one in a group that is not.
int root_without_clone3(troupe::runtime&, const std::string& place) {
  const test::control_group at{place};
  auto group = leaf_in(at, "one");
  const std::string name = group->name();
  const auto report = end_of(start_function(tell_own_group, std::move(group)));
  std::cout << (contains(report.stderr_tail, '/' + name + '\n') ? "there" : report.sentence())
            << std::endl;
  auto none = leaf_in(at, "two");
  unlinkat(at.folder(), none->name().c_str(), AT_REMOVEDIR);
  std::cout << end_of(start_function(tell_own_group, std::move(none))).sentence() << std::endl;
  return 0;
}
const test::victim_role without_clone3{"root without clone3", root_without_clone3};

}  // namespace

TEST_CASE("where clone3 is forbidden a worker goes to its control group itself",
          "[process][group]") {
  const test::control_group place;
  if (!place) {
    CHECK_FALSE(facts().memory.empty());
    return;
  }
  test::victim root{"root without clone3", {place.path(), {TEST_CONTAINER}, false}};
  CHECK(root.line() == "there");
  const std::string why = root.line();
  INFO(why);
  CHECK(contains(why, "can't enter its control group: No such"));
  CHECK(WEXITSTATUS(root.status()) == 0);
  CHECK(place.groups().empty());
}

namespace {

/// Two children in control groups, one of which starts a program that leaves its session.
int root_with_groups(troupe::runtime& rt, const std::string& place) {
  const test::control_group at{place};
  const auto worker = rt.serve([](int x) { return x; });
  worker.ask(1).value();  // so the zygote has its name
  const auto zygotes = test::children_named("troupe-zygote");
  const auto one = start_shell("setsid sleep 1000 & echo ready; sleep 1000", leaf_in(at, "one"));
  const auto two = start_shell("echo ready; exec sleep 1000", leaf_in(at, "two"));
  // What a killed zygote had not told of yet would be started once more.
  {
    const troupe::engine::core::guard mine{loop()};
    loop().run_until([&] { return one->pid() >= 0 && two->pid() >= 0; });
  }
  std::cout << "started" << std::endl;
  const auto watch = rt.every(1ms, [&zygotes, said = false]() mutable {
    const auto now = test::children_named("troupe-zygote");
    if (said || now.empty() || now.front() == zygotes.front()) return;
    std::cout << "another zygote" << std::endl;
    said = true;
  });
  end_of(one);
  return 0;
}
const test::victim_role with_groups{"root with control groups", root_with_groups};

/// As any process in the middle of its end: its descriptors are closed, and it is not dead yet.
int root_without_descriptors(troupe::runtime&, const std::string& place) {
  const test::control_group at{place};
  sigset_t go;
  sigemptyset(&go);
  sigaddset(&go, SIGUSR1);
  sigprocmask(SIG_BLOCK, &go, nullptr);
  const auto one = start_shell("setsid sleep 1000 & echo ready; sleep 1000", leaf_in(at, "one"));
  const troupe::engine::core::guard mine{loop()};
  loop().run_until([&] { return one->pid() >= 0; });
  int signal = 0;
  sigwait(&go, &signal);
  close_range(STDERR_FILENO + 1, ~0U, 0);
  siginfo_t info{};
  waitid(P_PID, static_cast<id_t>(one->pid()), &info, WEXITED | WNOWAIT);
  std::cout << "ended" << std::endl;
  for (;;) pause();
}
const test::victim_role without_descriptors{"root without descriptors", root_without_descriptors};

std::vector<int> zygotes_of(const test::victim& root) {
  auto pids = root.processes();
  std::erase_if(pids, [](int pid) { return test::status_of(pid, "Name") != "troupe-zygote"; });
  return pids;
}

}  // namespace

TEST_CASE("a root that is killed leaves no control group", "[process][group][root]") {
  const test::control_group place;
  if (!place) {
    CHECK_FALSE(facts().memory.empty());
    return;
  }
  test::victim root{"root with control groups", {place.path(), {}, false}};
  std::vector<std::string> lines{root.line(), root.line(), root.line()};
  std::ranges::sort(lines);
  REQUIRE(lines == std::vector<std::string>{"ready", "ready", "started"});
  CHECK(place.groups().size() == 2);
  if (GENERATE(false, true)) {
    for (const int pid : zygotes_of(root)) test::kill_process(pid);
    REQUIRE(root.line() == "another zygote");
  }
  root.kill(GENERATE(SIGKILL, SIGTERM));
  CHECK(root.nothing_left(10s));
  CHECK(place.groups().empty());
}

TEST_CASE("what is left where nobody could remove it goes with the next program",
          "[process][group]") {
  const test::control_group place;
  if (!place) {
    CHECK_FALSE(facts().memory.empty());
    return;
  }
  const std::string left = troupe::os::leaf_prefix + std::string{"1-left"};
  place.make(left);
  const int pid = test::start_program(
      {"sh", "-c", "echo 0 >" + place.path() + '/' + left + "/cgroup.procs; kill -STOP $$"});
  REQUIRE(waitpid(pid, nullptr, WUNTRACED) == pid);
  REQUIRE(place.groups().size() == 1);
  CHECK(group_leaf::take_left(place.folder()).size() == 1);  // and removed at the end of the line
  CHECK(test::ended({pid}, 10s));
  CHECK(place.groups().empty());
}

namespace {

/// Goes into a group and makes it the place of its children.
std::string open_place(const std::string& path) {
  using namespace troupe::os;
  const test::control_group at{path};
  if (enter_group(at.folder()) != 0) return "can't enter";
  const auto own = own_control_group();
  const auto place = open_group_place(own.folder, getpid(), own.controllers);
  std::string said = own_group().substr(own.path.size());
  for (const auto& [name, why] : place.missing) said += ' ' + name + ": " + why;
  {
    const auto leaf = group_leaf::make(place.folder, {}, "a");
    const auto inside = at.groups().size();
    close_group_place(place.folder, getpid());  // not while there is a child's
    if (at.groups().size() != inside) said += " closed too early";
  }
  close_group_place(place.folder, getpid());
  return said + (own_group() == own.path ? ", back again" : ", not back");
}

}  // namespace

TEST_CASE("a group with controllers is ready for groups of children, and given back",
          "[process][group]") {
  const test::control_group place;
  if (!place) {
    CHECK_FALSE(facts().memory.empty());
    return;
  }
  const auto worker = test::runtime().serve(open_place);
  const auto said = worker.ask(place.path()).value();
  // Without any controller there is nothing to hand on, and nobody has to move.
  const bool moves = !place.controllers().empty();
  CHECK(said == (moves ? std::string{'/'} + troupe::os::main_group : "") + ", back again");
  CHECK(place.groups().empty());
  test::runtime().stop(worker);
}

namespace {

troupe::supervisor_spec limited(std::string script, troupe::process_limits limits) {
  troupe::supervisor_spec spec{
      .children = {{.id = "p",
                    .start = troupe::execute({.argv = {"/bin/sh", "-c", std::move(script)}}),
                    .restart = troupe::restart_type::temporary,
                    .limits = std::move(limits)}}};
  return spec;
}

std::string fault_of(const troupe::supervisor_spec& spec) {
  try {
    test::runtime().supervise(spec).stop();
  } catch (const std::invalid_argument& e) {
    return e.what();
  }
  return "no fault";
}

}  // namespace

TEST_CASE("a child that needs more than its memory_bytes is killed, or refused before its start",
          "[process][group][supervisor]") {
  const auto spec = limited("x=$(head -c 300000000 /dev/zero | tr '\\0' x); echo ${#x}",
                            {.memory_bytes = std::uint64_t{64} << 20});
  if (!facts().memory.empty()) {
    const std::string said = fault_of(spec);
    INFO(said);
    CHECK(
        contains(said, "Child 'p': limits.memory_bytes can't be kept, because " + facts().memory));
    CHECK(contains(said, "; start the program in a group of its own"));
    return;
  }
  test::event_log events;
  auto sup = test::runtime().supervise(spec);
  const auto report = events.wait_for(kind::exited, "p").report;
  CHECK(report->cause == exit_cause::out_of_memory);
  CHECK(report->maybe_out_of_memory);
  sup.stop();
}

TEST_CASE("a child has no more processes than its pids, or is refused before its start",
          "[process][group][supervisor]") {
  const auto spec = limited("sleep 0 & sleep 0 & sleep 0 & wait", {.pids = 2});
  if (!facts().pids.empty()) {
    const std::string said = fault_of(spec);
    INFO(said);
    CHECK(contains(said, "Child 'p': limits.pids can't be kept, because " + facts().pids));
    return;
  }
  test::event_log events;
  auto sup = test::runtime().supervise(spec);
  const auto report = events.wait_for(kind::exited, "p").report;
  CHECK(contains(report->stderr_tail, "fork"));
  CHECK_FALSE(report->success());
  sup.stop();
}

TEST_CASE("a child that is added later is checked for its limits, too",
          "[process][group][supervisor]") {
  auto sup = test::runtime().supervise({});
  const auto spec = limited("true", {.pids = 20}).children.front();
  if (facts().pids.empty()) {
    CHECK(test::outcome_of_call([&] { sup.start_child(spec); }) == "value");
  } else {
    CHECK(test::outcome_of_call([&] { sup.start_child(spec); }) == "bad_spec");
  }
  sup.stop();
}

TEST_CASE("a root that takes its time to die leaves no control group", "[process][group][root]") {
  const test::control_group place;
  if (!place) {
    CHECK_FALSE(facts().memory.empty());
    return;
  }
  test::victim root{"root without descriptors", {place.path(), {}, false}};
  REQUIRE(root.line() == "ready");
  root.kill(SIGUSR1);
  REQUIRE(root.line() == "ended");
  CHECK(place.groups().size() == 1);
  root.kill();
  CHECK(root.nothing_left(10s));
  CHECK(place.groups().empty());
}
