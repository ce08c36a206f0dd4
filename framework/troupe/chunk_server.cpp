#include "troupe/chunk_server.hpp"

#include <algorithm>
#include <atomic>
#include <new>

#include "troupe/engine/pool_chunk.hpp"

namespace troupe {

namespace {

using clock = std::chrono::steady_clock;

/// An outcome that others may wait for is sent after this, in the middle of a chunk, too.
constexpr std::uint64_t part_after_ns = 5'000'000;
/// The clock is looked at about this often.
constexpr std::uint64_t look_every_ns = 50'000;

std::uint64_t now_ns() {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(clock::now().time_since_epoch())
          .count());
}

/// The item that this worker is at.
struct current_item {
  const chunk_slot* slot = nullptr;
  std::uint64_t number = 0;
  std::uint64_t soft_ns = 0;
};
current_item current;

bool soft_deadline_passed() {
  return current.soft_ns != 0 &&
         now_ns() > current.slot->began.load(std::memory_order_relaxed) + current.soft_ns;
}

bool is_cancelled() {
  return current.slot->cancel.load(std::memory_order_relaxed) ==
         chunk_slot::item_id(current.number, current.slot->done.load(std::memory_order_relaxed));
}

}  // namespace

item_cancelled::item_cancelled(bool by_deadline)
    : std::runtime_error(by_deadline ? "it saw that its soft deadline had passed, and ended"
                                     : "it saw that it was cancelled, and ended"),
      deadline(by_deadline) {}

bool this_item::cancelled() noexcept {
  return current.slot != nullptr && (is_cancelled() || soft_deadline_passed());
}

void this_item::check() {
  if (current.slot == nullptr) return;
  if (is_cancelled()) throw item_cancelled{false};
  if (soft_deadline_passed()) throw item_cancelled{true};
}

chunk_server::chunk_server(incoming_call& call, std::uint64_t value_bytes)
    : call_(call), slot_(*call.progress), number_(call.number) {
  // The parent takes back what it sees not begun, so this must see that or it sees this begun.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (revoked_range::of(slot_.revoked.load(std::memory_order_relaxed)).has(number_)) {
    refuse(errc::stopped, "this chunk was taken back before it began");
    return;
  }
  try {
    open(value_bytes);
  } catch (const codec::malformed& e) {
    refuse(errc::bad_message, e.what());
  }
}

void chunk_server::refuse(errc code, const char* why) {
  head_.count = 0;
  call_.answer.fail(code, why);
  answered_ = true;
}

chunk_server::~chunk_server() {
  current = {};
}

void chunk_server::open(std::uint64_t value_bytes) {
  codec::reader in{call_.arguments.plain};
  in.raw(&head_, sizeof head_);
  if (head_.count > most_items_in_chunk) throw codec::malformed{"a chunk of too many items"};
  if (head_.item_bytes == size_varies) {
    ends_ = in.take((head_.count * 4 + 7) / 8 * 8).data();
  } else {
    item_bytes_ = static_cast<std::size_t>(head_.item_bytes);
    if (item_bytes_ != 0 && head_.count > in.rest.size() / item_bytes_)
      throw codec::malformed{"a chunk shorter than its items"};
  }
  items_ = in.rest.data();
  items_size_ = in.rest.size();
  lead_ = head_.timed != 0 ? 1 + sizeof(std::uint64_t) : 1;
  begin_ = call_.outcomes.data();
  at_ = begin_ + sizeof(outcome_head);
  end_ = begin_ + call_.outcomes.size();
  outcome_head outcomes;
  outcomes.value_bytes = value_bytes;
  outcomes.timed = head_.timed;
  std::memcpy(begin_, &outcomes, sizeof outcomes);
  account_from(now_ns());
  if (head_.count == 1) next_look_ = 2;  // its answer tells
  slot_.done.store(0, std::memory_order_relaxed);
  slot_.kept.store(0, std::memory_order_relaxed);
  slot_.bytes.store(sizeof(outcome_head), std::memory_order_relaxed);
  slot_.began.store(0, std::memory_order_relaxed);
  slot_.number.store(number_, std::memory_order_release);
  current = {&slot_, number_, head_.soft_ns};
}

