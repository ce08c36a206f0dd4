#include <iostream>

#include "commands.hpp"
#include "json.hpp"
#include "programs.hpp"
#include "screen.hpp"
#include "table.hpp"

namespace troupe::tool {

namespace {

using namespace std::chrono_literals;

constexpr auto answer_limit = 5s;

snapshot tree_in(schema::ControlAnswer::Reader answer, observer& by, const std::string& of) {
  if (!answer.isTree())
    throw trouble{exit_status::no_answer, of + " answers something else than was asked"};
  return by.look(answer.getTree());
}

std::vector<std::string> screen_lines(const snapshot& of, const page& on) {
  std::size_t processes = 0;
  for (const auto& n : of.nodes) processes += n.pid > 0 ? 1 : 0;
  auto lines = tree_lines(of, on);
  lines.insert(lines.begin(), table_lines({{of.program, "(" + std::to_string(of.pid) + "),",
                                            std::to_string(processes), "processes; Ctrl-C ends"}},
                                          on)
                                  .front());
  return lines;
}

}  // namespace

exit_status show_tree(const std::optional<std::string>& program, bool json) {
  auto chosen = choose(program);
  observer by;
  chosen.talk.ask([](schema::ControlRequest::Builder r) { r.setTree(); });
  chosen.talk.await(answer_limit, [&](schema::ControlAnswer::Reader answer) {
    const auto tree = tree_in(answer, by, chosen.talk.with());
    if (json) {
      std::cout << json_tree(tree);
    } else {
      for (const auto& line : tree_lines(tree, own_page())) std::cout << line << '\n';
    }
  });
  return exit_status::done;
}

exit_status watch_tree(const std::optional<std::string>& program, bool json) {
  auto chosen = choose(program);
  observer by;
  std::optional<snapshot> last;
  {
    screen on;
    const int fds[] = {chosen.talk.fd(), signal_event()};
    chosen.talk.ask([](schema::ControlRequest::Builder r) { r.setWatch(); });
    for (bool ended = false; !ended;) {
      const auto heard = chosen.talk.listen_now([&](schema::ControlAnswer::Reader answer) {
        last = tree_in(answer, by, chosen.talk.with());
      });
      if (heard == conversation::heard::ended) break;
      if (heard == conversation::heard::answer && json) std::cout << json_tree(*last) << std::flush;
      if (heard == conversation::heard::answer && !json) on.show(screen_lines(*last, own_page()));
      if (heard == conversation::heard::answer) continue;
      const unsigned ready = os::wait_readable(fds, -1);
      if ((ready & 2U) == 0) continue;
      ended = take_signals().end;
      if (!ended && !json && last) on.show(screen_lines(*last, own_page()));
      if (ended) return exit_status::done;
    }
  }
  std::cerr << chosen.talk.with() << " has ended\n";
  return exit_status::done;
}

}  // namespace troupe::tool
