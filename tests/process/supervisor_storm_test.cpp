// Random kills of random processes of a tree: after each the tree is again what its spec says.
#include <support/oracle.hpp>
#include <support/processes.hpp>
#include <support/settings.hpp>
#include <support/supervised.hpp>

#include <unistd.h>

#include <algorithm>
#include <map>
#include <set>

using troupe::restart_strategy;

namespace {

/// How many processes each one of a level has below it; the last level has none.
using shape = std::vector<int>;

int processes(const shape& of, std::size_t from = 0) {
  if (from == of.size()) return 0;
  return of[from] * (1 + processes(of, from + 1));
}

troupe::supervisor_spec level(const shape& of, int depth);

/// An actor with a supervisor of its own; get_atom asks for the pids from here down.
caf::behavior manager(caf::event_based_actor* self, troupe::runtime& rt,
                      const std::vector<std::int32_t>& below, int depth) {
  std::vector<caf::actor> children;
  if (static_cast<std::size_t>(depth) < below.size()) {
    const auto sup = rt.supervise(level(below, depth));
    for (const auto& c : sup.which_children()) children.push_back(sup.child(c.id));
  }
  return {[=](caf::get_atom) -> caf::result<std::vector<std::string>> {
    auto promise = self->make_response_promise<std::vector<std::string>>();
    auto pids = std::make_shared<std::vector<std::string>>(1, std::to_string(getpid()));
    auto left = std::make_shared<std::size_t>(children.size());
    if (*left == 0) promise.deliver(*pids);
    for (const auto& c : children)
      self->request(c, caf::infinite, caf::get_atom_v)
          .then(
              [=](const std::vector<std::string>& more) mutable {
                pids->insert(pids->end(), more.begin(), more.end());
                if (--*left == 0) promise.deliver(*pids);
              },
              [=](caf::error& e) mutable { promise.deliver(std::move(e)); });
    return promise;
  }};
}

troupe::supervisor_spec level(const shape& of, int depth) {
  troupe::supervisor_spec spec;
  constexpr restart_strategy strategies[] = {
      restart_strategy::one_for_one, restart_strategy::one_for_all, restart_strategy::rest_for_one};
  spec.strategy = strategies[depth % 3];
  spec.intensity = 1'000'000;
  for (int i = 0; i < of[static_cast<std::size_t>(depth)]; ++i) {
    troupe::child_spec child;
    child.id = std::string(1, static_cast<char>('a' + depth)) + std::to_string(i);
    child.start = troupe::run(manager, of, depth + 1);
    child.start_timeout = troupe::no_limit;  // the machine may be busy
    spec.children.push_back(std::move(child));
  }
  return spec;
}

/// The same tree of supervisors in processes of their own, with patients at the bottom.
troupe::supervisor_spec level_apart(const shape& of, std::size_t depth) {
  auto spec = level(of, static_cast<int>(depth));
  for (auto& child : spec.children) {
    if (depth + 1 == of.size()) {
      child = test::patient_spec(child.id);
    } else {
      child.start = troupe::supervise(troupe::own_process, level_apart(of, depth + 1));
      child.type = troupe::child_type::supervisor;
    }
  }
  return spec;
}

/// What the events say of a tree: who is up, with which pid.
class picture {
public:
  void add(const troupe::lifecycle_event& e) {
    using kind = troupe::lifecycle_event::kind;
    if (e.what == kind::ready) {
      up_[e.path] = e.pid.value_or(-1);
    } else if (e.what == kind::exited || e.what == kind::stopped || e.what == kind::start_failed) {
      std::erase_if(up_, [&](const auto& entry) {  // what was below it went without a word
        return entry.first == e.path || entry.first.rfind(e.path + '/', 0) == 0;
      });
    }
  }
  [[nodiscard]] std::vector<int> pids() const {
    std::vector<int> all;
    for (const auto& [path, pid] : up_) all.push_back(pid);
    return all;
  }
  [[nodiscard]] const std::map<std::string, int>& up() const { return up_; }

private:
  std::map<std::string, int> up_;
};

/// The same, by asking each supervisor.
void look(const troupe::supervisor& of, const std::string& path, std::map<std::string, int>& into) {
  for (const auto& c : of.which_children()) {
    CHECK(c.now == troupe::child_status::state::running);
    into[path + c.id] = c.pid.value_or(-1);
    if (c.type == troupe::child_type::supervisor) look(of.nested(c.id), path + c.id + '/', into);
  }
}

/// Each child of which only one says that it is up, or with another pid.
std::string differences(const std::map<std::string, int>& asked,
                        const std::map<std::string, int>& told) {
  std::string all;
  const auto compare = [&all](const auto& these, const auto& those, const char* who) {
    for (const auto& [path, pid] : these)
      if (const auto other = those.find(path); other == those.end() || other->second != pid)
        all += who + (' ' + path) + ' ' + std::to_string(pid) + "; ";
  };
  compare(asked, told, "asked");
  compare(told, asked, "told");
  return all;
}

/// Pids of all processes of the tree, by asking down; empty when one died meanwhile.
std::vector<int> ask_all(const std::vector<caf::actor>& tops) {
  std::vector<int> pids;
  bool complete = true;
  for (const auto& top : tops)
    test::runtime()
        .self()
        ->request(top, caf::infinite, caf::get_atom_v)
        .receive(
            [&](const std::vector<std::string>& all) {
              for (const auto& p : all) pids.push_back(std::stoi(p));
            },
            [&](const caf::error&) { complete = false; });
  if (!complete) pids.clear();
  return pids;
}

/// Descriptors of a dead process that are closed in a moment.
constexpr std::size_t in_passing = 6;

}  // namespace

