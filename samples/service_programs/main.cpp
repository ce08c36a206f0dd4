// Programs that know nothing of Troupe are supervised: a server that is ready when it says so, a
// tool that works line by line, and one that can't be started.
#include <caf/all.hpp>
#include <iostream>
#include <troupe/troupe.hpp>

int main(int argc, char** argv) {
  return troupe::program{argc, argv}.run([](troupe::runtime& rt) {
    const auto me = caf::actor_cast<caf::actor>(rt.self());
    rt.watch([&](const troupe::lifecycle_event& e) {
      using kind = troupe::lifecycle_event::kind;
      if (e.what != kind::exited && e.what != kind::ready) return;
      std::cout << "  " << e.path << ' ' << to_string(e.what)
                << (e.reason.empty() ? "" : ": " + e.reason) << '\n';
      if (e.path == "adder" && e.what == kind::ready) caf::anon_send(me, caf::ok_atom_v);
    });

    // region programs
    using troupe::execute, troupe::ready_when;
    const troupe::program_spec serving{.argv = {"sh", "-c", "echo up >&3; exec sleep 1000"},
                                       .environment = {{"PORT", "8080"}},
                                       .directory = "/tmp",
                                       .ready = ready_when::line(3, "up")};
    const troupe::program_spec adding{
        .argv = {"sh", "-c", "while read a b; do [ $a != die ] || exit 3; echo $((a + b)); done"},
        .takes_lines = true};
    auto services = rt.supervise({
        .strategy = troupe::restart_strategy::rest_for_one,
        .intensity = 5,
        .children = {{.id = "server", .start = execute(serving), .limits = {.open_files = 64}},
                     {.id = "adder", .start = execute(adding, me)}},  // its lines are for me
    });
    const auto adder = services.child("adder");  // a handle that survives restarts
    // endregion
    const auto add = [&](const std::string& numbers) {
      rt.self()->receive([](caf::ok_atom) {});  // it is up
      rt.self()->send(adder, numbers);          // a line of its stdin
      rt.self()->receive([](const troupe::program_line& sum) {
        std::cout << sum.child << " says " << sum.text << '\n';
      });
    };
    add("1 2");
    std::cout << "the adder dies of a line, and comes back\n";
    rt.self()->send(adder, std::string{"die"});
    add("3 4");
    std::cout << "the server is killed: what was started after it is restarted, too\n";
    rt.kill(*services.process_of("server"));
    add("5 6");
    try {
      services.start_child({.id = "typo", .start = execute({.argv = {"slep", "1000"}})});
    } catch (const troupe::failure& e) {
      std::cout << troupe::sentence_of(e.error()) << '\n';
    }
  });
}
