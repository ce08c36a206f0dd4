// B8: what a supervisor's decision costs, without the processes it is about.
#include <troupe/policy/supervision.hpp>

#include "bench.hpp"

namespace bench {

namespace {

using namespace troupe::policy;

/// A dynamic supervisor with as many children, all of them ready.
class supervised {
public:
  supervised(int children, troupe::restart_type restart) : sup_(spec(restart)) {
    sup_.start(now_, out_);
    for (int i = 0; i < children; ++i)
      sup_.start_child(static_cast<call_id>(i), start_, now_, out_);
    carry_out();
  }

  /// A child dies: from the event to the actions.
  clock::duration kill(child_key child) {
    const auto number = lives_[child];
    now_ += std::chrono::milliseconds{1};
    const auto begin = clock::now();
    sup_.ended({child, number}, {ending::kind::signaled, 9, false}, now_, out_);
    const auto time = clock::now() - begin;
    carry_out();
    return time;
  }
  void terminate(child_key child) {
    sup_.terminate_child(0, child, now_, out_);
    carry_out();
  }

private:
  troupe::supervisor_spec spec(troupe::restart_type restart) {
    return {.strategy = troupe::restart_strategy::dynamic,
            .intensity = 1'000'000,
            .children = {{.id = "worker", .start = start_, .restart = restart}}};
  }
  void carry_out() {
    while (!out_.empty()) {
      std::swap(out_, doing_);
      for (const auto& a : doing_) {
        if (const auto* started = std::get_if<start_process>(&a)) {
          if (lives_.size() <= started->who.child) lives_.resize(started->who.child + 1);
          lives_[started->who.child] = started->who.number;
          sup_.ready(started->who, now_, out_);
        } else if (const auto* stopped = std::get_if<stop_process>(&a)) {
          sup_.ended(stopped->who, {ending::kind::shutdown, 0, false}, now_, out_);
        }
      }
      doing_.clear();
    }
  }

  std::shared_ptr<const troupe::child_start> start_ = std::make_shared<const troupe::child_start>();
  supervision sup_;
  time_point now_{std::chrono::hours{1}};
  actions out_;
  actions doing_;
  std::vector<std::uint32_t> lives_;
};

void decide(troupe::runtime&, report& out) {
  constexpr int children = 256;
  supervised sup{children, troupe::restart_type::permanent};
  samples times;
  for (int round = 0; round < 100; ++round)
    for (child_key child = 1; child <= children; ++child) times.add(sup.kill(child));
  times.print(out, "restart_decision_");
}

/// Started and terminated one by one: the time for each must not depend on how many there are.
void many(troupe::runtime&, report& out) {
  for (const int children : {1'000, 100'000}) {
    const auto begin = clock::now();
    supervised sup{children, troupe::restart_type::temporary};
    for (int i = 1; i <= children; ++i) sup.terminate(static_cast<child_key>(i));
    const duration<double, std::micro> time = clock::now() - begin;
    out.value("child_of_" + std::to_string(children), time.count() / children, "us");
  }
}

}  // namespace

std::vector<entry> decide_entries() {
  return {{"B8", "troupe_decide", decide}, {"B8", "troupe_decide_many", many}};
}

}  // namespace bench
