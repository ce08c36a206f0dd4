#include <iostream>

#include "commands.hpp"
#include "json.hpp"
#include "programs.hpp"
#include "screen.hpp"
#include "table.hpp"

namespace troupe::tool {

namespace {

using namespace std::chrono_literals;

struct row {
  std::string name;
  int pid = 0;
  std::optional<snapshot> tree;  ///< none: it does not answer
};

std::vector<row> rows_of(std::vector<found_program> programs) {
  std::vector<row> rows;
  for (auto& p : programs) try {
      p.talk.ask([](schema::ControlRequest::Builder r) { r.setTree(); });
      row r{p.name, p.pid, {}};
      p.talk.await(1s, [&](schema::ControlAnswer::Reader answer) {
        if (answer.isTree() && answer.getTree().getNodes().size() > 0)
          r.tree = snapshot_of(answer.getTree());
      });
      rows.push_back(std::move(r));
    } catch (const trouble&) {
      rows.push_back({p.name, p.pid, {}});
    }
  return rows;
}

void print_json(const std::vector<row>& rows) {
  std::cout << '[';
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const row& r = rows[i];
    std::cout << (i == 0 ? "\n" : ",\n") << "  {\"name\": " << json_text(r.name)
              << ", \"pid\": " << r.pid << ", \"answers\": " << (r.tree ? "true" : "false");
    if (r.tree)
      std::cout
          << ", \"uptime_seconds\": "
          << std::chrono::duration_cast<std::chrono::seconds>(r.tree->nodes.at(0).uptime).count()
          << ", \"processes\": " << count_processes(*r.tree);
    std::cout << '}';
  }
  std::cout << (rows.empty() ? "]\n" : "\n]\n");
}

}  // namespace

exit_status list(bool json) {
  auto seen = running_programs();
  for (const auto& problem : seen.problems) std::cerr << "troupe: " << problem << '\n';
  const auto rows = rows_of(std::move(seen.programs));
  if (json) {
    print_json(rows);
    return exit_status::done;
  }
  if (rows.empty()) {
    std::cerr << "no program of yours that uses Troupe runs now\n";
    return exit_status::done;
  }
  std::vector<std::vector<std::string>> cells{{"PROGRAM", "PID", "UP", "PROCESSES"}};
  for (const row& r : rows)
    cells.push_back({r.name, std::to_string(r.pid),
                     r.tree ? short_time(r.tree->nodes.at(0).uptime) : "-",
                     r.tree ? std::to_string(count_processes(*r.tree)) : "does not answer"});
  for (const auto& line : table_lines(cells, own_page())) std::cout << line << '\n';
  return exit_status::done;
}

}  // namespace troupe::tool
