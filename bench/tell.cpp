// B2: messages one way; the clock stops when the worker has said what it received.
#include "bench.hpp"

namespace bench {

namespace {

constexpr std::uint64_t messages = 5'000'000;

std::uint64_t take(std::uint64_t number, body bytes) {
  static std::uint64_t sum = 0;
  sum += number + static_cast<std::uint64_t>(bytes[63] - 'x');
  return sum;
}

void tell(troupe::runtime& rt, report& out) {
  const auto worker = rt.serve(&take);
  body bytes;
  bytes.fill('x');
  require(worker.ask(0, bytes).has_value(), "no answer");
  const double cpu_before = own_cpu_us();
  const auto begin = clock::now();
  for (std::uint64_t i = 0; i < messages; ++i)
    if (!worker.tell(i, bytes)) require(false, "a message was not sent");
  const auto sum = worker.ask(0, bytes);
  const duration<double> time = clock::now() - begin;
  require(sum.has_value() && sum.value() == messages * (messages - 1) / 2, "a wrong sum");
  const double cpu = own_cpu_us() - cpu_before + cpu_us(rt.stop(worker));
  out.value("rate", static_cast<double>(messages) / time.count(), "msg/s");
  out.value("cpu_per_msg", cpu / static_cast<double>(messages), "us");
}

}  // namespace

std::vector<entry> tell_entries() {
  return {{"B2", "troupe_tell_plain", tell}};
}

}  // namespace bench
