// troupe: looks at running programs that use Troupe, and commands them.
#include <CLI/CLI.hpp>
#include <cerrno>
#include <clocale>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <iostream>

#include <kj/exception.h>

#include "commands.hpp"

namespace {

using namespace troupe::tool;

std::chrono::milliseconds as_time(double seconds) {
  return std::chrono::milliseconds{static_cast<std::int64_t>(seconds * 1000)};
}

/// What the command line asks for.
struct wishes {
  std::string program;
  std::vector<std::string> names;
  bool json = false;
  bool watch = false;
  double within = 0;

  [[nodiscard]] std::optional<std::string> chosen() const {
    return program.empty() ? std::nullopt : std::optional{program};
  }
};

constexpr double stop_within = 10;
constexpr double restart_within = 30;

constexpr const char* footer =
    "Exit codes: 0 done; 1 the program refused or could not; 2 wrong command line;\n"
    "3 no such program, or several; 4 the program ended or does not answer.";

void add_commands(CLI::App& app, wishes& w) {
  app.name("troupe");
  app.description("Looks at running programs that use Troupe, and commands them.");
  app.footer(footer);
  app.set_version_flag("--version", std::string{"troupe "} + TROUPE_VERSION);
  app.require_subcommand(1);
  const char* const program_help = "Its name or process id; may be left out when only one runs";
  const auto seconds = [&w](CLI::App& command, const char* help) {
    command.add_option("--within", w.within, help)
        ->check(CLI::Range(0.0, 86400.0))
        ->check([](const std::string& text) {  // the range takes it
          return std::isnan(std::strtod(text.c_str(), nullptr)) ? text + " is no number"
                                                                : std::string{};
        })
        ->type_name("SECONDS");
  };

  auto& tree = *app.add_subcommand("tree", "Show the processes and supervisors of a program");
  tree.add_option("PROGRAM", w.program, program_help)->type_name("");
  tree.add_flag("--json", w.json, "As JSON, one object; with --watch one after the other");
  tree.add_flag("--watch", w.watch, "Again on every change and each second, until Ctrl-C");

  auto& list = *app.add_subcommand("ls", "List your running programs");
  list.add_flag("--json", w.json, "As JSON, one array");

  auto& stop = *app.add_subcommand(
      "stop", "End a program: its processes in order, then SIGTERM, then SIGKILL");
  stop.add_option("PROGRAM", w.program, program_help)->type_name("");
  seconds(stop, "Until it is killed (default 10)");

  auto& restart =
      *app.add_subcommand("restart", "End a supervised child of a program and start it again");
  restart
      .add_option("NAME", w.names,
                  "The child: its path, the last part of it, or its process id. Before it, where "
                  "several programs run, the name or process id of its own")
      ->required()
      ->type_name("")
      ->expected(1, 2);
  seconds(restart, "To wait until it is ready (default 30)");

  auto& doctor = *app.add_subcommand("doctor", "Say what this machine supports, and what follows");
  doctor.add_flag("--json", w.json, "As JSON, one array");
}

/// A full disk shows only when all is written.
int written(int status) {
  errno = 0;
  std::cout.flush();
  if (std::cout.good()) return status;
  std::cerr << "troupe: not all of the output could be written"
            << (errno != 0 ? std::string{": "} + std::strerror(errno) : "") << '\n';
  return status == 0 ? static_cast<int>(exit_status::refused) : status;
}

exit_status carry_out(const CLI::App& app, const wishes& w) {
  const CLI::App& command = *app.get_subcommands().front();
  const std::string what = command.get_name();
  const double within =
      command.get_option_no_throw("--within") != nullptr && command.count("--within") > 0 ? w.within
      : what == "stop" ? stop_within
                       : restart_within;
  if (what == "tree")
    return w.watch ? watch_tree(w.chosen(), w.json) : show_tree(w.chosen(), w.json);
  if (what == "ls") return list(w.json);
  if (what == "stop") return stop(w.chosen(), as_time(within));
  if (what == "doctor") return doctor(w.json);
  return restart(w.names.size() == 2 ? std::optional{w.names.front()} : std::nullopt,
                 w.names.back(), as_time(within));
}

}  // namespace

int main(int argc, char** argv) {
  std::setlocale(LC_CTYPE, "");
  CLI::App app;
  wishes w;
  try {
    add_commands(app, w);
    app.parse(argc, argv);
    return written(static_cast<int>(carry_out(app, w)));
  } catch (const CLI::Success& e) {
    return written(app.exit(e));
  } catch (const CLI::ParseError& e) {
    const bool is_unknown = app.get_subcommands().empty() && argc > 1 && argv[1][0] != '-';
    std::cerr << "troupe: "
              << (is_unknown ? "there is no command " + std::string{argv[1]} : e.what())
              << "; `troupe --help` tells more\n";
    return static_cast<int>(exit_status::usage);
  } catch (const trouble& e) {
    std::cerr << "troupe: " << e.what() << '\n';
    return static_cast<int>(e.code());
  } catch (const kj::Exception& e) {
    std::cerr << "troupe: " << e.getDescription().cStr() << '\n';
    return static_cast<int>(exit_status::refused);
  } catch (const std::exception& e) {
    std::cerr << "troupe: " << e.what() << '\n';
    return static_cast<int>(exit_status::refused);
  }
}
