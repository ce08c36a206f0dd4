#include "troupe/engine/keeper.hpp"

#include <stdexcept>
#include <system_error>
#include <utility>

#include "troupe/engine/core.hpp"
#include "troupe/os/child.hpp"

namespace troupe::engine {

using namespace std::chrono_literals;

namespace {
constexpr auto tick = 2ms;

template <class F>
std::thread started(F f) try {
  return std::thread{std::move(f)};
} catch (const std::system_error& e) {
  throw start_refused{"the system could not start a thread: " + e.code().message() +
                      "; `troupe doctor` tells the limits"};
}

}  // namespace

keeper::keeper(core& of) : core_(of), thread_(started([this] { run(); })) {}

keeper::~keeper() {
  {
    const std::lock_guard lock{mutex_};
    stop_ = true;
  }
  changed_.notify_all();
  core_.wake();
  thread_.join();
}

void keeper::take_now() {
  {
    const std::lock_guard lock{mutex_};
    now_ = true;
  }
  changed_.notify_all();
}

void keeper::wake() {
  {
    const std::lock_guard lock{mutex_};
    awake_ = true;
  }
  changed_.notify_all();
}

void keeper::run() {
  os::block_signals();
  std::uint64_t seen = ~std::uint64_t{0};
  std::unique_lock lock{mutex_};
  while (!stop_) {
    loop_owner& owner = core_.owner();
    const std::uint64_t now = leaves_.load(std::memory_order_relaxed);
    if (now_ || (now == seen && owner.is_free())) {
      now_ = false;
      lock.unlock();
      if (!owner.is_wanted() && owner.try_take()) {
        try {
          core_.run_until_wanted();
        } catch (const std::exception& e) {  // nobody else here would
          core_.pass_on_error_line(std::string{"troupe: an event could not be handled: "} +
                                   e.what() + '\n');
        }
        owner.give_up();
      }
      lock.lock();
      seen = ~std::uint64_t{0};
      changed_.wait_for(lock, tick, [this] { return stop_ || now_; });
      continue;
    }
    if (now == seen) {  // the same thread has been inside for a whole tick: it will leave one day
      resting_.store(true, std::memory_order_seq_cst);
      if (leaves_.load(std::memory_order_seq_cst) == now && !owner.is_free())
        changed_.wait(lock, [this] { return stop_ || now_ || awake_; });
      awake_ = false;
      resting_.store(false, std::memory_order_seq_cst);
      seen = ~std::uint64_t{0};
      continue;
    }
    seen = now;
    changed_.wait_for(lock, tick, [this] { return stop_ || now_; });
  }
}

}  // namespace troupe::engine
