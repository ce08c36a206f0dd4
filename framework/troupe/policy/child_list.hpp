#pragma once

#include <troupe/policy/actions.hpp>
#include <troupe/policy/delays.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace troupe::policy {

enum class child_state : std::uint8_t {
  down,      ///< no process, and none is due
  pending,   ///< down; it will be started when its turn comes
  starting,  ///< not ready yet
  running,
  stopping,   ///< told to end
  restarting  ///< down; it will be started when its time comes
};

/// A management call that can't be answered yet.
struct waiting_call {
  enum class until : std::uint8_t {
    ready,    ///< a start: answer it then
    down,     ///< a terminate_child: answer it then
    restart,  ///< do it when the child is down
    remove,   ///< likewise
    add       ///< likewise, with `spec`
  };
  call_id call;
  until what;
  std::shared_ptr<const child_spec> spec = {};
};

/// One child of a supervisor.
struct child_entry {
  /// What the start that is in flight or ahead is for.
  enum class launch : std::uint8_t { initial, call, restart };
  enum class stop : std::uint8_t { none, call, sweep, overdue };

  child_key key = 0;
  std::uint32_t number = 0;
  std::shared_ptr<const child_spec> spec;    ///< without `start`
  std::shared_ptr<const child_start> start;  ///< none once a temporary child is ready
  bool own_spec = true;                      ///< not the pattern of a dynamic supervisor
  bool added = false;  ///< by start_child, and never been ready: a failed start removes it

  launch launch_for = launch::initial;
  stop stopped_by = stop::none;
  bool marked = false;   ///< part of the sweep
  bool been_up = false;  ///< its present process has been ready
  std::uint32_t restarts = 0;
  std::optional<ending> last = {};
  child_key because_of = 0;
  delays waits = {};
  time_point ready_at = {};
  std::vector<waiting_call> calls = {};

  // Kept by child_list.
  child_state state = child_state::down;
  std::optional<time_point> due = {};
  std::uint64_t place = 0;  ///< grows along the list
  child_entry* before = nullptr;
  child_entry* after = nullptr;

  [[nodiscard]] incarnation who() const { return {key, number}; }
  [[nodiscard]] bool temporary() const { return spec->restart == restart_type::temporary; }
  /// It has a process, or is about to.
  [[nodiscard]] bool alive() const {
    return state == child_state::starting || state == child_state::running ||
           state == child_state::stopping;
  }
  /// It will soon be down, and stay so.
  [[nodiscard]] bool goes_down() const {
    return state == child_state::stopping && stopped_by != stop::overdue && !marked;
  }
  /// It is being started, or will be, without anybody having asked for it.
  [[nodiscard]] bool comes_back() const {
    return launch_for == launch::restart && state != child_state::down &&
           state != child_state::running;
  }
  [[nodiscard]] bool waits_for(waiting_call::until what) const {
    for (const auto& c : calls)
      if (c.what == what) return true;
    return false;
  }
};

/// The children of a supervisor: in start order, by key, by id and by time. All but reorder takes
/// the same time however many there are, or nearly.
///
/// Owns: the children; pointers stay valid until erase.
class child_list {
public:
  /// Keys begin after `last_key`.
  explicit child_list(child_key last_key) : last_key_(last_key) {}
  child_list(const child_list&) = delete;
  child_list& operator=(const child_list&) = delete;

  /// Adds one at the end, down. With `indexed` it is found by the id of its spec.
  child_entry& append(std::shared_ptr<const child_spec> spec, bool indexed);
  void erase(child_entry& c);
  /// Gives it another spec of the same id.
  void respec(child_entry& c, std::shared_ptr<const child_spec> spec);
  /// Puts these first, in this order; the others keep theirs.
  void reorder(const std::vector<child_entry*>& first);

  [[nodiscard]] child_entry* find(child_key key);
  [[nodiscard]] child_entry* find(std::string_view id);
  [[nodiscard]] const child_entry* find(child_key key) const;
  [[nodiscard]] const child_entry* find(std::string_view id) const;
  /// Whether there has ever been one of this key.
  [[nodiscard]] bool known(child_key key) const { return key != 0 && key <= last_key_; }

  [[nodiscard]] child_key last_key() const { return last_key_; }
  [[nodiscard]] child_entry* head() const { return head_; }
  [[nodiscard]] child_entry* tail() const { return tail_; }
  [[nodiscard]] std::size_t size() const { return children_.size(); }
  /// How many have a process, and how many significant ones are not down.
  [[nodiscard]] std::size_t alive() const { return alive_; }
  [[nodiscard]] std::size_t significant() const { return significant_; }

  void set(child_entry& c, child_state state);

  void arm(child_entry& c, time_point at);
  void disarm(child_entry& c);
  void disarm_all();
  [[nodiscard]] std::optional<time_point> next_time() const;
  /// One whose time has come; it is disarmed.
  [[nodiscard]] child_entry* take_due(time_point now);

private:
  struct hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const { return std::hash<std::string_view>{}(s); }
  };

  void link(child_entry& c);
  void unlink(child_entry& c);
  void count(const child_entry& c, std::size_t by);

  std::unordered_map<child_key, child_entry> children_;
  std::unordered_map<std::string, child_entry*, hash, std::equal_to<>> ids_;
  std::set<std::pair<time_point, child_key>> times_;
  child_entry* head_ = nullptr;
  child_entry* tail_ = nullptr;
  child_key last_key_ = 0;
  std::uint64_t last_place_ = 0;
  std::size_t alive_ = 0;
  std::size_t significant_ = 0;
};

}  // namespace troupe::policy
