// The program `troupe`, run as one, against running programs.
#include <support/catch.hpp>
#include <support/control.hpp>
#include <support/service.hpp>
#include <support/tool.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <sstream>

using namespace std::chrono_literals;
using test::named;
using test::run_command;
using test::tree_at;

namespace {

test::command_result tool(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), TEST_TOOL);
  return run_command(arguments);
}

/// What `jq` says of what `troupe` prints with these arguments.
std::string queried(const std::string& arguments, const std::string& query) {
  const auto said =
      run_command({"sh", "-c", "\"$0\" " + arguments + " | jq -r \"$1\"", TEST_TOOL, query});
  INFO(said.errors);
  CHECK(said.errors.empty());
  REQUIRE(said.code == 0);
  return said.output;
}

std::vector<std::string> lines_in(const std::string& text) {
  std::vector<std::string> all;
  std::istringstream lines{text};
  for (std::string line; std::getline(lines, line);) all.push_back(line);
  return all;
}

std::string text(int number) {
  return std::to_string(number);
}

}  // namespace

TEST_CASE("troupe tree prints a line for each node", "[process][tool]") {
  const test::runtime_folder folder;
  test::service program;
  const auto nodes = test::settled_tree_at(folder.socket_of(program.pid()));
  const auto said = tool({"tree", text(program.pid())});
  CHECK(said.code == 0);
  CHECK(said.errors.empty());
  const auto lines = lines_in(said.output);
  REQUIRE(lines.size() == nodes.size() + 1);
  CHECK(lines[0].starts_with("NAME "));
  CHECK(lines[0].ends_with(" UP RESTARTS MAIL   RSS  CPU%"));
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    INFO(lines[i + 1]);
    CHECK(lines[i + 1].find(' ' + (nodes[i].pid > 0 ? text(nodes[i].pid) : "-") + " running ") !=
          std::string::npos);
    CHECK(lines[i + 1].find(nodes[i].name + ' ') != std::string::npos);
  }
}

TEST_CASE("troupe tree --json is JSON, with memory and CPU of each process", "[process][tool]") {
  const test::runtime_folder folder;
  test::service program;
  const auto nodes = test::settled_tree_at(folder.socket_of(program.pid()));
  const std::string all = "[.. | objects]";
  const std::string command = "tree --json " + text(program.pid());
  CHECK(queried(command, all + " | length") == text(static_cast<int>(nodes.size())) + '\n');
  CHECK(queried(command,
                ".children[0].children[1].children[1] | [.name, .path, .pid, .state, "
                ".restarts, .mailbox] | @tsv") ==
        "b\tworkers/b\t" + text(named(nodes, "b").pid) + "\trunning\t0\t4\n");
  CHECK(queried(command, all + " | map(select(.pid != null) | .rss_bytes > 100000 and "
                               ".cpu_seconds >= 0 and .cpu_percent >= 0 and .uptime_seconds >= 0) "
                               "| all") == "true\n");
}

TEST_CASE("troupe tree shows what workers have started themselves", "[process][tool]") {
  const test::runtime_folder folder;
  test::service program{"a family"};
  CHECK(queried("tree --json " + text(program.pid()),
                ".children[0].children[] | select(.name == \"parent\") | [.children[] | .name, "
                "(.children[] | .name)] | @tsv") == "supervisor\tgrandchild\tnephew\n");
  CHECK(queried(
            "tree --json " + text(program.pid()),
            ".children[0].children[] | select(.name == \"apart\") | [.role, (.children[] | .name, "
            ".path)] | @tsv") == "supervisor\ttwin\tapart/twin\n");
  for (const std::string child : {"grandchild", "apart/twin"}) {
    const auto said = tool({"restart", text(program.pid()), child});
    INFO(said.errors);
    CHECK(said.code == 0);
    CHECK(said.output.starts_with(child + " runs again: process "));
  }
}

