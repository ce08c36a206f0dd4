// CAF behaviours in processes: the same asks, tells and starts as for functions, with CAF at both
// ends.
#include <caf/all.hpp>

#include "bench.hpp"
#include "mail.capnp.h"

namespace bench {

namespace {

using namespace std::chrono_literals;
using letter = troupe::msg<Mail>;

constexpr int warm_up = 2000;
constexpr int asks = 15000;
constexpr std::uint64_t messages = 1'000'000;
constexpr int starts = 200;

letter make_letter(std::uint64_t number) {
  static const body bytes = [] {
    body b;
    b.fill('x');
    return b;
  }();
  return troupe::make<Mail>([&](auto m) {
    m.setNumber(number);
    m.setBody({reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size()});
  });
}

caf::behavior echo() {
  return {[](const letter& m) { return m; }, [](char c) { return c; }};
}

caf::behavior sum() {
  auto total = std::make_shared<std::uint64_t>(0);
  return {[=](const letter& m) { *total += m->getNumber() + m->getBody()[63] - 'x'; },
          [=](caf::get_atom) { return *total; }};
}

void failed(const caf::error& e) {
  require(false, troupe::describe(e).c_str());
}

void ask(troupe::runtime& rt, report& out) {
  const double cpu_before = own_cpu_us();
  const auto actor = rt.spawn(echo);
  samples times;
  for (int i = 0; i < warm_up + asks; ++i) {
    const auto number = static_cast<std::uint64_t>(i);
    const auto begin = clock::now();
    rt.self()
        ->request(actor, 1s, make_letter(number))
        .receive([&](const letter& m) { require(m->getNumber() == number, "a wrong echo"); },
                 failed);
    if (i >= warm_up) times.add(clock::now() - begin);
  }
  const double cpu_actor = cpu_us(rt.stop(actor));
  times.print(out, "");
  out.value("cpu_per_op", (own_cpu_us() - cpu_before + cpu_actor) / (warm_up + asks), "us");
}

void tell(troupe::runtime& rt, report& out) {
  const auto actor = rt.spawn(sum);
  const auto total = [&] {
    std::uint64_t value = 0;
    rt.self()
        ->request(actor, caf::infinite, caf::get_atom_v)
        .receive([&](std::uint64_t n) { value = n; }, failed);
    return value;
  };
  require(total() == 0, "no answer");
  const double cpu_before = own_cpu_us();
  const auto begin = clock::now();
  for (std::uint64_t i = 0; i < messages; ++i) rt.self()->send(actor, make_letter(i));
  require(total() == messages * (messages - 1) / 2, "a wrong sum");
  const duration<double> time = clock::now() - begin;
  const double cpu = own_cpu_us() - cpu_before + cpu_us(rt.stop(actor));
  out.value("rate", static_cast<double>(messages) / time.count(), "msg/s");
  out.value("cpu_per_msg", cpu / static_cast<double>(messages), "us");
}

void start(troupe::runtime& rt, report& out) {
  samples times;
  for (int i = -10; i < starts; ++i) {
    const auto begin = clock::now();
    const auto actor = rt.spawn(echo);
    rt.self()
        ->request(actor, caf::infinite, 'p')
        .receive([](char c) { require(c == 'p', "a wrong echo"); }, failed);
    if (i >= 0) times.add(clock::now() - begin);
    rt.stop(actor);
  }
  times.print(out, "start_");
}

using echo_actor = caf::typed_actor<caf::replies_to<std::uint64_t>::with<std::uint64_t>>;

echo_actor::behavior_type typed_echo() {
  return {[](std::uint64_t n) { return n; }};
}

/// From outside of every actor: the keeper runs the loop.
void function_view(troupe::runtime& rt, report& out) {
  const auto actor = rt.spawn(typed_echo);
  auto call = caf::make_function_view(actor, caf::infinite);
  samples times;
  for (std::uint64_t i = 0; i < 5000; ++i) {
    const auto begin = clock::now();
    const auto answer = call(i);
    require(answer && *answer == i, "a wrong echo");
    if (i >= 500) times.add(clock::now() - begin);
  }
  times.print(out, "");
  rt.stop(actor);
}

}  // namespace

std::vector<entry> actor_entries() {
  return {{"B1", "troupe_ask", ask},
          {"B1", "troupe_ask_samecpu", ask, true},
          {"B1", "troupe_function_view", function_view},
          {"B2", "troupe_tell", tell},
          {"B4", "troupe_start_caf", start}};
}

}  // namespace bench
