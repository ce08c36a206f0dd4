// A small service of supervised processes is hurt in three ways, and heals by itself.
#include <caf/all.hpp>
#include <cstdlib>
#include <iostream>
#include <thread>
#include <troupe/troupe.hpp>

using namespace std::chrono_literals;

// region children
caf::behavior mailer() {
  return {[sent = 0](const std::string& text) mutable {
    return text + ": sent as letter " + std::to_string(++sent);
  }};
}

caf::behavior index_of(caf::event_based_actor*, troupe::runtime& rt) {
  const auto before = rt.restart();  // how the process ended that was here before
  return {[before](const std::string& word) -> std::string {
    if (word.empty()) std::abort();  // a bug
    if (before.count == 0) return word + ": indexed";
    return word + ": indexed by life " + std::to_string(before.count + 1) +
           ", since the last one died of " + to_string(before.in_progress);
  }};
}

caf::behavior search() {
  return {[](const std::string& word) -> std::string {
    while (word == "loop") std::this_thread::yield();  // another bug
    return word + ": found";
  }};
}
// endregion

int main(int argc, char** argv) {
  return troupe::program{argc, argv}.run([](troupe::runtime& rt) {
    // region watch
    rt.watch([](const troupe::lifecycle_event& e) {
      using kind = troupe::lifecycle_event::kind;
      if (e.what == kind::exited || e.what == kind::stopped || e.what == kind::ready)
        std::cout << "  " << e.path << ' ' << to_string(e.what)
                  << (e.reason.empty() ? "" : ": " + e.reason) << '\n';
    });
    // endregion

    // region tree
    using troupe::run, troupe::supervise;
    auto tree = rt.supervise({
        .intensity = 5,
        .children = {{.id = "mailer", .start = run(mailer)},
                     {.id = "data",
                      .start = supervise({.strategy = troupe::restart_strategy::rest_for_one,
                                          .intensity = 5,
                                          .children = {{.id = "index", .start = run(index_of)},
                                                       {.id = "search",
                                                        .start = run(search),
                                                        .watchdog = 100ms}}}),
                      .type = troupe::child_type::supervisor}},
    });
    const auto mail = tree.child("mailer");  // a handle that survives restarts
    const auto index = tree.nested("data").child("index");
    const auto find = tree.nested("data").child("search");
    // endregion
    const auto ask = [&](const caf::actor& who, const std::string& what) {
      rt.self()
          ->request(who, caf::infinite, what)
          .receive([](const std::string& answer) { std::cout << answer << '\n'; },
                   [](const caf::error& e) { std::cout << to_string(troupe::errc_of(e)) << '\n'; });
    };

    std::cout << "the mailer is killed: it alone comes back\n";
    ask(mail, "hello");
    rt.kill(*tree.process_of("mailer"));
    ask(mail, "hello again");  // waits for its next life

    std::cout << "the index crashes: what was started after it is restarted, too\n";
    ask(index, "");
    ask(find, "word");
    ask(index, "word");

    std::cout << "the search hangs: its watchdog ends it\n";
    ask(find, "loop");
    ask(find, "word");
  });
}
