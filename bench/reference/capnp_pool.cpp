// capnp_pool        100,000 squares by two forked processes, one Cap'n Proto message a task and a
//                   result. Up to 512 tasks are with a process; it gets new ones when half of them
//                   are done. Results that are ready together travel together.
// capnp_pool auto   1,000,000 squares in eight messages, four for each of the two processes.
#include <message.capnp.h>

#include <functional>

#include "frames.hpp"

using namespace reference;

namespace {

constexpr std::int64_t tasks = 100'000;
constexpr std::size_t window = 512;
constexpr std::size_t message_words = 8;

std::size_t build_task(capnp::word* to, std::int64_t index, std::int64_t item) {
  return build(to, message_words, [&](capnp::MessageBuilder& builder) {
    auto batch = builder.initRoot<Batch>();
    batch.setFirst(static_cast<std::uint64_t>(index));
    batch.initItems(1).set(0, item);
  });
}

void square_all(int in, int out) {
  stream from{in};
  std::vector<capnp::word> results(2 * 8192);
  std::size_t held = 0;
  while (from.read_some([&](capnp::MessageReader& reader) {
    const auto batch = reader.getRoot<Batch>();
    const std::int64_t item = batch.getItems()[0];
    held +=
        build_task(results.data() + held, static_cast<std::int64_t>(batch.getFirst()), item * item);
  })) {
    write_all(out, results.data(), held * sizeof(capnp::word));
    held = 0;
  }
}

constexpr std::size_t workers = 2;

/// Blocks for one whole message; false at the end.
bool read_message(int fd, std::vector<capnp::word>& words) {
  std::uint32_t table[2];
  if (!read_all(fd, table, sizeof table)) return false;
  words.resize(table[1]);
  return read_all(fd, words.data(), words.size() * sizeof(capnp::word));
}

void handle(const std::vector<capnp::word>& words, const std::function<void(Batch::Reader)>& with) {
  capnp::ReaderOptions all;
  all.traversalLimitInWords = std::uint64_t{1} << 40;
  const kj::ArrayPtr<const capnp::word> segments[] = {kj::arrayPtr(words.data(), words.size())};
  capnp::SegmentArrayMessageReader reader{segments, all};
  with(reader.getRoot<Batch>());
}

/// Builds a batch in fresh memory and writes it.
template <class ItemAt>
void write_batch(int fd, std::uint64_t first, std::size_t count, ItemAt item_at) {
  capnp::MallocMessageBuilder builder{static_cast<unsigned>(count + 32)};
  auto batch = builder.initRoot<Batch>();
  batch.setFirst(first);
  auto items = batch.initItems(static_cast<unsigned>(count));
  for (unsigned i = 0; i < items.size(); ++i) items.set(i, item_at(i));
  const auto segment = builder.getSegmentsForOutput()[0];
  const std::uint32_t table[2] = {0, static_cast<std::uint32_t>(segment.size())};
  write_all(fd, table, sizeof table);
  write_all(fd, segment.begin(), segment.size() * sizeof(capnp::word));
}

void square_batches(int in, int out) {
  std::vector<capnp::word> words;
  while (read_message(in, words))
    handle(words, [&](Batch::Reader batch) {
      const auto items = batch.getItems();
      write_batch(out, batch.getFirst(), items.size(),
                  [&](unsigned i) { return items[i] * items[i]; });
    });
}

void in_large_batches() {
  constexpr std::size_t all = 1'000'000;
  std::array<child, workers> pool;
  for (auto& w : pool) w = child::forked(square_batches, 1 << 20);
  std::vector<std::int64_t> items(all);
  for (std::size_t i = 0; i < all; ++i) items[i] = static_cast<std::int64_t>(i);
  std::vector<std::int64_t> results(all, -1);
  std::vector<capnp::word> words;
  std::size_t next = 0;
  std::size_t done = 0;
  const auto feed = [&](const child& w) {
    const std::size_t count = std::min(all / (4 * workers), all - next);
    if (count == 0) return;
    write_batch(w.to, next, count, [&](unsigned i) { return items[next + i]; });
    next += count;
  };
  const auto begin = clock::now();
  for (const auto& w : pool) feed(w);
  while (done < all) {
    std::array<pollfd, workers> readable;
    for (std::size_t w = 0; w < workers; ++w) readable[w] = {pool[w].from, POLLIN, 0};
    require(poll(readable.data(), workers, -1) > 0, "poll");
    for (std::size_t w = 0; w < workers; ++w) {
      if ((readable[w].revents & POLLIN) == 0) continue;
      require(read_message(pool[w].from, words), "a process ended");
      handle(words, [&](Batch::Reader batch) {
        const auto squares = batch.getItems();
        for (unsigned i = 0; i < squares.size(); ++i) results[batch.getFirst() + i] = squares[i];
        done += squares.size();
      });
      feed(pool[w]);
    }
  }
  const double time = us(clock::now() - begin);
  for (std::size_t i = 0; i < all; ++i)
    require(results[i] == items[i] * items[i], "a wrong result");
  for (const auto& w : pool) w.reap();
  value("B5", "capnp_fork_auto", "wall", time / 1e3, "ms");
  value("B5", "capnp_fork_auto", "per_task", time / static_cast<double>(all), "us");
}

}  // namespace

int main(int argc, char**) {
  if (argc > 1) {
    in_large_batches();
    return 0;
  }
  std::array<child, workers> pool;
  for (auto& w : pool) w = child::forked(square_all, 1 << 20);
  std::vector<stream> from;
  for (const auto& w : pool) from.emplace_back(w.from);
  std::array<std::size_t, workers> with{};
  std::vector<std::int64_t> results(static_cast<std::size_t>(tasks), -1);
  std::vector<capnp::word> batch(window * message_words);
  std::int64_t next = 0;
  std::int64_t done = 0;
  const auto feed = [&](std::size_t w) {
    if (with[w] > window / 2) return;
    std::size_t held = 0;
    for (; with[w] < window && next < tasks; ++with[w], ++next)
      held += build_task(batch.data() + held, next, next);
    if (held != 0) write_all(pool[w].to, batch.data(), held * sizeof(capnp::word));
  };
  const auto begin = clock::now();
  for (std::size_t w = 0; w < workers; ++w) feed(w);
  while (done < tasks) {
    std::array<pollfd, workers> readable;
    for (std::size_t w = 0; w < workers; ++w) readable[w] = {pool[w].from, POLLIN, 0};
    require(poll(readable.data(), workers, -1) > 0, "poll");
    for (std::size_t w = 0; w < workers; ++w) {
      if ((readable[w].revents & POLLIN) == 0) continue;
      require(from[w].read_some([&](capnp::MessageReader& reader) {
        const auto result = reader.getRoot<Batch>();
        results[result.getFirst()] = result.getItems()[0];
        --with[w];
        ++done;
      }),
              "a process ended");
      feed(w);
    }
  }
  const double time = us(clock::now() - begin);
  for (std::int64_t i = 0; i < tasks; ++i)
    require(results[static_cast<std::size_t>(i)] == i * i, "a wrong result");
  for (const auto& w : pool) w.reap();
  value("B5", "capnp_fork_chunk1_window", "wall", time / 1e3, "ms");
  value("B5", "capnp_fork_chunk1_window", "per_task", time / static_cast<double>(tasks), "us");
}
