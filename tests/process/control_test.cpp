// The control socket of a running program: what it tells, what it can be told, and who can't hurt
// it.
#include <support/catch.hpp>
#include <support/control.hpp>
#include <support/service.hpp>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>

using namespace std::chrono_literals;
using test::control_client;
using test::named;
using test::tree_at;
using troupe::schema::ControlAnswer;

namespace {

const auto for_tree = [](auto request) { request.setTree(); };

/// What a program answers when it is told to restart this child.
std::string refusal_of(const std::string& socket, const std::string& child) {
  control_client client{socket};
  client.ask([&](auto request) { request.setRestart(child); });
  const auto answer = client.answer();
  const auto root = answer->getRoot<ControlAnswer>();
  return root.isRefused() ? root.getRefused().cStr() : "not refused";
}

/// Runs `what` as a user who is nobody; its exit code.
int as_nobody(int (*what)(const std::string&), const std::string& argument) {
  constexpr unsigned nobody = 65534;
  const int child = fork();
  if (child == 0) {
    if (setgid(nobody) != 0 || setuid(nobody) != 0) _exit(99);
    _exit(what(argument));
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
  }
  return WEXITSTATUS(status);
}

/// 0: it was let in; 1: cut off without a word; 2: it could not even connect.
int try_socket(const std::string& path) {
  try {
    control_client client{path};
    client.send(test::bytes_of_request(for_tree));
    return client.is_cut_off() ? 1 : 0;
  } catch (const std::exception&) {
    return 2;
  }
}

}  // namespace

TEST_CASE("a program tells its tree: supervisors, actors, functions, pool workers",
          "[process][control]") {
  const test::runtime_folder folder;
  test::service program;
  const auto nodes = test::settled_tree_at(folder.socket_of(program.pid()));
  std::vector<std::string> lines;
  for (const auto& n : nodes)
    lines.push_back(std::string(2 * n.depth, ' ') + n.name + ", " + n.role + ", " + n.state + ", " +
                    std::to_string(n.waiting) + " waiting" + (n.pid > 0 ? ", a process" : "") +
                    (n.path.empty() ? "" : ", " + n.path));
  CHECK(lines == std::vector<std::string>{
                     "process_tests, program, running, 0 waiting, a process",
                     "  supervisor, one_for_one, running, 0 waiting",
                     "    store, actor, running, 0 waiting, a process, store",
                     "    workers, one_for_all, running, 0 waiting, workers",
                     "      a, actor, running, 0 waiting, a process, workers/a",
                     "      b, actor, running, 4 waiting, a process, workers/b",
                     "    log, actor, running, 0 waiting, a process, log",
                     "  pool worker, server, running, 0 waiting, a process",
                     "  sleeper, function, running, 0 waiting, a process",
                 });
  CHECK(nodes.front().pid == program.pid());
  auto pids = program.processes();
  for (const auto& n : nodes)
    if (n.depth > 0 && n.pid > 0) CHECK(std::count(pids.begin(), pids.end(), n.pid) == 1);
}

TEST_CASE("who watches a program is told of a killed child's new process", "[process][control]") {
  const test::runtime_folder folder;
  test::service program;
  control_client client{folder.socket_of(program.pid())};
  client.ask([](auto request) { request.setWatch(); });
  const auto next = [&] {
    return test::nodes_of(client.answer()->getRoot<ControlAnswer>().getTree());
  };
  const auto before = named(next(), "store");
  REQUIRE(before.restarts == 0);
  test::kill_process(before.pid);
  auto after = named(next(), "store");
  while (after.state != "running" || after.restarts == 0) after = named(next(), "store");
  CHECK(after.restarts == 1);
  CHECK(after.pid != before.pid);
  CHECK(after.pid > 1);
}

TEST_CASE("a child can be restarted by its path, its name or its process id",
          "[process][control]") {
  const test::runtime_folder folder;
  test::service program;
  const std::string socket = folder.socket_of(program.pid());
  for (const std::string called : {"store", "workers/a", "a", "process id of a"}) {
    const auto before = tree_at(socket);
    const std::string name =
        called == "process id of a" ? std::to_string(named(before, "a").pid) : called;
    control_client client{socket};
    client.ask([&](auto request) { request.setRestart(name); });
    const auto answer = client.answer();
    const auto said = answer->getRoot<ControlAnswer>();
    INFO(called << (said.isRefused() ? said.getRefused().cStr() : ""));
    REQUIRE(said.isRestarted());
    const std::string path = said.getRestarted().getPath();
    CHECK(path == (called == "store" ? "store" : "workers/a"));
    const auto now = named(tree_at(socket), path.substr(path.rfind('/') + 1));
    CHECK(now.pid == said.getRestarted().getPid());
    CHECK(now.pid != named(before, now.name).pid);
    CHECK(now.state == "running");
    CHECK(now.restarts == 0);  // it was asked for, and does not count against the intensity
  }
}

