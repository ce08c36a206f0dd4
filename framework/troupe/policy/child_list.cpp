#include <troupe/policy/child_list.hpp>

#include <utility>

namespace troupe::policy {

child_entry& child_list::append(std::shared_ptr<const child_spec> spec, bool indexed) {
  child_entry& c = children_[++last_key_];
  c.key = last_key_;
  c.spec = std::move(spec);
  if (indexed) ids_.emplace(c.spec->id, &c);
  link(c);
  return c;
}

void child_list::erase(child_entry& c) {
  set(c, child_state::down);
  disarm(c);
  unlink(c);
  if (const auto id = ids_.find(c.spec->id); id != ids_.end() && id->second == &c) ids_.erase(id);
  children_.erase(child_key{c.key});
}

void child_list::respec(child_entry& c, std::shared_ptr<const child_spec> spec) {
  const auto state = c.state;
  set(c, child_state::down);  // counts are by the spec
  c.spec = std::move(spec);
  set(c, state);
}

void child_list::reorder(const std::vector<child_entry*>& first) {
  std::vector<child_entry*> others;
  for (child_entry* c : first) c->place = 0;
  for (child_entry* c = head_; c != nullptr; c = c->after)
    if (c->place != 0) others.push_back(c);
  head_ = tail_ = nullptr;
  for (child_entry* c : first) link(*c);
  for (child_entry* c : others) link(*c);
}

child_entry* child_list::find(child_key key) {
  const auto found = children_.find(key);
  return found == children_.end() ? nullptr : &found->second;
}

child_entry* child_list::find(std::string_view id) {
  const auto found = ids_.find(id);
  return found == ids_.end() ? nullptr : found->second;
}

const child_entry* child_list::find(child_key key) const {
  const auto found = children_.find(key);
  return found == children_.end() ? nullptr : &found->second;
}

const child_entry* child_list::find(std::string_view id) const {
  const auto found = ids_.find(id);
  return found == ids_.end() ? nullptr : found->second;
}

void child_list::set(child_entry& c, child_state state) {
  count(c, static_cast<std::size_t>(-1));
  c.state = state;
  count(c, 1);
}

void child_list::count(const child_entry& c, std::size_t by) {
  if (c.alive()) alive_ += by;
  if (c.spec->significant && c.state != child_state::down) significant_ += by;
}

void child_list::arm(child_entry& c, time_point at) {
  disarm(c);
  c.due = at;
  times_.emplace(at, c.key);
}

void child_list::disarm(child_entry& c) {
  if (c.due) times_.erase({*c.due, c.key});
  c.due.reset();
}

void child_list::disarm_all() {
  for (const auto& [at, key] : times_) children_.at(key).due.reset();
  times_.clear();
}

std::optional<time_point> child_list::next_time() const {
  if (times_.empty()) return std::nullopt;
  return times_.begin()->first;
}

child_entry* child_list::take_due(time_point now) {
  if (times_.empty() || times_.begin()->first > now) return nullptr;
  child_entry& c = children_.at(times_.begin()->second);
  disarm(c);
  return &c;
}

void child_list::link(child_entry& c) {
  c.place = ++last_place_;
  c.before = tail_;
  c.after = nullptr;
  (tail_ == nullptr ? head_ : tail_->after) = &c;
  tail_ = &c;
}

void child_list::unlink(child_entry& c) {
  (c.before == nullptr ? head_ : c.before->after) = c.after;
  (c.after == nullptr ? tail_ : c.after->before) = c.before;
}

}  // namespace troupe::policy