TEST_CASE("troupe ls lists a running program, and not one that was killed", "[process][tool]") {
  const test::runtime_folder folder;
  const auto mine = [&](int pid) {
    return queried("ls --json", "map(select(.pid == " + text(pid) +
                                    ") | [.name, .answers, .processes]) | flatten | @tsv");
  };
  test::service program;
  test::settled_tree_at(folder.socket_of(program.pid()));
  CHECK(mine(program.pid()) == "process_tests\ttrue\t7\n");
  const auto said = tool({"ls"});
  CHECK(said.code == 0);
  CHECK(said.output.find("process_tests " + text(program.pid())) != std::string::npos);
  program.kill();
  program.status();
  REQUIRE(folder.files().size() == 1);
  CHECK(mine(program.pid()) == "\n");
  CHECK(folder.files().empty());
}

TEST_CASE("troupe stop ends a program and says how", "[process][tool]") {
  const test::runtime_folder folder;
  test::service program;
  const auto said = tool({"stop", text(program.pid())});
  CHECK(said.code == 0);
  CHECK(said.errors.empty());
  CHECK(said.output.starts_with("process_tests (" + text(program.pid()) + ") has ended after "));
  CHECK(said.output.ends_with(" s\n"));
  CHECK(WEXITSTATUS(program.status()) == 3);
  CHECK(program.nothing_left(1s));
  CHECK(folder.files().empty());
}

TEST_CASE("troupe stop kills a program that does not end by itself", "[process][tool]") {
  const test::runtime_folder folder;
  test::service program;
  program.kill(SIGSTOP);
  const auto said = tool({"stop", "--within", GENERATE("0.2", "0"), text(program.pid())});
  CHECK(said.code == 0);
  CHECK(said.output.ends_with(", by SIGKILL\n"));
  CHECK(WTERMSIG(program.status()) == SIGKILL);
  CHECK(folder.files().empty());
}

TEST_CASE("troupe restart names the new process", "[process][tool]") {
  const test::runtime_folder folder;
  test::service program;
  const std::string socket = folder.socket_of(program.pid());
  const int before = named(tree_at(socket), "store").pid;
  const auto said = tool({"restart", text(program.pid()), "store"});
  CHECK(said.code == 0);
  CHECK(said.output == "store runs again: process " + text(before) + " before, process " +
                           text(named(tree_at(socket), "store").pid) + " now\n");
}

TEST_CASE("children of equal paths are told apart by process id", "[process][tool]") {
  const test::runtime_folder folder;
  test::service program{"two trees"};
  const std::string socket = folder.socket_of(program.pid());
  const auto stores = [&] {
    std::vector<int> pids;
    for (const auto& n : tree_at(socket))
      if (n.path == "store") pids.push_back(n.pid);
    return pids;
  };
  const auto before = stores();
  REQUIRE(before.size() == 2);
  const auto unclear = tool({"restart", text(program.pid()), "store"});
  CHECK(unclear.code == 1);
  CHECK(unclear.errors.ends_with("; say which by its path or its process id\n"));
  const auto said = tool({"restart", text(program.pid()), text(before.back())});
  CHECK(said.code == 0);
  CHECK(stores().front() == before.front());
  CHECK(said.output == "store runs again: process " + text(before.back()) + " before, process " +
                           text(stores().back()) + " now\n");
}

TEST_CASE("each mistake gets a sentence and an exit code of its own", "[process][tool]") {
  const test::runtime_folder folder;
  test::service program;
  const std::string pid = text(program.pid());
  struct row {
    std::vector<std::string> arguments;
    int code;
    std::string begin, part;
  };
  for (const row& r :
       {row{{"restart", pid, "nobody"},
            1,
            "troupe: no supervised child of process_tests (" + pid,
            ") is called nobody; `troupe tree` shows them all"},
        row{{}, 2, "troupe: ", "`troupe --help` tells more"},
        row{{"grow"}, 2, "troupe: ", "`troupe --help` tells more"},
        row{{"stop", "--within", "soon"}, 2, "troupe: ", "`troupe --help` tells more"},
        row{{"tree", "no_such_program"},
            3,
            "troupe: no running program is called no_such_program",
            "process_tests (" + pid + ")"}}) {
    const auto said = tool(r.arguments);
    INFO(said.errors);
    CHECK(said.code == r.code);
    CHECK(said.output.empty());
    CHECK(said.errors.starts_with(r.begin));
    CHECK(said.errors.find(r.part) != std::string::npos);
    CHECK(lines_in(said.errors).size() == 1);
  }
}