TEST_CASE("a nested supervisor is restarted with its children", "[process][control]") {
  const test::runtime_folder folder;
  test::service program;
  const std::string socket = folder.socket_of(program.pid());
  const auto before = tree_at(socket);
  CHECK(refusal_of(socket, "workers") == "not refused");
  const auto after = tree_at(socket);
  for (const std::string name : {"a", "b"}) {
    CHECK(named(after, name).pid != named(before, name).pid);
    CHECK(named(after, name).state == "running");
  }
  // It had begun the first of five messages; the next life begins the second.
  while (named(tree_at(socket), "b").waiting != 3) {
  }
  CHECK(named(after, "store").pid == named(before, "store").pid);
}

TEST_CASE("a restart of something else is refused with a sentence", "[process][control]") {
  const test::runtime_folder folder;
  test::service program;
  const std::string socket = folder.socket_of(program.pid());
  CHECK(refusal_of(socket, "nobody") ==
        "no supervised child is called nobody; `troupe tree` shows them all");
  CHECK(refusal_of(socket, "sleeper") ==
        "no supervised child is called sleeper; `troupe tree` shows them all");
  CHECK(refusal_of(socket, "workers/") !=
        "not refused");  // no prefix, no pattern: a name or nothing
}

TEST_CASE("a program that is told to stop ends its processes and returns from run",
          "[process][control]") {
  const test::runtime_folder folder;
  test::service program;
  control_client client{folder.socket_of(program.pid())};
  client.ask([](auto request) { request.setStop(); });
  static_cast<void>(client.answer());  // or nothing, when it has ended before
  CHECK(WEXITSTATUS(program.status()) == 3);
  CHECK(program.nothing_left(1s));
  CHECK(folder.files().empty());
}

TEST_CASE("who watches a program and stops it is told of both", "[process][control]") {
  const test::runtime_folder folder;
  test::service program;
  control_client client{folder.socket_of(program.pid())};
  client.ask([](auto request) { request.setWatch(); });
  REQUIRE(client.answer()->getRoot<ControlAnswer>().isTree());
  client.ask([](auto request) { request.setStop(); });
  bool stopped = false;
  while (const auto next = client.answer())
    stopped = stopped || next->getRoot<ControlAnswer>().isStopped();
  CHECK(stopped);
  CHECK(WEXITSTATUS(program.status()) == 3);
}

TEST_CASE("bytes that are no request cut their sender off and hurt nobody", "[process][control]") {
  const test::runtime_folder folder;
  test::service program;
  const std::string socket = folder.socket_of(program.pid());
  const std::string good = test::bytes_of_request(for_tree);
  std::string no_such_pointer = good;
  no_such_pointer[8] = '\x7c';                       // the root lies outside
  const std::string large{"\0\0\0\0\0\x10\0\0", 8};  // 32 KiB to come
  for (const std::string& bytes :
       {std::string(64, '\xff'), no_such_pointer, large, good + good,
        test::bytes_of_request([](auto r) { r.setRestart(std::string(2048, 'x')); })}) {
    control_client bad{socket};
    bad.send(bytes);
    CHECK(bad.is_cut_off());
    CHECK(tree_at(socket).size() == 9);
  }
  control_client half{socket};
  half.send(good.substr(0, good.size() - 1));
  CHECK(tree_at(socket).size() == 9);
  half.send(good.substr(good.size() - 1));
  CHECK(half.answer()->getRoot<ControlAnswer>().isTree());
}

TEST_CASE("a request that a program does not know is refused", "[process][control]") {
  const test::runtime_folder folder;
  test::service program;
  control_client client{folder.socket_of(program.pid())};
  std::string bytes = test::bytes_of_request([](auto r) { r.setStop(); });
  constexpr std::size_t which = 16;  // after segment table and root pointer
  REQUIRE(bytes[which] == 2);
  bytes[which] = 77;
  client.send(bytes);
  const auto answer = client.answer();
  CHECK(answer->getRoot<ControlAnswer>().getRefused() ==
        "this program does not know the request: it is older than the one who asks");
}

TEST_CASE("a client that never reads holds nobody up", "[process][control]") {
  const test::runtime_folder folder;
  test::service program{"long names"};  // its tree is larger than a socket's buffer
  const std::string socket = folder.socket_of(program.pid());
  control_client idle{socket};
  idle.ask([](auto request) { request.setWatch(); });
  for (int i = 0; i < 3; ++i) CHECK(tree_at(socket).size() == 13);
  test::kill_process(named(tree_at(socket), "store").pid);
  while (named(tree_at(socket), "store").restarts == 0) {
  }
  // It has missed what happened, and hears of it as soon as it reads.
  const auto next = [&] {
    return test::nodes_of(idle.answer()->getRoot<ControlAnswer>().getTree());
  };
  CHECK(named(next(), "store").restarts == 0);
  while (named(next(), "store").restarts == 0) {
  }
}

