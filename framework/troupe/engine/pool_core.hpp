#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "troupe/engine/link.hpp"
#include "troupe/policy/attempts.hpp"
#include "troupe/policy/window.hpp"

namespace troupe::engine {

/// A fixed number of workers that serve one job at a time.
///
/// Each worker holds a window of items. When one dies it is replaced; what it had finished counts,
/// what it had not begun goes elsewhere, and only the item it was running has used up an attempt.
/// Owns: its workers' links together with `core`. Ends: the destructor stops the workers.
class pool_core {
public:
  pool_core(core& in, std::size_t workers, std::string name);
  pool_core(const pool_core&) = delete;
  pool_core& operator=(const pool_core&) = delete;
  ~pool_core();

  policy::attempts& attempts() noexcept { return attempts_; }
  [[nodiscard]] core& owner() const noexcept { return core_; }

  /// @throws std::logic_error while another job is under way.
  void begin(const role& what, job& items);
  bool advance();
  void abandon();

  [[nodiscard]] std::vector<pool_member> members() const;
  [[nodiscard]] pool_progress progress() const noexcept { return progress_; }

private:
  class member;
  struct again {
    std::uint64_t item;
    std::vector<std::uint64_t> frame;  ///< the message, whole words
  };

  void fill();
  bool give_next(member& to);
  void lost(std::uint64_t item, const failure& why);
  void not_begun(std::uint64_t item, const failure& why);
  void settle(std::uint64_t item);
  void keep(std::uint64_t item, const payload_source& what);
  link_ptr start_worker();
  [[nodiscard]] std::size_t held() const noexcept;

  core& core_;
  std::string name_;
  std::vector<std::unique_ptr<member>> members_;
  policy::attempts attempts_;
  policy::start_failures start_failures_;
  std::string broken_;  ///< why the workers can't be started
  std::shared_ptr<const exit_report> broken_report_;

  job* job_ = nullptr;
  role role_;
  bool input_ended_ = false;
  std::uint64_t next_item_ = 0;
  std::uint64_t delivered_ = 0;  ///< outcomes of this job
  std::deque<again> again_;
  pool_progress progress_;
};

}  // namespace troupe::engine
