#pragma once

#include <list>

#include "troupe/engine/link.hpp"
#include "troupe/pool_api.hpp"

namespace troupe::engine {

class pool_process;

/// Who is told what becomes of a pool's process.
class pool_process_owner {
public:
  /// It has come up, its initializer is done.
  virtual void on_up(pool_process& which) = 0;
  virtual void on_death(pool_process& which) = 0;
  /// Every message to it has had its outcome. May destroy `which`.
  virtual void on_ended(pool_process& which) = 0;
  /// The system has nothing to make it of, and is asked again: after this no message to it was read
  /// by anybody.
  virtual void on_refused(pool_process&) {}

protected:
  ~pool_process_owner() = default;
};

/// A process of a pool, whether it serves or waits as a spare: its initializer, the functions that
/// it knows by now, its finalizer. Ends: `leave`, or the destructor, which stops it at once.
class pool_process final : public answer_sink, public link_observer {
public:
  struct calls {
    std::optional<role> initializer;
    std::optional<role> finalizer;
    std::chrono::nanoseconds grace{};
    std::chrono::nanoseconds start_limit{};
  };

  pool_process(core& in, const std::string& name, const calls& how, pool_process_owner& owner);
  ~pool_process();
  pool_process(const pool_process&) = delete;
  pool_process& operator=(const pool_process&) = delete;

  void belongs_to(pool_process_owner& owner) noexcept { owner_ = &owner; }
  [[nodiscard]] link& process() const noexcept { return *link_; }
  [[nodiscard]] const link_ptr& handle() const noexcept { return link_; }
  /// It has come up, and its initializer has done well.
  [[nodiscard]] bool is_up() const noexcept {
    return initialized_ && link_->now() == link::state::ready;
  }
  /// Items may wait there even before it has come up, but none runs without its initializer.
  [[nodiscard]] bool is_prepared() const noexcept { return initialized_; }
  [[nodiscard]] bool has_ended() const noexcept { return link_->now() == link::state::ended; }
  /// What its initializer failed with, if it did.
  [[nodiscard]] const std::string& trouble() const noexcept { return trouble_; }
  /// A sentence about one that never came up.
  [[nodiscard]] std::string why_it_ended() const;
  [[nodiscard]] clock::time_point born() const noexcept { return born_; }
  [[nodiscard]] std::uint32_t random() const noexcept { return random_; }

  /// Its number for a function; makes it known if it is not.
  std::uint64_t target_of(const role& what);

  /// Runs the finalizer, then lets it end. Nothing may be given to it any more.
  void leave();

  std::uint64_t items = 0;
  std::uint64_t first_bytes = 0;
  bool retires = false;

  void answered(std::uint64_t tag, const payload_view& answer) override;
  void failed(std::uint64_t tag, const failure& why) override;
  void on_ready(link& l) override;
  void on_death(link& l) override;
  void on_ended(link& l) override;
  void on_refused(link& l) override;

private:
  enum call : std::uint64_t { initialize, finalize };
  static constexpr std::size_t most_known = 64;

  std::uint64_t post(const role& what, call tag);

  core& core_;
  const calls& how_;
  pool_process_owner* owner_;
  link_ptr link_;
  bool initialized_ = false;
  bool leaving_ = false;
  bool dying_ = false;
  std::string trouble_;
  clock::time_point born_ = clock::now();
  std::uint32_t random_;
  core::timer_id start_timer_ = 0;
  struct known {
    stub_function stub;
    const void* function;
    std::uint64_t target;
  };
  std::list<known> known_;  ///< the latest first
};

}  // namespace troupe::engine