TEST_CASE("several programs of one name are told apart by process id", "[process][tool]") {
  const test::runtime_folder folder;
  test::service one, other;
  const auto said = tool({"tree", "process_tests"});
  CHECK(said.code == 3);
  CHECK(said.errors.starts_with("troupe: several programs are called process_tests: "));
  CHECK(said.errors.find("(" + text(one.pid()) + ")") != std::string::npos);
  CHECK(said.errors.find("(" + text(other.pid()) + ")") != std::string::npos);
  CHECK(tool({"tree", text(other.pid())}).code == 0);
}

TEST_CASE("a program that is stopped does not hold troupe up", "[process][tool]") {
  const test::runtime_folder folder;
  test::service program;
  program.kill(SIGSTOP);
  const auto said = tool({"restart", "--within", "0.1", text(program.pid()), "store"});
  CHECK(said.code == 4);
  CHECK(said.errors.find(" does not answer within ") != std::string::npos);
  CHECK(queried("ls --json",
                "map(select(.pid == " + text(program.pid()) + ") | .answers) | @tsv") == "false\n");
  program.kill(SIGCONT);
}

TEST_CASE("a restart that takes its time is told from a program that does not answer",
          "[process][tool]") {
  const test::runtime_folder folder;
  test::service program;
  const int store = named(tree_at(folder.socket_of(program.pid())), "store").pid;
  REQUIRE(kill(store, SIGSTOP) == 0);  // it ends only when its supervisor lets it go on
  const auto said = tool({"restart", "--within", "0.1", text(program.pid()), "store"});
  CHECK(said.code == 4);
  CHECK(said.output.empty());
  CHECK(said.errors ==
        "troupe: store was told to restart and is not ready again after 100 ms: it is stopping; "
        "that goes on, `troupe tree` shows it\n");
}

TEST_CASE("output that can't be written is an error", "[process][tool]") {
  for (const std::string command : {"doctor", "--help"}) {
    const auto said = run_command({"sh", "-c", "\"$0\" " + command + " >/dev/full", TEST_TOOL});
    CHECK(said.code == 1);
    CHECK(said.errors ==
          "troupe: not all of the output could be written: No space left on device\n");
  }
}

TEST_CASE("troupe doctor says what follows from what this machine has", "[process][tool]") {
  const auto said = tool({"doctor"});
  CHECK(said.code == 0);  // the tests could not run otherwise
  for (const std::string what : {"pidfd ", "clone3 ", "close_range ", "cgroup v2 ", "seccomp ",
                                 "memfd ", "subreaper ", "open files ", "/proc "})
    CHECK(said.output.find('\n' + what) != std::string::npos);
  CHECK(queried("doctor --json", "map(select(.consequence | endswith(\".\") | not)) | length") ==
        "0\n");
}

TEST_CASE("troupe tells its version and its words", "[process][tool]") {
  CHECK(tool({"--version"}).output == std::string{"troupe "} + TEST_VERSION + '\n');
  const auto help = tool({"--help"});
  CHECK(help.code == 0);
  for (const std::string word : {"tree", "ls", "stop", "restart", "doctor", "Exit codes: 0 done"})
    CHECK(help.output.find(word) != std::string::npos);
}

namespace {

/// A terminal of 80 columns and 24 rows in which a command runs, by tmux. What it prints can be
/// waited for, what it then looks like can be read. It ends by itself when nobody ends it.
class terminal {
public:
  explicit terminal(const std::string& command) {
    char folder[] = "/tmp/troupe-test-XXXXXX";
    folder_ = mkdtemp(folder);
    REQUIRE(mkfifo((folder_ + "/output").c_str(), 0600) == 0);
    tmux({"new-session", "-d", "-x", "80", "-y", "24",
          "timeout 20 tmux -S " + folder_ + "/socket wait-for go; exec timeout --foreground 100 " +
              command});
    tmux({"pipe-pane", "exec cat >" + folder_ + "/output"});
    output_ = open((folder_ + "/output").c_str(), O_RDONLY | O_CLOEXEC);
    tmux({"wait-for", "-S", "go"});
  }
  terminal(const terminal&) = delete;
  terminal& operator=(const terminal&) = delete;
  ~terminal() {
    run_command({"tmux", "-S", folder_ + "/socket", "kill-server"});
    close(output_);
    // The server and what ran in it have lost their parents, so they are children of this process.
    for (auto left = adopted(); !left.empty(); left = adopted())
      for (const int pid : left) {
        test::kill_process(pid);
        waitpid(pid, nullptr, 0);
      }
    run_command({"rm", "-rf", folder_});
  }

