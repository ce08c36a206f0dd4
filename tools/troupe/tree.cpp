#include <iostream>

#include "commands.hpp"
#include "json.hpp"
#include "screen.hpp"
#include "table.hpp"
#include "view.hpp"

namespace troupe::tool {

namespace {

std::vector<std::string> screen_lines(const snapshot& of, const page& on) {
  auto lines = tree_lines(of, on);
  lines.insert(lines.begin(),
               table_lines({{of.program, "(" + std::to_string(of.pid) + "),",
                             std::to_string(count_processes(of)), "processes; Ctrl-C ends"}},
                           on)
                   .front());
  return lines;
}

}  // namespace

exit_status show_tree(const std::optional<std::string>& program, bool json) {
  view of{choose(program)};
  const snapshot tree = of.look();
  if (json) {
    std::cout << json_tree(tree);
  } else {
    for (const auto& line : tree_lines(tree, own_page())) std::cout << line << '\n';
  }
  for (const auto& [pid, why] : of.silent())
    std::cerr << "troupe: what is below process " << pid << " is not shown: " << why << '\n';
  return exit_status::done;
}

exit_status watch_tree(const std::optional<std::string>& program, bool json) {
  view of{choose(program)};
  {
    screen on;
    of.watch(signal_event());
    for (auto what = of.wait(); what != view::event::ended; what = of.wait()) {
      if (what == view::event::interrupted && take_signals().end) return exit_status::done;
      const auto tree = of.current();
      if (!tree) continue;
      if (json) {
        std::cout << json_tree(*tree) << std::flush;
      } else {
        on.show(screen_lines(*tree, own_page()));
      }
      if (!std::cout.good()) return exit_status::done;  // nobody can see it; `main` says so
    }
  }
  std::cerr << of.with() << " has ended\n";
  return exit_status::done;
}

}  // namespace troupe::tool
