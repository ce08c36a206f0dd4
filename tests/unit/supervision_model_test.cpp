// Random sequences, done by a supervisor's decisions and by a naive one, must come to the same.
#include <support/catch.hpp>
#include <support/fake_supervisor.hpp>
#include <support/naive_supervisor.hpp>
#include <support/settings.hpp>

#include <algorithm>
#include <array>
#include <random>
#include <sstream>

using namespace std::chrono_literals;
using namespace test;
using troupe::auto_shutdown_mode;
using troupe::restart_strategy;
using troupe::restart_type;
using troupe::policy::outcome;

namespace {

struct operation {
  enum kind : std::uint8_t { die, start, terminate, restart, remove, fail, pass, change, stop };
  kind what;
  unsigned who;    ///< which child
  unsigned value;  ///< what else there is to choose
};

struct sequence {
  std::uint64_t seed = 0;
  std::vector<operation> operations;
};

constexpr unsigned names = 6;

std::string name(unsigned who) {
  return std::string(1, static_cast<char>('a' + who % names));
}

/// The same seed makes the same flags and children.
class maker {
public:
  explicit maker(std::uint64_t seed) : seed_(seed) {}

  [[nodiscard]] troupe::child_spec child(unsigned who, unsigned variant) const {
    std::mt19937_64 random{seed_ * 1000 + who % names * 10 + variant % 3};
    auto c = test::child(name(who), static_cast<restart_type>(random() % 3));
    if (c.restart != restart_type::permanent && !dynamic() && mode() != auto_shutdown_mode::never)
      c.significant = random() % 2 == 0;
    if (c.restart != restart_type::temporary && random() % 3 == 0)
      c.back_off = troupe::backoff{.initial = 1s, .max = 3s, .jitter = 0, .reset_after = 4s};
    return c;
  }
  [[nodiscard]] troupe::supervisor_spec supervisor(unsigned variant) const {
    std::mt19937_64 random{seed_ * 1000 + 999 - variant % 3};
    troupe::supervisor_spec spec{.strategy = strategy(),
                                 .intensity = static_cast<int>(random() % 6),
                                 .period = std::chrono::seconds{1 + random() % 9}};
    spec.auto_shutdown = dynamic() ? auto_shutdown_mode::never : mode();
    if (dynamic()) {
      if (random() % 2 == 0) spec.max_children = 2 + random() % 3;
      spec.children.push_back(child(0, variant));
      return spec;
    }
    std::vector<unsigned> who(names);
    for (unsigned i = 0; i < names; ++i) who[i] = i;
    std::ranges::shuffle(who, random);
    who.resize(random() % (names + 1));
    for (const unsigned w : who) spec.children.push_back(child(w, variant));
    return spec;
  }
  [[nodiscard]] restart_strategy strategy() const {
    return static_cast<restart_strategy>(seed_ % 4);
  }
  [[nodiscard]] bool dynamic() const { return strategy() == restart_strategy::dynamic; }
  [[nodiscard]] auto_shutdown_mode mode() const {
    return static_cast<auto_shutdown_mode>(seed_ / 4 % 3);
  }

private:
  std::uint64_t seed_;
};

sequence generate(std::uint64_t seed) {
  std::mt19937_64 random{seed};
  sequence s{seed, {}};
  static constexpr operation::kind kinds[] = {
      operation::die,       operation::die,     operation::die,    operation::die,
      operation::die,       operation::start,   operation::start,  operation::start,
      operation::terminate, operation::restart, operation::remove, operation::fail,
      operation::fail,      operation::pass,    operation::pass,   operation::pass,
      operation::change,    operation::stop};
  const auto length = 1 + random() % 40;
  for (std::uint64_t i = 0; i < length; ++i) {
    auto kind = kinds[random() % std::size(kinds)];
    if (kind == operation::stop && random() % 4 != 0) kind = operation::die;
    s.operations.push_back(
        {kind, static_cast<unsigned>(random() % 64), static_cast<unsigned>(random() % 64)});
  }
  return s;
}

std::string show(const sequence& s) {
  static constexpr const char* words[] = {"die",  "start", "terminate", "restart", "remove",
                                          "fail", "pass",  "change",    "stop"};
  std::ostringstream out;
  out << "seed " << s.seed << ", strategy " << s.seed % 4 << ":";
  for (const auto& o : s.operations)
    out << ' ' << words[o.what] << '(' << o.who << ',' << o.value << ')';
  return out.str();
}

/// Both of them, side by side.
class pair {
public:
  explicit pair(std::uint64_t seed)
      : make_(seed), real_(make_.supervisor(0)), naive_(make_.supervisor(0)) {
    real_.start();
    naive_.start();
  }

  /// What they disagree about; empty: nothing.
  std::string run(const operation& o) {
    if (real_.finished()) return {};
    if (auto said = step(o); !said.empty()) return said;
    // No two things happen at the same time.
    real_.pass(1ms);
    naive_.pass(1ms);
    return compare();
  }
  std::string compare();

private:
  std::string step(const operation& o);
  std::string same(fake_supervisor::call call, outcome expected) {
    const auto* answer = real_.answered(call);
    if (answer == nullptr) return "no answer";
    if (answer->result == expected) return {};
    return "answer " + std::to_string(static_cast<int>(answer->result)) + ", expected " +
           std::to_string(static_cast<int>(expected));
  }
  /// The who'th child there is; a dynamic one goes by its key.
  std::optional<std::pair<std::string, fake_supervisor::key>> pick(unsigned who) const {
    const auto all = real_.decisions().which_children();
    if (all.empty()) return std::nullopt;
    const auto& c = all[who % all.size()];
    return std::pair{make_.dynamic() ? "#" + std::to_string(c.key) : c.spec->id, c.key};
  }

