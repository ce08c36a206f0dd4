#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "troupe/exit_report.hpp"

namespace troupe {

/// When to run an item again that went wrong in one way. The pause before attempt n + 1 is a random
/// part of `first * 2^(n-1)`, at most of `most` ("full jitter"), so that many do not come back
/// together.
struct retry_rule {
  unsigned attempts = 1;  ///< in all; 1: never again
  std::chrono::nanoseconds first{};
  std::chrono::nanoseconds most = std::chrono::minutes{1};
};

/// How an item can go wrong.
enum class item_fault : std::uint8_t {
  crash,      ///< its worker died while it was at this item
  exception,  ///< the function threw
  deadline    ///< it took longer than it may
};

/// How the items of one call are treated.
struct map_options {
  std::size_t chunk_size = 0;  ///< items that travel together; 0: as many as take about 2 ms
  retry_rule on_crash{3};      ///< for functions whose effects must not happen twice: `{1}`
  retry_rule on_exception{1};
  retry_rule on_deadline{1};
  /// After this `this_item::cancelled()` is true in the worker. 0: never.
  std::chrono::nanoseconds soft_deadline{};
  /// After this the worker is ended: SIGTERM, and SIGKILL after `kill_grace`. 0: never.
  std::chrono::nanoseconds hard_deadline{};
  /// As a hard deadline: this many percent of the median time of the items that had a value so
  /// far, once there are 10 of them. 0: none.
  unsigned percent_of_median = 0;
  std::chrono::nanoseconds kill_grace = std::chrono::milliseconds{100};
  bool urgent = false;  ///< goes before items of calls that are not
  /// Of imap and imap_unordered: items pulled whose results nobody has read yet, at most, also
  /// while they wait to be tried again. 0: 16 chunks, and no fewer than 1,024.
  std::size_t ahead = 0;
  /// The same in bytes of results, encoded: those that wait to be read, and what those under way
  /// will come to if they are as long as the latest ones.
  std::uint64_t ahead_bytes = std::uint64_t{64} << 20;
};

/// How many workers a pool has, and when they are replaced.
struct pool_settings {
  std::size_t workers = 0;  ///< 0: the CPUs that this process may really use
  /// Workers that are kept when there is nothing to do; 0: all. Above it they end after
  /// `idle_timeout` without work, and start again when there is.
  std::size_t least_workers = 0;
  std::chrono::nanoseconds idle_timeout = std::chrono::seconds{10};
  std::size_t spares = 0;  ///< more that are up already, to take the place of one that dies
  /// Items after which a worker is replaced; 0: never. Between two items, like the next three.
  std::uint64_t max_tasks_per_child = 0;
  /// Growth of a worker's memory since its first item after which it is replaced. 0: never.
  std::uint64_t max_growth_bytes = 0;
  /// Age at which a worker is replaced, give or take a random tenth of it. 0: never.
  std::chrono::nanoseconds max_age{};
  /// Memory that must be available before an item begins, if another one runs. Below half of it
  /// the worker that began last is killed; its item waits, and this is no attempt. 0: no limit.
  std::uint64_t memory_free = 0;
  double items_per_second = 0;  ///< begun, at most; 0: no limit
  /// Chunks that wait in a worker beside the one it works on. 0 is fair: an item goes to whoever is
  /// free, and a short one costs a round trip of about 1 us.
  unsigned prefetch = 1;
  std::chrono::nanoseconds stop_grace = std::chrono::seconds{2};  ///< see runtime::stop
  std::chrono::nanoseconds start_limit{};                         ///< for the initializer; 0: none
  /// Allows more workers than a machine like this one should have.
  bool allow_many = false;
  /// The first Ctrl-C ends no process: it lets what has begun end and begins nothing more.
  bool interruptible = true;
  std::function<std::uint64_t()> available_memory =
      {};  ///< instead of the system's word: for tests
};

/// What a pool is doing, for progress lines: of all calls since it last had nothing to do; in a
/// result_stream of that call.
struct pool_progress {
  std::uint64_t taken = 0;     ///< items pulled from the input
  std::uint64_t done = 0;      ///< items with a result
  std::uint64_t failed = 0;    ///< items whose outcome is an error
  std::uint64_t retried = 0;   ///< attempts beyond an item's first
  std::uint64_t restarts = 0;  ///< workers replaced because they died
  std::uint64_t recycled = 0;  ///< workers replaced between two items, by the rules for that
  std::optional<std::uint64_t> total = std::nullopt;  ///< of the input, if it says
};

/// Results of a stream that wait for their reader.
struct unread_results {
  std::size_t items = 0;
  std::uint64_t bytes = 0;  ///< encoded
};

/// Something that happened in a pool.
struct pool_event {
  enum class kind : std::uint8_t {
    worker_lost,     ///< it died, and another takes its place
    worker_ended,    ///< replaced between two items, as the settings say
    worker_delayed,  ///< the system has nothing to start one with; it is tried again
    item_lost,       ///< given up, it is in the quarantine
    memory_short,    ///< the youngest item was taken from its worker
    interrupted,     ///< Ctrl-C: what has begun ends, nothing more begins
    stopped,         ///< Ctrl-C again: what runs is ended
    broken           ///< no worker can be started
  };
  kind what;
  std::string text;                                ///< one sentence
  std::optional<std::uint64_t> item = {};          ///< which, if it is about one
  std::shared_ptr<const exit_report> report = {};  ///< of the process, if it is about one
};

/// Thrown by calls of a pool after Ctrl-C. Left to `program`, the exit code is 130.
struct interrupted : std::runtime_error {
  interrupted() : std::runtime_error("interrupted: the pool takes no more calls") {}
};

/// An item that was given up because it killed, or overstayed, whoever ran it.
struct quarantined_item {
  std::uint64_t index = 0;                                  ///< in the input of its call
  std::string function;                                     ///< the call's name
  std::vector<std::byte> item;                              ///< encoded, see codec.hpp
  std::vector<std::shared_ptr<const exit_report>> reports;  ///< one for each attempt
};

/// Where the time of a call went.
struct pool_report {
  pool_progress progress;
  std::size_t workers = 0;
  std::chrono::nanoseconds wall{};
  std::chrono::nanoseconds compute{};  ///< in the function, all workers together
  std::chrono::nanoseconds idle{};     ///< workers that waited for items, all together
  std::chrono::nanoseconds encode{};   ///< pulling and encoding items, here
  std::chrono::nanoseconds decode{};   ///< decoding and storing results, here
  /// Mean time of an item on its way and in the queue of its worker, before its chunk begins.
  std::chrono::nanoseconds queue{};
  std::chrono::nanoseconds start{};      ///< until the first worker was up
  std::chrono::nanoseconds held_back{};  ///< while items waited for the pool's items_per_second
  std::uint64_t chunks = 0;
  std::size_t chunk_size = 0;  ///< of the last ones
  std::string why;             ///< that size

  /// A few lines, the last of them one sentence of advice.
  [[nodiscard]] std::string text() const;
  [[nodiscard]] std::string advice() const;
};

}  // namespace troupe
