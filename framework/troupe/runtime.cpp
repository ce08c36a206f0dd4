#include "troupe/runtime.hpp"

#include <caf/make_message.hpp>
#include <caf/sec.hpp>

#include <stdexcept>

#include "troupe/engine/link.hpp"
#include "troupe/engine/worker.hpp"

namespace troupe {

namespace {

engine::link& link_of(const process& p) {
  if (p.link() == nullptr) throw std::invalid_argument{"this handle belongs to no process"};
  return *p.link();
}

bool has_ended(const process& p) {
  return link_of(p).now() == engine::link::state::ended;
}

}  // namespace

int process::pid() const {
  link_of(*this);
  engine::wait_started(link_);
  if (link_->pid() < 0)
    throw failure{make_error(errc::start_failed, link_->report()->sentence(), link_->report())};
  return link_->pid();
}

bool process::running() const {
  return link_ != nullptr && !has_ended(*this);
}

caf::error detail::timed_out(const engine::link_ptr& by) {
  return make_error(caf::sec::request_timeout,
                    "process " + std::to_string(by->pid()) + " (" + by->serves().name +
                        ") has not answered in time; it may still carry out the request");
}

void callable::set_exit_code(int code) {
  engine::set_exit_code(code);
}

runtime& worker_runtime() {
  static runtime rt{engine::local_core()};
  return rt;
}

process runtime::started(engine::role role, const payload_source& arguments) {
  process p{engine::start(core_, std::move(role))};
  if (const auto failed = engine::send(p.link(), arguments, nullptr, 0))
    throw failure{make_error(failed->code, failed->text)};
  engine::wait_started(p.link());  // it works from now on, even if nobody runs the loop again
  p.link()->flush();
  spawned_.push_back(p);
  return p;
}

pool runtime::pool(std::size_t workers, const process_options& options) {
  return troupe::pool{engine::make_pool(core_, workers, options.name)};
}

std::vector<pool_worker> pool::workers() const {
  std::vector<pool_worker> all;
  for (auto& m : engine::members(*core_))
    all.push_back({process{m.process}, m.ready, m.item, m.failed_attempts});
  return all;
}

exit_report runtime::join(const process& of) {
  core_.run_until([&] { return has_ended(of); });
  return *of.link()->report();
}

std::optional<exit_report> runtime::join(const process& of, std::chrono::nanoseconds limit) {
  if (!core_.run_until([&] { return has_ended(of); }, engine::clock::now() + limit))
    return std::nullopt;
  return *of.link()->report();
}

std::vector<exit_report> runtime::wait_all() {
  std::vector<exit_report> reports;
  for (const auto& p : std::exchange(spawned_, {})) reports.push_back(join(p));
  return reports;
}

void runtime::kill(const process& what, int signal) {
  link_of(what).signal(signal);
}

exit_report runtime::stop(const process& what, std::chrono::nanoseconds grace) {
  link_of(what).stop(std::chrono::duration_cast<engine::clock::duration>(grace));
  return join(what);
}

timer runtime::every(std::chrono::nanoseconds interval, std::function<void()> what) {
  struct ticking : std::enable_shared_from_this<ticking> {
    engine::core& core;
    engine::clock::duration interval;
    std::function<void()> what;
    engine::core::timer_id id = 0;
    ticking(engine::core& c, engine::clock::duration i, std::function<void()> w)
        : core(c), interval(i), what(std::move(w)) {}
    ~ticking() { core.cancel(id); }
    void arm() {
      id = core.after(interval, [this] {
        const auto keep = shared_from_this();
        what();
        arm();
      });
    }
  };
  auto state = std::make_shared<ticking>(
      core_, std::chrono::duration_cast<engine::clock::duration>(interval), std::move(what));
  state->arm();
  return timer{std::move(state)};
}

void runtime::flush() {
  for (const auto& l : core_.links()) l->flush();
}

void runtime::capture(const process& of, const std::string& path) {
  link_of(of).capture_to(path);
}

}  // namespace troupe
