#include "troupe/engine/pool_core.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace troupe::engine {

using namespace std::chrono_literals;

namespace {

constexpr auto stop_grace = 2s;

}  // namespace

/// One place in the pool; the process in it changes when it dies.
class pool_core::member final : public answer_sink, public link_observer {
public:
  explicit member(pool_core& pool) : pool_(pool) { take(pool.start_worker()); }
  ~member() {
    link_->observe(nullptr);
    link_->forget(*this);
    link_->stop(stop_grace);
  }
  member(const member&) = delete;
  member& operator=(const member&) = delete;

  void take(link_ptr process) {
    link_ = std::move(process);
    link_->observe(this);
    target_ = 0;
    held_ = 0;
    window_ = {};
    if (pool_.job_ != nullptr) bind();
  }
  void bind() {
    target_ = link_->bind(pool_.role_);
    batch_start_ = clock::now();
  }
  void unbind() {
    link_->forget(*this);
    if (target_ != 0) link_->unbind(target_);
    target_ = 0;
    held_ = 0;
  }

  [[nodiscard]] bool wants_more() const {
    return target_ != 0 && window_.wants_more(held_) && link_->now() != link::state::ended;
  }
  [[nodiscard]] bool has_place() const { return held_ < window_.size() && link_->has_room(); }
  [[nodiscard]] std::size_t held() const noexcept { return held_; }
  [[nodiscard]] link& process() const noexcept { return *link_; }
  [[nodiscard]] const link_ptr& handle() const noexcept { return link_; }

  /// A message that can't be sent is that item's outcome.
  /// False: it takes no more now, the item waits.
  bool give(std::uint64_t item, const payload_source& what) {
    if (held_ == 0) batch_start_ = clock::now();
    const wire::header head{wire::Envelope::Kind::REQUEST, 0, target_};
    auto failed = link_->post(head, what, this, item);
    if (failed && failed->code == errc::mailbox_full) {
      link_->flush();  // now its room is the pipe's to tell
      failed = link_->post(head, what, this, item);
    }
    if (!failed) {
      ++held_;
    } else if (failed->code == errc::stopped || failed->code == errc::mailbox_full) {
      pool_.keep(item, what);
      return false;
    } else {
      pool_.job_->failed(item, *failed);
      ++pool_.progress_.failed;
      pool_.settle(item);
    }
    return true;
  }

  /// The answers of one batch are in: how long did each take?
  void end_of_batch() {
    if (finished_ == 0) return;
    const auto now = clock::now();
    window_.finished(finished_, now - batch_start_);
    batch_start_ = now;
    finished_ = 0;
  }

  void answered(std::uint64_t item, const payload_view& answer) override {
    --held_;
    ++finished_;
    ++pool_.progress_.done;
    pool_.job_->done(item, answer);
    pool_.settle(item);
  }

  void failed(std::uint64_t item, const failure& why) override {
    --held_;
    ++finished_;
    if (why.report == nullptr) {  // the function's own failure: an outcome like any other
      ++pool_.progress_.failed;
      pool_.job_->failed(item, why);
      pool_.settle(item);
    } else if (why.code == errc::worker_lost) {
      pool_.lost(item, why);
    } else {
      pool_.not_begun(item, why);
    }
  }

  void on_ready(link&) override { pool_.start_failures_.came_up(); }

  /// A worker that had come up is replaced at once, before the dead one is cleaned up.
  void on_dying(link& l) override {
    if (l.now() == link::state::starting || !pool_.broken_.empty()) return;
    early_ = pool_.start_worker();
  }

  void on_ended(link& l) override {
    const bool on_purpose = l.report()->cause == exit_cause::killed;
    if (early_ == nullptr && !on_purpose && pool_.start_failures_.failed()) {
      pool_.broken_ = l.report()->sentence();
      pool_.broken_report_ = l.report();
      return;
    }
    ++pool_.progress_.restarts;
    take(early_ != nullptr ? std::exchange(early_, nullptr) : pool_.start_worker());
  }

private:
  pool_core& pool_;
  link_ptr link_;
  link_ptr early_;
  std::uint64_t target_ = 0;
  std::size_t held_ = 0;
  std::size_t finished_ = 0;
  policy::window window_;
  clock::time_point batch_start_{};
};

pool_core::pool_core(core& in, std::size_t workers, std::string name)
    : core_(in), name_(std::move(name)) {
  if (workers == 0) throw std::invalid_argument{"a pool needs at least one worker"};
  for (std::size_t i = 0; i < workers; ++i) members_.push_back(std::make_unique<member>(*this));
}

link_ptr pool_core::start_worker() {
  role idle;
  idle.name = name_;
  return core_.start(std::move(idle));
}

pool_core::~pool_core() {
  const core::guard mine{core_};
  job_ = nullptr;
  std::vector<link_ptr> processes;
  for (const auto& m : members_) processes.push_back(m->handle());
  members_.clear();
  core_.run_until(
      [&] {
        return std::all_of(processes.begin(), processes.end(),
                           [](const auto& l) { return l->now() == link::state::ended; });
      },
      clock::now() + stop_grace + 1s);
}