TEST_CASE("the oldest client makes room for the 17th", "[process][control]") {
  const test::runtime_folder folder;
  test::service program;
  const std::string socket = folder.socket_of(program.pid());
  std::vector<std::unique_ptr<control_client>> clients;
  for (int i = 0; i < 17; ++i) clients.push_back(std::make_unique<control_client>(socket));
  CHECK(clients.front()->is_cut_off());
  clients.back()->ask(for_tree);
  CHECK(clients.back()->answer()->getRoot<ControlAnswer>().isTree());
}

TEST_CASE("another user is not let in, wherever the socket lies", "[process][control]") {
  if (geteuid() != 0) {
    WARN("SKIPPED: only root can be somebody else");
    return;
  }
  const test::runtime_folder folder;
  test::service program;
  const std::string socket = folder.socket_of(program.pid());
  chmod(folder.path().c_str(), 0755);
  CHECK(as_nobody(try_socket, socket) == 2);
  chmod(folder.sockets().c_str(), 0755);
  CHECK(as_nobody(try_socket, socket) == 2);
  chmod(socket.c_str(), 0666);
  CHECK(as_nobody(try_socket, socket) == 1);
  CHECK(try_socket(socket) == 0);
}

TEST_CASE("the folder of the sockets is private, or is not used", "[process][control]") {
  const test::runtime_folder folder;
  const auto mode_of = [](const std::string& path) {
    struct stat is {};
    return lstat(path.c_str(), &is) == 0 ? is.st_mode & 07777U : 0U;
  };
  const std::string own = "/tmp/troupe-" + std::to_string(geteuid());
  const auto falls_back = [&] {
    test::service program;
    const bool unused = folder.files().empty();
    const std::string end = '.' + std::to_string(program.pid()) + ".sock";
    for (const auto& entry : std::filesystem::directory_iterator{own})
      if (entry.path().string().ends_with(end))
        return unused && mode_of(own) == 0700 && tree_at(entry.path()).size() == 9;
    return false;
  };
  SECTION("made by the program") {
    test::service program;
    CHECK(mode_of(folder.sockets()) == 0700);
    CHECK(mode_of(folder.socket_of(program.pid())) == 0600);
  }
  SECTION("open to others") {
    mkdir(folder.sockets().c_str(), 0700);
    chmod(folder.sockets().c_str(), 0750);
    CHECK(falls_back());
  }
  SECTION("a link") {
    mkdir((folder.path() + "/elsewhere").c_str(), 0700);
    REQUIRE(symlink("elsewhere", folder.sockets().c_str()) == 0);
    CHECK(falls_back());
  }
  SECTION("another user's") {
    if (geteuid() != 0) return;
    mkdir(folder.sockets().c_str(), 0700);
    REQUIRE(chown(folder.sockets().c_str(), 65534, 65534) == 0);
    CHECK(falls_back());
  }
}

TEST_CASE("a killed program's socket goes when the next program starts", "[process][control]") {
  const test::runtime_folder folder;
  test::service first;
  const auto left = folder.files();
  REQUIRE(left.size() == 1);
  first.kill();
  first.status();
  CHECK(folder.files() == left);
  test::service second;
  REQUIRE(folder.files().size() == 1);
  CHECK(folder.files() != left);
}

TEST_CASE("a program has no socket when it is told so", "[process][control]") {
  const test::runtime_folder folder;
  const std::string variable = GENERATE("TROUPE_CONTROL", "TROUPE_TEST_NO_CONTROL");
  setenv(variable.c_str(), "off", 1);
  test::service program;
  unsetenv(variable.c_str());
  CHECK_FALSE(std::filesystem::exists(folder.sockets()));
}

TEST_CASE("a worker with processes of its own tells of them, while it lives",
          "[process][control]") {
  const test::runtime_folder folder;
  test::service program{"a family"};
  const std::string socket = folder.socket_of(program.pid());
  const auto part = [&](int pid) {
    for (const auto& file : folder.files())
      if (file.ends_with('.' + std::to_string(pid) + ".part")) return folder.sockets() + '/' + file;
    return std::string{};
  };
  for (const std::string name : {"parent", "apart"}) {
    INFO(name);
    const int pid = named(tree_at(socket), name).pid;
    REQUIRE_FALSE(part(pid).empty());
    const auto nodes = tree_at(part(pid));
    CHECK(nodes.front().pid == pid);
    if (name == "parent") {
      CHECK(named(nodes, "grandchild").path == "grandchild");
      CHECK(named(nodes, "nephew").depth == 1);
    } else {
      CHECK(named(nodes, "twin").path == "apart/twin");
      CHECK(named(nodes, "twin").depth == 1);  // it is the process that supervises
    }
    control_client client{socket};
    client.ask([](auto request) { request.setWatch(); });
    test::kill_process(pid);
    for (bool again = false; !again;)
      again = named(test::nodes_of(client.answer()->getRoot<ControlAnswer>().getTree()), name)
                  .restarts == 1;
    CHECK(part(pid).empty());
  }
}
