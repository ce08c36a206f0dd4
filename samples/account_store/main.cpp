// Accounts that survive crashes: the store writes each deposit to a log before it answers, and its
// next life reads that log. Clients go on meanwhile, and no deposit is lost or counted twice.
#include <caf/all.hpp>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <troupe/troupe.hpp>

namespace {

using namespace std::chrono_literals;

constexpr int clients = 3;
constexpr int deposits_each = 400;
constexpr int kills = 5;

// region store
/// One deposit. A client numbers its own, so that one it repeats is known.
struct deposit {
  int client = 0;
  int number = 0;
  std::int64_t amount = 0;
};

class ledger {
public:
  explicit ledger(const std::string& path) {
    recover(path);
    log_.open(path, std::ios::app);
    if (!log_) throw std::runtime_error{"can't write " + path};
  }

  std::int64_t add(const deposit& d) {
    if (d.number > last_[d.client]) {
      log_ << d.client << ' ' << d.number << ' ' << d.amount << std::endl;  // first of all
      if (!log_) throw std::runtime_error{"the log can't be written: is the disk full?"};
      apply(d);
    }
    return balance_;
  }
  [[nodiscard]] std::int64_t balance() const { return balance_; }
  [[nodiscard]] int count() const { return count_; }

private:
  /// A crash may have torn the last line: it was never answered, so it goes.
  void recover(const std::string& path) {
    std::ifstream log{path};
    std::uintmax_t whole = 0;
    for (std::string line; std::getline(log, line) && !log.eof();) {
      std::istringstream fields{line};
      deposit d;
      fields >> d.client >> d.number >> d.amount;
      apply(d);
      whole += line.size() + 1;
    }
    if (std::filesystem::exists(path)) std::filesystem::resize_file(path, whole);
  }
  void apply(const deposit& d) {
    last_[d.client] = d.number;
    balance_ += d.amount;
    ++count_;
  }

  std::ofstream log_;
  std::map<int, int> last_;
  std::int64_t balance_ = 0;
  int count_ = 0;
};

caf::behavior store(caf::event_based_actor*, const std::string& path) {
  const auto accounts = std::make_shared<ledger>(path);
  return {[=](caf::put_atom, int client, int number, std::int64_t amount) {
            return accounts->add({client, number, amount});
          },
          [=](caf::get_atom) { return accounts->balance(); },
          [=](caf::ok_atom) { return accounts->count(); }};
}
// endregion

// region client
/// A request that was lost with the store may have been carried out: it is repeated under its old
/// number, and the store knows what it has.
void client(troupe::runtime& rt, const caf::actor& accounts, int id) {
  for (int number = 1; number <= deposits_each;)
    rt.self()
        ->request(accounts, caf::infinite, caf::put_atom_v, id, number, std::int64_t{number})
        .receive([&](std::int64_t) { ++number; },
                 [&](const caf::error& e) {
                   const auto why = troupe::errc_of(e);
                   if (why != troupe::errc::worker_lost && why != troupe::errc::not_started)
                     throw troupe::failure{e};
                 });
}
// endregion

template <class T, class Atom>
T ask(troupe::runtime& rt, const caf::actor& accounts, Atom what) {
  T answer{};
  for (bool done = false; !done;)
    rt.self()
        ->request(accounts, caf::infinite, what)
        .receive(
            [&](T value) {
              answer = value;
              done = true;
            },
            [](const caf::error&) {});  // it was killed in the middle: again
  return answer;
}

}  // namespace

int main(int argc, char** argv) {
  return troupe::program{argc, argv}.run([](troupe::runtime& rt) {
    // region tree
    auto tree = rt.supervise({
        .intensity = kills,
        .children = {{.id = "store", .start = troupe::run(store, "accounts.log")}},
    });
    const auto accounts = tree.child("store");  // stays the same over restarts
    // endregion
    // region use
    for (int id = 1; id <= clients; ++id) rt.spawn(client, accounts, id);

    for (int kill = 1; kill <= kills; ++kill) {
      while (ask<int>(rt, accounts, caf::ok_atom_v) < kill * 200) {
      }
      rt.kill(*tree.process_of("store"));
    }
    rt.wait_all();
    // endregion

    const std::int64_t expected = std::int64_t{clients} * deposits_each * (deposits_each + 1) / 2;
    std::cout << ask<int>(rt, accounts, caf::ok_atom_v) << " deposits of " << clients
              << " clients, the store killed " << tree.which_child("store")->restarts
              << " times\nbalance " << ask<std::int64_t>(rt, accounts, caf::get_atom_v)
              << ", expected " << expected << '\n';
  });
}
