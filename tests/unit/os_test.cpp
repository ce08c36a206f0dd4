#include <support/catch.hpp>

#include <troupe/callable.hpp>
#include <troupe/os/child.hpp>
#include <troupe/os/code_address.hpp>
#include <troupe/os/limits.hpp>
#include <troupe/os/notify_socket.hpp>
#include <troupe/os/shared_memory.hpp>
#include <troupe/os/spin.hpp>

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>

using troupe::os::code_address;
using troupe::os::locate;
using troupe::os::resolve;

namespace {

int twice(int x) {
  return 2 * x;
}

template <class F>
const void* stub_of(F f) {
  return reinterpret_cast<const void*>(
      troupe::callable::role_of<typename troupe::callable::traits<F>::arguments, false>(f, "",
                                                                                        false)
          .stub);
}

}  // namespace

TEST_CASE("a function is found again by build id and offset", "[os][code]") {
  const auto* const code = reinterpret_cast<const void*>(&twice);
  const auto address = locate(code);
  REQUIRE(address.has_value());
  CHECK(address->build_id == troupe::os::own_build_id());
  REQUIRE(resolve(*address) == code);
  CHECK(reinterpret_cast<int (*)(int)>(const_cast<void*>(resolve(*address)))(4) == 8);
}

TEST_CASE("a function of a library is found again, too", "[os][code]") {
  const auto* const library =
      reinterpret_cast<const void*>(static_cast<int (*)(const char*)>(&std::atoi));
  const auto address = locate(library);
  REQUIRE(address.has_value());
  CHECK(resolve(*address) == library);
}

TEST_CASE("what is no code is not found", "[os][code]") {
  static int data = 0;
  CHECK_FALSE(locate(&data).has_value());
  CHECK_FALSE(locate(nullptr).has_value());
  const auto on_heap = std::make_unique<int>(1);
  CHECK_FALSE(locate(on_heap.get()).has_value());
  const std::string id = troupe::os::own_build_id();
  CHECK(resolve({id, ~std::uint64_t{0}}) == nullptr);
  CHECK(resolve({id, std::uint64_t{1} << 40}) == nullptr);
  CHECK(resolve({id, 0}) == nullptr);  // the headers of the file
  CHECK(resolve({"another build", locate(reinterpret_cast<const void*>(&twice))->offset}) ==
        nullptr);
  CHECK(resolve({"", 0}) == nullptr);
}

TEST_CASE("functions of one type share a stub, lambdas of one signature do not", "[os][code]") {
  const auto plus = [](int x) { return x + 1; };
  const auto minus = [](int x) { return x - 1; };
  CHECK(stub_of(plus) != stub_of(minus));
  CHECK(stub_of(&twice) == stub_of(static_cast<int (*)(int)>(plus)));
}

TEST_CASE("signals have names", "[os][child]") {
  CHECK(troupe::os::signal_name(SIGKILL) == "SIGKILL");
  CHECK(troupe::os::signal_name(63) == "signal 63");
  CHECK(troupe::os::signal_name(0) == "signal 0");
}

TEST_CASE("a zombie that died in its exec is known by the signals that it blocked", "[os][child]") {
  using namespace troupe::os;
  for (const bool in_exec : {false, true}) {
    const pid_t child = fork();
    if (child == 0) {
      if (in_exec) begin_exec();
      _exit(3);
    }
    siginfo_t info{};
    REQUIRE(waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT) == 0);
    const auto who = identify(child, "NO_SUCH_VARIABLE=1");
    REQUIRE(who.has_value());
    CHECK(who->zombie);
    CHECK(who->marked == in_exec);
    CHECK(waitpid(child, nullptr, 0) == child);
  }
}

TEST_CASE("a process that is bound to one core knows it, whatever its parent knew", "[os][child]") {
  const bool here = troupe::os::has_one_core();
  const pid_t child = fork();
  if (child == 0) {
    cpu_set_t mine;
    sched_getaffinity(0, sizeof mine, &mine);
    troupe::os::own_limits limits;
    for (int cpu = 0; limits.cpus.empty(); ++cpu)
      if (CPU_ISSET(static_cast<unsigned>(cpu), &mine)) limits.cpus.push_back(cpu);
    _exit(troupe::os::limit_self(limits).empty() && troupe::os::has_one_core() ? 0 : 1);
  }
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(troupe::os::has_one_core() == here);
}

TEST_CASE("nobody can change the size of shared memory", "[os][memory]") {
  const auto memory = troupe::os::create_shared_memory("unit", 8192);
  CHECK(ftruncate(memory, 4096) != 0);
  CHECK(ftruncate(memory, 16384) != 0);
  CHECK(fcntl(memory, F_ADD_SEALS, F_SEAL_WRITE) != 0);
  const troupe::os::shared_mapping one{memory, 8192};
  const troupe::os::shared_mapping other{memory, 8192};
  one.data()[8191] = std::byte{5};
  CHECK(other.data()[8191] == std::byte{5});
}

TEST_CASE("a notify socket hears READY=1 of its group alone", "[unit][os]") {
  troupe::os::notify_socket socket;
  const int to = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  REQUIRE(socket.name().front() == '@');
  std::memcpy(address.sun_path + 1, socket.name().data() + 1, socket.name().size() - 1);
  REQUIRE(connect(to, reinterpret_cast<const sockaddr*>(&address),
                  static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket.name().size())) ==
          0);
  const auto say = [to](const std::string& text) {
    REQUIRE(send(to, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
  };
  CHECK_FALSE(socket.says_ready(getpgrp()));
  say("STATUS=READY=1\nREADY=10");
  CHECK_FALSE(socket.says_ready(getpgrp()));
  say("READY=1");
  CHECK_FALSE(socket.says_ready(getpgrp() + 1));
  say("STATUS=up\nREADY=1\n");
  say("STOPPING=1");
  CHECK(socket.says_ready(getpgrp()));
  close(to);
}