TEST_CASE("a tree of processes equals its spec again after each of many random kills",
          "[process][supervisor][storm]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  const shape of{2, 2, 6};
  REQUIRE(processes(of) == 30);
  auto sup = rt.supervise(level(of, 0));
  std::vector<caf::actor> tops;
  for (const auto& c : sup.which_children()) tops.push_back(sup.child(c.id));
  auto pids = ask_all(tops);
  const auto descriptors = test::open_descriptors().size();
  for (int round = 0; round < test::times(25, 1000); ++round) {
    INFO("round " << round);
    REQUIRE(pids.size() == 30);
    REQUIRE(std::set<int>(pids.begin(), pids.end()).size() == 30);
    std::vector<int> victims{pids[test::random_up_to(29)]};
    if (test::random_up_to(3) == 0) victims.push_back(pids[test::random_up_to(29)]);
    for (const int victim : victims) test::kill_process(victim);
    REQUIRE(test::ended(victims, std::chrono::seconds{30}));
    // A request that meets the death on its way is told so; then the next one waits or is answered.
    const auto old = std::move(pids);
    do pids = ask_all(tops);
    while (pids.empty() || std::any_of(victims.begin(), victims.end(), [&](int victim) {
             return std::find(pids.begin(), pids.end(), victim) != pids.end();
           }));
    std::vector<int> gone;
    for (const int pid : old)
      if (std::find(pids.begin(), pids.end(), pid) == pids.end()) gone.push_back(pid);
    REQUIRE(gone.size() >= victims.size() - (victims.front() == victims.back() ? 1 : 0));
    REQUIRE(test::ended(gone, std::chrono::seconds{30}));
    CHECK(test::states(sup) == "a0 running, a1 running");
    CHECK(test::open_descriptors().size() <= descriptors + in_passing);
  }
  sup.stop();
  CHECK(test::ended(pids, std::chrono::seconds{5}));
  oracle.check();
}

TEST_CASE("a tree of supervisors in processes of their own equals its spec after each random kill",
          "[process][supervisor][storm]") {
  const test::oracle oracle;
  auto& rt = test::runtime();
  test::event_log events;
  const shape of{2, 2, 6};
  auto sup = rt.supervise(level_apart(of, 0));
  picture seen;
  const auto wait_until_whole = [&](const std::vector<int>& victims) {
    const auto is_there = [&](int victim) {
      const auto now = seen.pids();
      return std::find(now.begin(), now.end(), victim) != now.end();
    };
    while (seen.up().size() < 30 || std::any_of(victims.begin(), victims.end(), is_there))
      seen.add(events.next());
  };
  wait_until_whole({});
  const auto descriptors = test::open_descriptors().size();
  for (int round = 0; round < test::times(20, 1000); ++round) {
    INFO("round " << round);
    const auto before = seen.pids();
    std::vector<int> victims{before[test::random_up_to(29)]};
    if (test::random_up_to(3) == 0) victims.push_back(before[test::random_up_to(29)]);
    for (const int victim : victims) test::kill_process(victim);
    wait_until_whole(victims);
    std::map<std::string, int> now;
    look(sup, "", now);
    REQUIRE(differences(now, seen.up()) == "");
    const auto pids = seen.pids();
    REQUIRE(std::set<int>(pids.begin(), pids.end()).size() == 30);
    std::vector<int> gone;
    for (const int pid : before)
      if (std::find(pids.begin(), pids.end(), pid) == pids.end()) gone.push_back(pid);
    REQUIRE(test::ended(gone, std::chrono::seconds{30}));
    CHECK(test::open_descriptors().size() <= descriptors + in_passing);
  }
  const auto last = seen.pids();
  sup.stop();
  CHECK(test::ended(last, std::chrono::seconds{0}));
  oracle.check();
}