std::span<const std::byte> chunk_server::varying_item() const {
  std::uint32_t from = 0;
  std::uint32_t to = 0;
  if (place_ != 0) std::memcpy(&from, ends_ + (place_ - 1) * sizeof from, sizeof from);
  std::memcpy(&to, ends_ + place_ * sizeof to, sizeof to);
  if (from > to || to > items_size_) throw codec::malformed{"an item outside its chunk"};
  return {items_ + from, to - from};
}

bool chunk_server::begin_timed() {
  item_start_ns_ = now_ns();
  slot_.began.store(item_start_ns_, std::memory_order_release);
  std::atomic_thread_fence(std::memory_order_seq_cst);  // `done` is seen, or `give_back` is
  return slot_.give_back.load(std::memory_order_relaxed) != number_;
}

void chunk_server::note_time(std::byte* at) {
  const std::uint64_t took = now_ns() - item_start_ns_;
  std::memcpy(at + 1, &took, sizeof took);
  slot_.began.store(0, std::memory_order_relaxed);  // else it would pass for the next item's
}

void chunk_server::look_at_clock() {
  const std::uint64_t elapsed = std::max<std::uint64_t>(now_ns() - start_ns_, 1);
  if (elapsed > part_after_ns && place_ != head_.count) {
    spill();
    next_look_ = place_ + 1;
    return;
  }
  const std::uint64_t each = std::max<std::uint64_t>(elapsed / (place_ - kept_), 1);
  next_look_ = place_ + std::clamp<std::uint64_t>(look_every_ns / each, 1, 2 * place_);
}

void chunk_server::set_head() {
  outcome_head head;
  std::memcpy(&head, begin_, sizeof head);
  head.first = kept_;
  head.count = place_ - kept_;
  const std::uint64_t now = now_ns();
  head.compute_ns = now - start_ns_;
  account_from(now);
  std::memcpy(begin_, &head, sizeof head);
}

/// Should this worker die, its parent knows how long it was at what comes now.
void chunk_server::account_from(std::uint64_t now) {
  start_ns_ = now;
  slot_.since.store(now, std::memory_order_release);
}

namespace {

payload_source bytes_of(const std::span<const std::byte>& what) {
  payload_source source;
  source.plain_bytes = what.size();
  source.value = &what;
  source.write = [](const void* from, std::byte* to) {
    const auto& bytes = *static_cast<const std::span<const std::byte>*>(from);
    std::memcpy(to, bytes.data(), bytes.size());
  };
  return source;
}

}  // namespace

/// In this order, so that a death in between makes nothing count twice: what is kept already has no
/// new outcomes beside it.
void chunk_server::spill() {
  if (place_ == kept_) return;
  set_head();
  const std::span<const std::byte> outcomes{begin_, static_cast<std::size_t>(at_ - begin_)};
  call_.answer.part(bytes_of(outcomes));
  at_ = begin_ + sizeof(outcome_head);
  kept_ = place_;
  slot_.bytes.store(sizeof(outcome_head), std::memory_order_release);
  slot_.kept.store(kept_, std::memory_order_release);
}

namespace {

/// An outcome too large for the room: it travels alone.
struct large_value {
  outcome_head head;
  std::size_t lead;
  std::uint64_t took;
  const payload_source& value;

  void write(std::byte* to) const {
    std::memcpy(to, &head, sizeof head);
    to += sizeof head;
    *to = std::byte{static_cast<std::uint8_t>(outcome_kind::value)};
    if (lead > 1) std::memcpy(to + 1, &took, sizeof took);
    to += lead;
    const auto size = static_cast<std::uint32_t>(value.plain_bytes);
    std::memcpy(to, &size, sizeof size);
    value.write(value.value, to + sizeof size);
  }
};

}  // namespace

