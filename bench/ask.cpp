// B1: one ask after the other, 64 bytes each way.
#include "bench.hpp"

namespace bench {

namespace {

constexpr int warm_up = 2000;
constexpr int asks = 15000;

mail echo(mail what) {
  return what;
}

void ask(troupe::runtime& rt, report& out) {
  const double cpu_before = own_cpu_us();
  const auto worker = rt.serve(&echo);
  mail question;
  question.second.fill('x');
  samples times;
  for (int i = 0; i < warm_up + asks; ++i) {
    question.first = static_cast<std::uint64_t>(i);
    const auto begin = clock::now();
    const auto answer = worker.ask(question);
    const auto time = clock::now() - begin;
    require(answer.has_value() && answer.value() == question, "a wrong echo");
    if (i >= warm_up) times.add(time);
  }
  const double cpu_worker = cpu_us(rt.stop(worker));
  times.print(out, "");
  out.value("cpu_per_op", (own_cpu_us() - cpu_before + cpu_worker) / (warm_up + asks), "us");
}

}  // namespace

std::vector<entry> ask_entries() {
  return {{"B1", "troupe_ask_function", ask}, {"B1", "troupe_ask_function_samecpu", ask, true}};
}

}  // namespace bench