  /// Waits until it has printed `what`, and then `end`.
  void await(const std::string& what, const std::string& end) {
    for (;;) {
      const auto at = printed_.find(what);
      const auto after = at == std::string::npos ? at : printed_.find(end, at);
      if (after != std::string::npos) {
        printed_.erase(0, after + end.size());
        return;
      }
      char bytes[4096];
      const ssize_t n = read(output_, bytes, sizeof bytes);
      REQUIRE(n > 0);
      printed_.append(bytes, static_cast<std::size_t>(n));
    }
  }
  /// Its rows, without the empty ones at the end.
  std::vector<std::string> rows() {
    auto all = lines_in(tmux({"capture-pane", "-p"}));
    while (!all.empty() && all.back().empty()) all.pop_back();
    return all;
  }
  void press(const std::string& key) { tmux({"send-keys", key}); }

private:
  [[nodiscard]] std::vector<int> adopted() const {
    auto all = test::children();
    std::erase_if(all, [this](int pid) {
      return std::find(before_.begin(), before_.end(), pid) != before_.end();
    });
    return all;
  }
  std::string tmux(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(),
                     {"tmux", "-u", "-f", "/dev/null", "-S", folder_ + "/socket"});
    const auto said = run_command(arguments);
    INFO(said.errors);
    REQUIRE(said.code == 0);
    return said.output;
  }

  std::vector<int> before_ = test::children();
  std::string folder_;
  std::string printed_;
  int output_ = -1;
};

const std::string whole_frame = "\x1b[J";

}  // namespace

TEST_CASE("troupe tree --watch shows a killed child's new process in 80 columns",
          "[process][tool]") {
  const test::runtime_folder folder;
  test::service program;
  const std::string socket = folder.socket_of(program.pid());
  const auto before = named(test::settled_tree_at(socket), "store");
  terminal screen{std::string{TEST_TOOL} + " tree --watch " + text(program.pid())};
  screen.await(" " + text(before.pid) + " running", whole_frame);
  const auto first = screen.rows();
  REQUIRE(first.size() == 11);  // a summary, a heading, nine nodes
  CHECK(first[0] == "process_tests (" + text(program.pid()) + "), 7 processes; Ctrl-C ends");

  test::kill_process(before.pid);
  auto after = named(tree_at(socket), "store");
  while (after.restarts == 0 || after.state != "running") after = named(tree_at(socket), "store");
  screen.await(" " + text(after.pid) + " running", whole_frame);
  const auto rows = screen.rows();
  REQUIRE(rows.size() == 11);
  const std::vector<std::string> begins{
      "NAME",       "process_tests", "├─ supervisor", "│  ├─ store",    "│  ├─ workers",
      "│  │  ├─ a", "│  │  └─ b",    "│  └─ log",     "├─ pool worker", "└─ sleeper"};
  for (std::size_t i = 0; i < begins.size(); ++i) {
    INFO(rows[i + 1]);
    CHECK(rows[i + 1].starts_with(begins[i] + ' '));
  }
  std::istringstream store{rows[4]};
  std::string branch, child, name, role, pid, state, up, restarts;
  store >> branch >> child >> name >> role >> pid >> state >> up >> restarts;
  CHECK(name + ' ' + role + ' ' + pid + ' ' + state + ' ' + restarts ==
        "store actor " + text(after.pid) + " running 1");

  program.kill();
  screen.await("has ended", "\n");
}

TEST_CASE("troupe tree --watch ends at Ctrl-C and leaves the terminal as it was",
          "[process][tool]") {
  const test::runtime_folder folder;
  test::service program;
  terminal screen{"sh -c 'trap : INT; echo before; " + std::string{TEST_TOOL} + " tree --watch " +
                  text(program.pid()) + "; echo after $?; cat'"};
  screen.await(text(program.pid()), whole_frame);
  screen.press("C-c");
  screen.await("after 0", "\n");
  CHECK(screen.rows() == std::vector<std::string>{"before", "after 0"});
}