  maker make_;
  fake_supervisor real_;
  naive_supervisor naive_;
};

std::string pair::step(const operation& o) {
  const bool dynamic = make_.dynamic();
  switch (o.what) {
    case operation::die: {
      const auto child = pick(o.who);
      if (!child || real_.pid(child->second) == 0) return {};
      const auto how = std::array{normal, asked_to, abnormal, killed}[o.value % 4];
      real_.die(child->second, how);
      naive_.die(child->first, how);
      return {};
    }
    case operation::start: {
      const auto spec = dynamic ? real_.decisions().flags().strategy == restart_strategy::dynamic
                                      ? naive_.flags.children.front()
                                      : make_.child(0, 0)
                                : make_.child(o.who, 0);
      return same(dynamic ? real_.start_child() : real_.start_child(spec),
                  naive_.start_child(spec));
    }
    case operation::terminate: {
      const auto child = pick(o.who);
      if (!child) return {};
      return same(
          dynamic ? real_.terminate_child(child->second) : real_.terminate_child(child->first),
          naive_.terminate_child(child->first));
    }
    case operation::restart:
      return same(real_.restart_child(name(o.who)), naive_.restart_child(name(o.who)));
    case operation::remove:
      return same(real_.delete_child(name(o.who)), naive_.delete_child(name(o.who)));
    case operation::fail:
      real_.script(name(dynamic ? 0 : o.who)).fails = static_cast<int>(o.value % 4);
      naive_.fails[name(dynamic ? 0 : o.who)] = static_cast<int>(o.value % 4);
      return {};
    case operation::pass:
      real_.pass(o.value % 8 * 500ms);
      naive_.pass(o.value % 8 * 500ms);
      return {};
    case operation::change:
      for (const auto& c : real_.decisions().which_children())
        if (c.state == troupe::policy::child_state::restarting) return {};
      return same(real_.change(make_.supervisor(o.value)),
                  naive_.change(make_.supervisor(o.value)));
    case operation::stop:
      real_.stop();
      naive_.stop();
      return {};
  }
  return {};
}

std::string pair::compare() {
  std::ostringstream out;
  const auto finished = real_.finished();
  static constexpr const char* reasons[] = {"stopped", "gave_up", "escalated", "auto_shutdown",
                                            "start_failed"};
  const std::string ended = finished ? reasons[static_cast<int>(finished->reason)] : "";
  if (ended != naive_.ended) out << "ended '" << ended << "', expected '" << naive_.ended << "'; ";

  static constexpr const char* states[] = {"down", "pending", "up", "waiting"};
  std::string is;
  std::string should;
  using state = troupe::policy::child_state;
  if (!finished)
    for (const auto& c : real_.decisions().which_children())
      is += (make_.dynamic() ? "#" + std::to_string(c.key) : c.spec->id) + ' ' +
            (c.state == state::down         ? "down"
             : c.state == state::pending    ? "pending"
             : c.state == state::running    ? "up " + std::to_string(real_.pid(c.key))
             : c.state == state::restarting ? "waiting"
                                            : "in between") +
            "; ";
  for (const auto& k : naive_.kids)
    should +=
        k.id + ' ' + states[k.state] + (k.state == k.up ? ' ' + std::to_string(k.pid) : "") + "; ";
  if (is != should) out << "children " << is << "expected " << should;

  const auto did = real_.did({"start ", "stop "});
  if (did != naive_.did) {
    out << "did";
    for (const auto& line : did) out << ' ' << line << ',';
    out << " expected";
    for (const auto& line : naive_.did) out << ' ' << line << ',';
  }
  naive_.did.clear();
  return out.str();
}

std::string run(const sequence& s) {
  pair both{s.seed};
  if (auto said = both.compare(); !said.empty()) return "at the start: " + said;
  for (std::size_t i = 0; i < s.operations.size(); ++i)
    if (auto said = both.run(s.operations[i]); !said.empty())
      return "at operation " + std::to_string(i) + ": " + said;
  return {};
}

/// Leaves out what isn't needed to fail.
sequence shrink(sequence s) {
  for (bool smaller = true; smaller;) {
    smaller = false;
    for (std::size_t n = s.operations.size(); n > 0; n /= 2)
      for (std::size_t at = 0; at + n <= s.operations.size();) {
        auto less = s;
        const auto first = less.operations.begin() + static_cast<std::ptrdiff_t>(at);
        less.operations.erase(first, first + static_cast<std::ptrdiff_t>(n));
        if (run(less).empty()) {
          ++at;
        } else {
          s = std::move(less);
          smaller = true;
        }
      }
  }
  return s;
}

}  // namespace

TEST_CASE("10,000 random sequences end as a naive supervisor says",
          "[policy][supervision][model]") {
  const std::uint64_t base = test::random()() % 1'000'000'000;
  for (std::uint64_t i = 0; i < 10'000; ++i) {
    const auto s = generate(base + i);
    if (run(s).empty()) continue;
    const auto smallest = shrink(s);
    FAIL(show(smallest) << "\n" << run(smallest));
  }
  SUCCEED();
}
