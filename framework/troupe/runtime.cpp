#include "troupe/runtime.hpp"

#include <caf/make_message.hpp>
#include <caf/sec.hpp>

#include <stdexcept>

#include "troupe/bridge/node.hpp"
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

engine::core::guard guard_of(const process& p) {
  return engine::core::guard{link_of(p).owner()};
}

}  // namespace

int process::pid() const {
  const auto mine = guard_of(*this);
  engine::wait_started(link_);
  if (link_->pid() < 0)
    throw failure{make_error(errc::start_failed, link_->report()->sentence(), link_->report())};
  return link_->pid();
}

bool process::running() const {
  if (link_ == nullptr) return false;
  const auto mine = guard_of(*this);
  return !has_ended(*this);
}

caf::error detail::timed_out(const engine::link_ptr& by) {
  return make_error(
      caf::sec::request_timeout,
      by->described() + " has not answered in time; it may still carry out the request");
}

void callable::set_exit_code(int code) {
  engine::set_exit_code(code);
}

runtime& worker_runtime() {
  static runtime rt{engine::local_core()};
  return rt;
}

process runtime::started(engine::role role, const payload_source& arguments) {
  const engine::loop_guard mine{core_};
  process p{engine::start(core_, std::move(role))};
  if (const auto failed = engine::send(p.link(), arguments, nullptr, 0))
    throw failure{make_error(failed->code, failed->text)};
  engine::wait_started(p.link());  // it works from now on, even if nobody runs the loop again
  p.link()->flush();
  spawned_.emplace(p.link()->id(), p);
  return p;
}

void detail::become_actor(incoming_call& call, const make_actor_function& make) {
  auto& node = bridge::node::here();
  node.host(call.target, call.name, make(node.system()));
}

caf::strong_actor_ptr runtime::start_actor(engine::role role, const payload_source& arguments) {
  const engine::loop_guard mine{core_};
  auto& node = bridge::node::here();
  auto handle = node.start(std::move(role), arguments);
  const process p{bridge::node::link_of(handle)};
  spawned_.emplace(p.link()->id(), p);
  return handle;
}

process runtime::process_behind(const caf::strong_actor_ptr& actor) {
  const engine::link_ptr link = bridge::node::link_of(actor);
  if (link == nullptr)
    throw std::invalid_argument{"this handle is of no actor whose process this one started"};
  return process{link};
}

caf::blocking_actor* runtime::self() {
  return bridge::node::here().self();
}

caf::actor_system& runtime::system() {
  return bridge::node::here().system();
}

void runtime::dead_letters(std::function<void(const dead_letter&)> handler) {
  const engine::loop_guard mine{core_};
  if (!handler) return bridge::node::here().on_lost({});
  bridge::node::here().on_lost([handler = std::move(handler)](const bridge::lost_message& lost) {
    handler({caf::actor_cast<caf::actor_addr>(lost.receiver), lost.content, lost.report});
  });
}

pool runtime::pool(std::size_t workers, const process_options& options) {
  if (workers == 0) throw std::invalid_argument{"a pool needs at least one worker"};
  pool_options all{workers};
  all.name = options.name;
  return pool(all);
}

pool runtime::pool(const pool_options& options) {
  return troupe::pool{
      engine::make_pool(core_, options, options.name, options.initialize, options.finalize)};
}

std::vector<pool_worker> pool::workers() const {
  std::vector<pool_worker> all;
  for (auto& m : engine::members(*core_))
    all.push_back({process{m.process}, m.ready, m.item, m.failed_attempts});
  return all;
}

pool_report pool::report() const {
  return last_ != nullptr ? engine::report(*core_, last_) : pool_report{};
}

exit_report runtime::join(const process& of) {
  const engine::loop_guard mine{core_};
  core_.run_until([&] { return has_ended(of); });
  spawned_.erase(of.link()->id());
  return *of.link()->report();
}

std::optional<exit_report> runtime::join(const process& of, std::chrono::nanoseconds limit) {
  const engine::loop_guard mine{core_};
  if (!core_.run_until([&] { return has_ended(of); }, engine::deadline(limit))) return std::nullopt;
  spawned_.erase(of.link()->id());
  return *of.link()->report();
}

std::vector<exit_report> runtime::wait_all() {
  std::vector<exit_report> reports;
  for (const auto& [id, p] : std::exchange(spawned_, {})) reports.push_back(join(p));
  return reports;
}

void runtime::kill(const process& what, int signal) {
  const engine::loop_guard mine{core_};
  link_of(what).signal(signal);
}

exit_report runtime::stop(const process& what, std::chrono::nanoseconds grace) {
  const engine::loop_guard mine{core_};
  link_of(what).stop(std::chrono::duration_cast<engine::clock::duration>(grace));
  return join(what);
}

timer runtime::every(std::chrono::nanoseconds interval, std::function<void()> what) {
  if (interval.count() <= 0)
    throw std::invalid_argument{"an interval must be more than 0, not " +
                                std::to_string(interval.count()) + " ns"};
  struct ticking : std::enable_shared_from_this<ticking> {
    engine::core& core;
    engine::clock::duration interval;
    std::function<void()> what;
    engine::core::timer_id id = 0;
    ticking(engine::core& c, engine::clock::duration i, std::function<void()> w)
        : core(c), interval(i), what(std::move(w)) {}
    ~ticking() {
      const engine::loop_guard mine{core};
      core.cancel(id);
    }
    void arm() {
      id = core.after_for_user(interval, [this] {
        const auto keep = shared_from_this();
        what();
        arm();
      });
    }
  };
  auto state = std::make_shared<ticking>(
      core_, std::chrono::duration_cast<engine::clock::duration>(interval), std::move(what));
  const engine::loop_guard mine{core_};
  state->arm();
  return timer{std::move(state)};
}

void runtime::flush() {
  const engine::loop_guard mine{core_};
  for (const auto& l : core_.links()) l->flush();
}

void runtime::capture(const process& of, const std::string& path) {
  const engine::loop_guard mine{core_};
  link_of(of).capture_to(path);
}

}  // namespace troupe
