// What a pool does with single items: another attempt, back in line, or given up.
#include <algorithm>
#include <utility>

#include "troupe/engine/pool_core.hpp"
#include "troupe/os/random.hpp"
#include "troupe/policy/backoff.hpp"

namespace troupe::engine {

using namespace std::chrono_literals;

namespace {

constexpr std::size_t most_quarantined = 1000;
constexpr std::size_t most_free_chunks = 2048;
/// `retry_after` says by itself that another attempt is worth it.
constexpr unsigned least_asked_attempts = 3;
/// Workers may end by themselves for other reasons; three in a row with the same item don't.
constexpr unsigned most_unread = 3;

using event = pool_event::kind;

unsigned attempts_for(const map_options& how, item_fault fault, bool asked_for) {
  switch (fault) {
    case item_fault::crash:
      return how.on_crash.attempts;
    case item_fault::deadline:
      return how.on_deadline.attempts;
    case item_fault::exception:
      break;
  }
  return asked_for ? std::max(how.on_exception.attempts, least_asked_attempts)
                   : how.on_exception.attempts;
}

const retry_rule& rule_for(const map_options& how, item_fault fault) {
  return fault == item_fault::crash      ? how.on_crash
         : fault == item_fault::deadline ? how.on_deadline
                                         : how.on_exception;
}

}  // namespace

// --- items ---

void pool_core::item_failed(const job_ptr& of, pool_chunk&& item, item_fault how,
                            const failure& why, std::optional<std::chrono::nanoseconds> pause,
                            bool free) {
  const std::uint64_t index = item.index(0);
  if (of->abandoned() || of->is_settled_early(index)) return;
  if (free && draining_) {
    of->deliver(index, not_begun());
    return;
  }
  if (free) {
    put_off(of, *pause, std::move(item));
    return;
  }
  auto& history = of->history_of(index);
  const unsigned spent = ++history.faults[static_cast<std::size_t>(how)];
  ++history.total;
  if (why.report != nullptr) history.reports.push_back(why.report);
  const unsigned limit = std::max(1U, attempts_for(of->how(), how, pause.has_value()));
  if (spent < limit && !draining_) {
    ++of->progress().retried;
    const auto& rule = rule_for(of->how(), how);
    const auto wait = pause.value_or(policy::full_jitter(
        rule.first, rule.most, spent, static_cast<std::uint32_t>(os::random_number().low)));
    if (wait.count() <= 0) {
      put_back(of, std::move(item));
    } else {
      put_off(of, wait, std::move(item));
    }
    return;
  }
  failure final = why;
  if (limit > 1 || why.report != nullptr)
    final.text += " (attempt " + std::to_string(spent) + " of " + std::to_string(limit) + ")";
  give_up(of, item, history, final);
}

void pool_core::item_unread(const job_ptr& of, pool_chunk&& item, const failure& why) {
  const std::uint64_t index = item.index(0);
  if (of->abandoned() || of->is_settled_early(index)) return;
  auto& history = of->history_of(index);
  history.reports.push_back(why.report);
  if (++history.unread < most_unread) {
    put_back(of, std::move(item));
    return;
  }
  failure final = why;
  final.code = errc::worker_lost;
  final.text = why.report->sentence() + " before it had read item " + std::to_string(index) +
               ", as others before it: the item is probably too large for the memory of a worker; "
               "it was never begun";
  give_up(of, item, history, final);
}

void pool_core::give_up(const job_ptr& of, const pool_chunk& item, const pool_job::history& history,
                        const failure& why) {
  const std::uint64_t index = item.index(0);
  if (why.report != nullptr && quarantine_.size() < most_quarantined) {
    const auto bytes = item.items.item(0);
    quarantine_.push_back({index, of->what().name, {bytes.begin(), bytes.end()}, history.reports});
    tell({event::item_lost, "gave up item " + std::to_string(index) + ": " + why.text, index,
          why.report});
  }
  of->deliver(index, why);
}

void pool_core::put_off(const job_ptr& of, std::chrono::nanoseconds pause, pool_chunk&& item) {
  const auto until = deadline(pause);
  of->put_off(until, std::move(item));
  put_off_.emplace(until, of);
  wake_at(until);
}

void pool_core::put_back(const job_ptr& of, pool_chunk&& rest) {
  if (of->abandoned()) return;
  of->put_back(std::move(rest), true);
  if (draining_) {
    of->drop_waiting(not_begun());
    return;
  }
  list(of);
  hungry_ = true;
}

void pool_core::served(pool_member& by, const job_ptr& of) {
  settle(of);
  pool_process& p = by.process();
  if (by.idle() && !stopping_ && !p.has_ended() &&
      (p.retires || (how_.max_tasks_per_child != 0 && by.quota() == 0))) {
    ++total_.recycled;
    tell({event::worker_ended, "replaced after " + std::to_string(p.items) +
                                   " items, as its settings say: process " +
                                   std::to_string(p.process().pid())});
    by.renew();
  }
  if (by.idle() && (members_.size() > how_.workers || how_.least_workers != 0))
    wake_at(deadline(members_.size() > how_.workers ? 0ns : how_.idle_timeout));
  feed_now();
}

std::unique_ptr<pool_chunk> pool_core::new_chunk() {
  if (free_chunks_.empty()) return std::make_unique<pool_chunk>();
  auto chunk = std::move(free_chunks_.back());
  free_chunks_.pop_back();
  return chunk;
}

void pool_core::reuse(std::unique_ptr<pool_chunk> chunk) {
  if (free_chunks_.size() == most_free_chunks) return;
  chunk->clear();
  free_chunks_.push_back(std::move(chunk));
}

bool pool_core::cancel(const job_ptr& which, std::uint64_t index) {
  if (which->abandoned() || which->is_settled_early(index)) return false;
  if (which->cancel_ahead(index)) return true;
  if (which->withdraw(index)) {
    which->deliver(index, pool_job::cancelled(index));
    settle(which);
    return true;
  }
  for (const auto& m : members_) {
    bool here = false;
    m->each_item([&](const job_ptr& of, std::uint64_t item) {
      here = here || (of == which && item == index);
    });
    if (!here) continue;
    which->settle_early(index);
    const auto at = m->now_at();
    if (at && at->of == which && at->index == index) {
      m->ask_to_end(index);
      end_later(which, index);
    } else {
      m->take_back();  // what is not wanted any more is left out when it is given again
      m->give_back_rest();
    }
    which->deliver(index, pool_job::cancelled(index));
    feed_now();
    return true;
  }
  return false;
}

/// Whoever is at an item that nobody wants has been asked to leave it. No `index`: any of the
/// job's.
void pool_core::end_later(const job_ptr& which, std::optional<std::uint64_t> index) {
  core_.after(which->how().kill_grace, [pool = weak_from_this(), which, index] {
    const auto alive = pool.lock();
    if (alive == nullptr) return;
    for (const auto& member : alive->members_) {
      const auto still = member->now_at();
      if (still && still->of == which && still->index == index.value_or(still->index))
        member->end_item(pool_member::purpose::cancel, still->index, which->how().kill_grace);
    }
  });
}

}  // namespace troupe::engine