void chunk_server::value(const payload_source& what) {
  const std::size_t bytes = lead_ + sizeof(std::uint32_t) + what.plain_bytes;
  if (bytes + 4096 > call_.max_answer_bytes) {
    const std::string text = "the answer has " + std::to_string(what.plain_bytes) +
                             " bytes, the limit is " + std::to_string(call_.max_answer_bytes) +
                             "; write it to a file and answer its name, or raise "
                             "max_message_bytes";
    fail(outcome_kind::failed, static_cast<std::uint64_t>(errc::too_large), text.c_str());
    return;
  }
  std::byte* const at = room(bytes);
  if (static_cast<std::size_t>(end_ - at) >= bytes) {
    *at = std::byte{static_cast<std::uint8_t>(outcome_kind::value)};
    const auto size = static_cast<std::uint32_t>(what.plain_bytes);
    std::memcpy(at + lead_, &size, sizeof size);
    if (what.plain_bytes != 0) what.write(what.value, at + lead_ + sizeof size);
    finish(at, bytes);
    return;
  }
  outcome_head head;
  std::memcpy(&head, begin_, sizeof head);
  const std::uint64_t now = now_ns();
  head.first = place_;
  head.count = 1;
  head.compute_ns = now - start_ns_;
  account_from(now);
  const large_value large{head, lead_, now - item_start_ns_, what};
  payload_source source;
  source.plain_bytes = sizeof(outcome_head) + bytes;
  source.value = &large;
  source.write = [](const void* from, std::byte* to) {
    static_cast<const large_value*>(from)->write(to);
  };
  call_.answer.part(source);
  ++place_;
  kept_ = place_;
  slot_.kept.store(kept_, std::memory_order_release);
  slot_.done.store(place_, std::memory_order_release);
}

void chunk_server::caught() {
  try {
    throw;
  } catch (const discard& e) {
    fail(outcome_kind::discard, static_cast<std::uint64_t>(errc::discarded), e.what());
  } catch (const retry_after& e) {
    fail(outcome_kind::retry_after, static_cast<std::uint64_t>(e.delay.count()), e.what());
  } catch (const snooze& e) {
    fail(outcome_kind::snooze, static_cast<std::uint64_t>(e.delay.count()), e.what());
  } catch (const item_cancelled& e) {
    fail(outcome_kind::failed,
         static_cast<std::uint64_t>(e.deadline ? errc::deadline : errc::cancelled), e.what());
  } catch (const codec::malformed& e) {
    fail(outcome_kind::failed, static_cast<std::uint64_t>(errc::bad_message), e.what());
  } catch (const std::bad_alloc&) {
    fail(outcome_kind::failed, engine::memory_ran_out | static_cast<std::uint64_t>(errc::exception),
         "no memory was left for it (std::bad_alloc); its worker is replaced");
  } catch (const std::exception& e) {
    fail(outcome_kind::failed, static_cast<std::uint64_t>(errc::exception), e.what());
  } catch (...) {
    fail(outcome_kind::failed, static_cast<std::uint64_t>(errc::exception),
         "something that is no std::exception was thrown");
  }
}

void chunk_server::fail(outcome_kind kind, std::uint64_t number, const char* text) {
  const std::size_t length = std::min<std::size_t>(std::strlen(text), 64 * 1024);
  const std::size_t bytes = lead_ + sizeof number + sizeof(std::uint32_t) + length;
  std::byte* const at = room(bytes);
  *at = std::byte{static_cast<std::uint8_t>(kind)};
  std::byte* to = at + lead_;
  std::memcpy(to, &number, sizeof number);
  to += sizeof number;
  const auto size = static_cast<std::uint32_t>(length);
  std::memcpy(to, &size, sizeof size);
  std::memcpy(to + sizeof size, text, length);
  finish(at, bytes);
}

void chunk_server::close() {
  if (answered_) return;
  if (place_ != head_.count || kept_ == place_) set_head();
  const std::span<const std::byte> outcomes{begin_, static_cast<std::size_t>(at_ - begin_)};
  call_.answer.payload(bytes_of(outcomes));
}

}  // namespace troupe
