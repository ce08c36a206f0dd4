#include <support/catch.hpp>

#include <support/processes.hpp>

#include <troupe/os/pidfd_store.hpp>

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <map>

using troupe::os::descriptor;
using troupe::os::pidfd_store;

namespace {

/// Stands for a pidfd: what can be read from it tells whose it is.
descriptor mark(unsigned number) {
  descriptor fd{eventfd(number, EFD_CLOEXEC | EFD_NONBLOCK)};
  REQUIRE(fd.get() >= 0);
  return fd;
}

std::map<pid_t, std::uint64_t> all_of(pidfd_store& store) {
  std::map<pid_t, std::uint64_t> all;
  store.take_all([&](pid_t pid, const descriptor& fd) {
    std::uint64_t number = 0;
    REQUIRE(read(fd, &number, sizeof number) == sizeof number);
    REQUIRE(all.emplace(pid, number).second);
  });
  return all;
}

}  // namespace

TEST_CASE("of 1,000 pidfds few are open, and all are given back", "[unit][os]") {
  const std::size_t before = test::open_descriptors().size();
  {
    pidfd_store store;
    for (unsigned i = 1; i <= 1000; ++i) store.add(static_cast<pid_t>(i), mark(i));
    CHECK(test::open_descriptors().size() < before + 50);
    const auto all = all_of(store);
    CHECK(all.size() == 1000);
    for (const auto& [pid, number] : all) REQUIRE(static_cast<std::uint64_t>(pid) == number);
    CHECK(all_of(store).empty());
  }
  CHECK(test::open_descriptors().size() == before);
}

TEST_CASE("a pidfd that was removed is not given back, and its id may be another's", "[unit][os]") {
  pidfd_store store;
  for (unsigned i = 1; i <= 5000; ++i) store.add(static_cast<pid_t>(i), mark(i));
  for (pid_t pid = 1; pid <= 4500; ++pid) store.remove(pid);
  store.remove(7);      // twice
  store.remove(10000);  // never added
  for (unsigned i = 1; i <= 100; ++i) store.add(static_cast<pid_t>(i), mark(10000 + i));
  store.add(4600, mark(20000));
  const auto all = all_of(store);
  CHECK(all.size() == 600);
  for (const auto& [pid, number] : all) {
    const auto id = static_cast<std::uint64_t>(pid);
    REQUIRE(number == (id <= 100 ? 10000 + id : id == 4600 ? 20000 : id));
  }
}
