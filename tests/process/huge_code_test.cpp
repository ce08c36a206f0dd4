// Code of workers in huge pages: nothing else about them is different.
#include <support/catch.hpp>
#include <support/settings.hpp>
#include <support/supervised.hpp>
#include <support/victim.hpp>

#include <dlfcn.h>
#include <sys/mman.h>

#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>

#include <troupe/os/huge_code.hpp>

using namespace std::chrono_literals;

namespace {

constexpr int enough_starts = 1000;
constexpr int collapse = 25;  // MADV_COLLAPSE

/// Where this process's code lies: KiB in copies, and KiB of those in huge pages.
struct copies {
  long all = 0;
  long huge = 0;
};

copies own_copies() {
  copies sum;
  std::ifstream list{"/proc/self/smaps"};
  bool is_copy = false;
  for (std::string line; std::getline(list, line);) {
    if (line.find('-') < line.find(' '))  // the next mapping; no file's, nor the kernel's
      is_copy = line.find(" r-xp 00000000 00:00 0") != std::string::npos &&
                line.find("[v") == std::string::npos;
    if (!is_copy) continue;
    if (line.starts_with("Rss:")) sum.all += std::stol(line.substr(4));
    if (line.starts_with("AnonHugePages:")) sum.huge += std::stol(line.substr(14));
  }
  return sum;
}

/// Whether the system has one just now; it does not for the sanitizers, which Troupe leaves alone.
bool there_are_huge_pages() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return false;
#else
  if (!troupe::os::has_huge_pages()) return false;
  constexpr std::size_t bytes = 2 * troupe::os::huge_page_bytes;
  void* const memory =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const auto page = (reinterpret_cast<std::uintptr_t>(memory) + bytes / 2 - 1) & ~(bytes / 2 - 1);
  *reinterpret_cast<volatile char*>(page) = 1;
  const bool got = madvise(reinterpret_cast<void*>(page), bytes / 2, collapse) == 0;
  munmap(memory, bytes);
  return got;
#endif
}

int thrown_and_caught(int x) {
  try {
    if (x > 0) throw std::invalid_argument{"positive"};
  } catch (const std::invalid_argument&) {
    return -x;
  }
  return x;
}

/// What a worker says of its code: copied KiB, huge KiB, whether the linker still knows its names.
std::string about_code(int) {
  const copies mine = own_copies();
  Dl_info of_function{};
  const bool known = dladdr(reinterpret_cast<void*>(&about_code), &of_function) != 0 &&
                     std::string{of_function.dli_fname}.find("test") != std::string::npos;
  return std::to_string(mine.all) + ' ' + std::to_string(mine.huge) + ' ' + (known ? '1' : '0');
}

caf::behavior counter() {
  return {[](int x) { return x + 1; }};
}

int lives_of_all_kinds(troupe::runtime& rt, const std::string&) {
  std::cout << rt.serve(about_code).ask(0).value() << std::endl;
  auto pool = rt.pool(2);
  const auto results = pool.map(thrown_and_caught, {1, -2, 3});
  std::cout << results[0].value() << results[1].value() << results[2].value() << ' ';
  auto tree = rt.supervise(
      {.intensity = 1, .children = {{.id = "counter", .start = troupe::run(counter)}}});
  const caf::actor child = tree.child("counter");
  std::cout << test::ask(child, 1) << ' ';
  const auto killed = *tree.process_of("counter");
  rt.kill(killed);
  rt.join(killed);
  std::cout << test::ask(child, 2) << ' ';
  const auto crashed = rt.serve([](int x) -> int {
    if (x == 0) std::abort();
    return x;
  });
  static_cast<void>(crashed.ask(0));
  std::cout << *rt.join(crashed).signal << std::endl;
  return 0;
}
const test::victim_role all_kinds{"lives of all kinds", lives_of_all_kinds};

/// Starts workers until one has its code in copies; says how many, or that there was none.
int starts_for_long(troupe::runtime& rt, const std::string&) {
  const auto first = rt.serve(about_code);
  std::cout << first.ask(0).value() << std::endl;
  static_cast<void>(rt.join(first, 60ms));  // it does not end
  std::string last;
  for (int i = 0; i < enough_starts && (last.empty() || last.starts_with("0 ")); ++i) {
    const auto next = rt.serve(about_code);
    last = next.ask(0).value();
    rt.stop(next);
  }
  std::cout << last << std::endl;
  return first.ask(0).value().starts_with("0 ") ? 0 : 1;
}
const test::victim_role for_long{"starts for long", starts_for_long};

/// What a worker says of its code, then one that the next zygote has started.
int kills_its_zygote(troupe::runtime& rt, const std::string&) {
  std::cout << rt.serve(about_code).ask(0).value() << std::endl;
  const auto zygotes = test::children_named("troupe-zygote");
  for (const int pid : zygotes) test::kill_process(pid);
  if (zygotes.size() != 1 || !test::ended(zygotes, 10s)) return 1;
  std::cout << rt.serve(about_code).ask(0).value() << std::endl;
  return 0;
}
const test::victim_role kills_zygote{"kills its zygote", kills_its_zygote};

std::vector<std::string> with_setting(const std::string& value) {
  return {"env", "TROUPE_START=forkserver", "TROUPE_HUGE_CODE=" + value};
}

}  // namespace

TEST_CASE("workers whose code lies in huge pages do all that others do", "[process][huge]") {
  const bool huge = there_are_huge_pages();
  for (const std::string setting : {"start", "never"}) {
    INFO(setting);
    test::victim root{"lives of all kinds", {{}, with_setting(setting)}};
    long all = -1, in_huge = -1;
    int known = 0;
    std::istringstream{root.line()} >> all >> in_huge >> known;
    CHECK(all == in_huge);
    CHECK((all > 0) == (huge && setting == "start"));
    CHECK(known == 1);
    CHECK(root.line() == "-1-2-3 2 3 6");
    CHECK(root.status() == 0);
    CHECK(root.nothing_left(1s));
  }
}

TEST_CASE("a zygote in place of a dead one moves no code", "[process][huge][zygote]") {
  test::victim root{"kills its zygote", {{}, with_setting("start")}};
  CHECK(root.line().starts_with("0 ") == !there_are_huge_pages());
  CHECK(root.line() == "0 0 1");
  CHECK(root.status() == 0);
  CHECK(root.nothing_left(1s));
}

TEST_CASE("a zygote that starts processes for long moves its code once", "[process][huge]") {
  if (!there_are_huge_pages()) return;
  test::victim root{"starts for long", {{}, with_setting("")}};
  CHECK(root.line() == "0 0 1");
  const std::string later = root.line();
  CHECK_FALSE(later.starts_with("0 "));
  CHECK(root.status() == 0);  // the first one kept its files
}