void pool_core::begin(const role& what, job& items) {
  if (job_ != nullptr)
    throw std::logic_error{
        "this pool is still at work for an earlier imap_unordered: read it to its end or destroy "
        "it "
        "before the next call"};
  job_ = &items;
  role_ = what;
  input_ended_ = false;
  next_item_ = 0;
  delivered_ = 0;
  progress_ = {};
  for (const auto& m : members_)
    if (m->process().now() != link::state::ended) m->bind();
}

std::size_t pool_core::held() const noexcept {
  std::size_t held = again_.size();
  for (const auto& m : members_) held += m->held();
  return held;
}

bool pool_core::advance() {
  const std::uint64_t before = delivered_;
  while (delivered_ == before) {
    fill();
    if (delivered_ != before) break;
    if (input_ended_ && held() == 0) {
      abandon();
      return false;
    }
    if (!broken_.empty())
      throw std::runtime_error{"the pool's workers can't be started: " + broken_};
    core_.run_once(std::nullopt);
    for (const auto& m : members_) m->end_of_batch();
  }
  return true;
}

/// Hands out items, one to each worker in turn, so that a short input is spread.
void pool_core::fill() {
  std::vector<member*> hungry;
  for (const auto& m : members_)
    if (m->wants_more()) hungry.push_back(m.get());
  while (!hungry.empty()) {
    const std::size_t before = hungry.size();
    std::erase_if(hungry, [this](member* m) { return !m->has_place() || !give_next(*m); });
    if (hungry.size() == before && input_ended_ && again_.empty()) break;
  }
}

bool pool_core::give_next(member& to) {
  if (!again_.empty()) {
    const again next = std::move(again_.front());
    again_.pop_front();
    const auto bytes = std::as_bytes(std::span{next.frame});
    const wire::checked_envelope envelope{bytes};
    const payload_view old = envelope.payload();
    payload_source what;
    if (old.is == payload_view::kind::plain) {
      what.plain_bytes = old.plain.size();
      what.value = &old.plain;
      what.write = [](const void* from, std::byte* at) {
        const auto& plain = *static_cast<const std::span<const std::byte>*>(from);
        if (!plain.empty()) std::memcpy(at, plain.data(), plain.size());
      };
    } else if (old.is == payload_view::kind::structure) {
      what.schema_id = old.schema_id;
      what.structure = old.structure.getAs<capnp::AnyStruct>();
    }
    return to.give(next.item, what);
  }
  if (input_ended_) return false;
  const auto what = job_->next();
  if (!what) {
    input_ended_ = true;
    return false;
  }
  ++progress_.taken;
  return to.give(next_item_++, *what);
}

void pool_core::lost(std::uint64_t item, const failure& why) {
  if (attempts_.lost(item)) {
    ++progress_.retried;
    not_begun(item, why);
    return;
  }
  failure final = why;
  final.text += " (attempt " + std::to_string(attempts_.limit()) + " of " +
                std::to_string(attempts_.limit()) + ")";
  ++progress_.failed;
  job_->failed(item, final);
  settle(item);
}

void pool_core::not_begun(std::uint64_t item, const failure& why) {
  again next{item, std::vector<std::uint64_t>(why.frame.size() / sizeof(std::uint64_t))};
  std::memcpy(next.frame.data(), why.frame.data(), why.frame.size());
  again_.push_back(std::move(next));
}

void pool_core::keep(std::uint64_t item, const payload_source& what) {
  const std::size_t room = wire::envelope_bytes(what);
  again next{item, std::vector<std::uint64_t>(room / sizeof(std::uint64_t))};
  const std::size_t bytes = wire::envelope_writer{}.write(
      reinterpret_cast<std::byte*>(next.frame.data()), room, {wire::Envelope::Kind::REQUEST}, what);
  next.frame.resize(bytes / sizeof(std::uint64_t));
  again_.push_front(std::move(next));
}

void pool_core::settle(std::uint64_t item) {
  ++delivered_;
  attempts_.settled(item);
}

void pool_core::abandon() {
  if (job_ == nullptr) return;
  job_ = nullptr;
  again_.clear();
  for (const auto& m : members_) m->unbind();
}

std::vector<pool_member> pool_core::members() const {
  std::vector<pool_member> all;
  for (const auto& m : members_) {
    pool_member one{m->handle(), m->process().now() == link::state::ready, std::nullopt, 0};
    const auto running = m->process().in_progress();
    m->process().each_unanswered([&](std::uint64_t number, std::uint64_t item) {
      if (number == running) one.item = item;
      one.failed_attempts = std::max(one.failed_attempts, attempts_.failed(item));
    });
    all.push_back(std::move(one));
  }
  return all;
}

std::shared_ptr<pool_core> make_pool(core& in, std::size_t workers, std::string name) {
  return std::make_shared<pool_core>(in, workers, std::move(name));
}
void set_attempts(pool_core& pool, unsigned attempts) {
  const loop_guard mine{pool};
  pool.attempts().limit(attempts);
}
void begin(pool_core& pool, const role& what, job& items) {
  const loop_guard mine{pool};
  pool.begin(what, items);
}
bool advance(pool_core& pool) {
  const loop_guard mine{pool};
  return pool.advance();
}
void abandon(pool_core& pool) {
  const loop_guard mine{pool};
  pool.abandon();
}
std::vector<pool_member> members(const pool_core& pool) {
  const loop_guard mine{pool};
  return pool.members();
}
pool_progress progress(const pool_core& pool) {
  const loop_guard mine{pool};
  return pool.progress();
}

}  // namespace troupe::engine
