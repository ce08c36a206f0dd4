// What lies between messages and pipes: byte_queue, outbox, inbox, ring_writer, shared_page.
#include <support/catch.hpp>
#include <support/forged.hpp>

#include <troupe/engine/inbox.hpp>
#include <troupe/engine/outbox.hpp>
#include <troupe/engine/ring_writer.hpp>
#include <troupe/os/shared_memory.hpp>
#include <troupe/wire/shared_page.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <numeric>
#include <random>

using troupe::engine::inbox;
using troupe::engine::outbox;
using troupe::engine::scratch;
using troupe::wire::Envelope;
using troupe::wire::shared_page;

namespace {

/// Only its address counts.
class no_sink final : public troupe::engine::answer_sink {
public:
  void answered(std::uint64_t, const troupe::payload_view&) override {}
  void failed(std::uint64_t, const troupe::engine::failure&) override {}
};

std::uint64_t put(outbox& box, const std::string& text, no_sink* sink, std::uint64_t tag = 0) {
  const auto payload = troupe::codec::source_of(text);
  return box.add({sink != nullptr ? Envelope::Kind::REQUEST : Envelope::Kind::TELL, 0, 1}, payload,
                 troupe::wire::envelope_bytes(payload), sink, tag);
}

/// The worker has begun this message and not finished it.
troupe::wire::progress begun(std::uint64_t number) {
  return {number, number - 1};
}

/// Of the first 64.
std::vector<std::uint64_t> passed_over(std::uint64_t bits) {
  std::vector<std::uint64_t> words(troupe::wire::progress_slot::bits / 64);
  words[0] = bits;
  return words;
}

std::vector<std::uint64_t> numbers_in(outbox& box) {
  std::vector<std::uint64_t> numbers;
  box.each([&](std::uint64_t number, const auto&, auto) { numbers.push_back(number); });
  return numbers;
}

std::string text_of(std::span<const std::byte> frame) {
  return troupe::codec::value_of<std::string>(troupe::wire::checked_envelope{frame}.payload());
}

}  // namespace

TEST_CASE("a byte queue gives back what was put in, in order", "[wire][queue]") {
  troupe::wire::byte_queue queue;
  std::mt19937 random{1};
  std::uint8_t next_in = 0, next_out = 0;
  for (int round = 0; round < 5000; ++round) {
    const std::size_t in = random() % 300 * 8;
    std::byte* to = queue.reserve(in);
    REQUIRE(reinterpret_cast<std::uintptr_t>(to) % 8 == 0);
    for (std::size_t i = 0; i < in; ++i) to[i] = std::byte{next_in++};
    queue.commit(in);
    const std::size_t out = random() % (queue.size() / 8 + 1) * 8;
    for (std::size_t i = 0; i < out; ++i) REQUIRE(queue.data()[i] == std::byte{next_out++});
    queue.drop(out);
  }
  queue.drop(queue.size());
  CHECK(queue.empty());
}

TEST_CASE("a message that is handled for long does not keep the answers behind it",
          "[engine][outbox]") {
  outbox box;
  no_sink sink;
  const std::uint64_t asked = put(box, "how long?", &sink, 7);
  const std::uint64_t waiting = put(box, "later", nullptr);
  const std::string answer(100, 'a');
  const auto payload = troupe::codec::source_of(answer);
  std::size_t most = 0;
  for (int i = 0; i < 100'000; ++i) {
    box.add({Envelope::Kind::ANSWER, 1}, payload, troupe::wire::envelope_bytes(payload), nullptr,
            0);
    box.sent(box.unsent_bytes());
    box.settle(begun(asked));
    most = std::max(most, box.sent_bytes());
  }
  CHECK(most < 3 * outbox::max_bytes);
  put(box, "unsent", nullptr);
  CHECK(box.admits(100));
  CHECK(box.first_number() == asked);
  CHECK(box.not_begun(begun(asked)) == 2);
  std::vector<std::uint64_t> kept = numbers_in(box);
  REQUIRE(kept.size() >= 2);
  CHECK(kept[0] == asked);
  CHECK(kept[1] == waiting);
  std::vector<std::string> texts;
  box.each([&](auto, const outbox::entry& e, auto frame) {
    if (e.is != outbox::type::answer) texts.push_back(text_of(frame));
  });
  CHECK(texts == std::vector<std::string>{"how long?", "later", "unsent"});
  outbox::entry entry;
  CHECK(box.take(asked, entry) == outbox::match::taken);
  CHECK(entry.tag == 7);
}

TEST_CASE("what is kept beside answers still counts for what an outbox admits",
          "[engine][outbox]") {
  outbox box;
  no_sink sink;
  const std::uint64_t asked = put(box, "how long?", &sink, 7);
  const std::string answer(1 << 20, 'a');
  const auto payload = troupe::codec::source_of(answer);
  std::size_t told = 0;
  for (int i = 0; i < 100; ++i) {
    put(box, "kept from admitting all", nullptr);
    for (; box.admits(10'000); ++told) put(box, std::string(10'000, 't'), nullptr);
    box.add({Envelope::Kind::ANSWER, 1}, payload, troupe::wire::envelope_bytes(payload), nullptr,
            0);
    box.sent(box.unsent_bytes());
    box.settle(begun(asked));
  }
  CHECK(told <= outbox::max_bytes / 10'000 + 100);
}

TEST_CASE("an outbox numbers its messages from 1 and keeps them until they are settled",
          "[engine][outbox]") {
  outbox box;
  no_sink sink;
  CHECK(box.last_number() == 0);
  CHECK(put(box, "request", &sink, 7) == 1);
  CHECK(put(box, "tell", nullptr) == 2);
  CHECK(put(box, "request", &sink, 8) == 3);
  CHECK(box.last_number() == 3);
  outbox::entry entry;

  SECTION("nothing goes before it is sent") {
    CHECK(box.take(1, entry) == outbox::match::taken);
    box.settle(begun(3));
    CHECK(numbers_in(box) == std::vector<std::uint64_t>{1, 2, 3});
  }
  SECTION("a request goes when it is answered, a tell when its handler has returned, in order") {
    box.sent(box.unsent_bytes());
    CHECK(box.take(3, entry) == outbox::match::taken);
    CHECK(entry.tag == 8);
    CHECK(box.take(1, entry) == outbox::match::taken);
    CHECK(entry.tag == 7);
    box.settle(begun(1));
    CHECK(numbers_in(box) == std::vector<std::uint64_t>{2, 3});
    box.settle(begun(2));
    CHECK(numbers_in(box) == std::vector<std::uint64_t>{2, 3});
    CHECK_FALSE(box.empty());
    box.settle({2, 2});
    CHECK(numbers_in(box).empty());
    CHECK(box.empty());
    CHECK(box.last_number() == 3);
    CHECK(put(box, "next", nullptr) == 4);
  }
  SECTION("a request whose handler has returned goes, and its answer is still taken, once") {
    box.sent(box.unsent_bytes());
    box.settle({1, 1});
    CHECK(numbers_in(box) == std::vector<std::uint64_t>{1, 2, 3});
    std::size_t frames = 0;
    box.each([&](std::uint64_t, const auto&, auto frame) { frames += frame.empty() ? 0 : 1; });
    CHECK(frames == 2);
    CHECK(box.take(1, entry) == outbox::match::taken);
    CHECK(entry.tag == 7);
    CHECK(box.take(1, entry) == outbox::match::late);
  }
  SECTION("what was passed over stays, and holds up nothing") {
    const auto tell = std::size_t{1} << 2;
    const auto first_two = std::size_t{3} << 1;
    box.sent(box.unsent_bytes());
    box.settle({3, 2, 3, 3, passed_over(first_two)});
    CHECK(numbers_in(box) == std::vector<std::uint64_t>{1, 2, 3});
    CHECK(box.take(3, entry) == outbox::match::taken);
    box.settle({3, 3, 0, 3, passed_over(first_two)});
    CHECK(numbers_in(box) == std::vector<std::uint64_t>{1, 2});
    CHECK(box.first_number() == 1);
    CHECK(box.not_begun({3, 3, 0, 3, passed_over(first_two)}) == 2);
    std::vector<std::string> texts;
    box.each([&](std::uint64_t, const auto&, auto frame) { texts.push_back(text_of(frame)); });
    CHECK(texts == std::vector<std::string>{"request", "tell"});
    CHECK(put(box, "next", nullptr) == 4);
    box.settle({3, 3, 0, 3, passed_over(tell)});
    CHECK(numbers_in(box) == std::vector<std::uint64_t>{1, 2, 4});
    CHECK(box.take(1, entry) == outbox::match::taken);
    CHECK(entry.tag == 7);
    CHECK(box.take(1, entry) == outbox::match::late);
    CHECK(box.take(2, entry) == outbox::match::late);
    box.settle({3, 3});
    CHECK(numbers_in(box) == std::vector<std::uint64_t>{4});
  }
  SECTION("an answer keeps its number and goes when it is sent") {
    const int five = 5;
    const auto payload = troupe::codec::source_of(five);
    box.add({Envelope::Kind::ANSWER, 77}, payload, troupe::wire::envelope_bytes(payload), nullptr,
            0);
    box.sent(box.unsent_bytes());
    box.settle({3, 3});
    CHECK(numbers_in(box) == std::vector<std::uint64_t>{1, 3});
    CHECK(put(box, "next", nullptr) == 5);
  }
  SECTION("an answer is taken once") {
    CHECK(box.take(1, entry) == outbox::match::taken);
    CHECK(box.take(1, entry) == outbox::match::late);
    box.sent(box.unsent_bytes());
    box.settle(begun(1));
    CHECK(box.take(1, entry) == outbox::match::late);
  }
  SECTION("an answer to nothing is recognised") {
    for (const std::uint64_t number : {std::uint64_t{0}, std::uint64_t{4}, ~std::uint64_t{0}})
      CHECK(box.take(number, entry) == outbox::match::never_issued);
  }
  SECTION("an answer to what asks for none is late, whether it is still kept or not") {
    CHECK(box.take(2, entry) == outbox::match::late);
    box.sent(box.unsent_bytes());
    box.settle({2, 2});
    CHECK(numbers_in(box) == std::vector<std::uint64_t>{1, 3});
    CHECK(box.take(2, entry) == outbox::match::late);
    CHECK(box.take(1, entry) == outbox::match::taken);
  }
  SECTION("frames stay whole") {
    std::vector<std::string> texts;
    box.each([&](std::uint64_t, const auto&, auto frame) { texts.push_back(text_of(frame)); });
    CHECK(texts == std::vector<std::string>{"request", "tell", "request"});
  }
  SECTION("a forgotten sink is not called") {
    box.forget(sink);
    CHECK(box.take(1, entry) == outbox::match::taken);
    CHECK(entry.sink == nullptr);
  }
}

TEST_CASE("an outbox is bounded in messages and bytes, and a large message passes alone",
          "[engine][outbox]") {
  outbox box;
  CHECK(box.admits(100 << 20));
  put(box, std::string(2 << 20, 'x'), nullptr);
  CHECK_FALSE(box.admits(0));
  box.sent(box.unsent_bytes());
  CHECK(box.admits(100 << 20));
  box.settle({1, 1});
  std::uint64_t count = 0;
  while (box.admits(100)) {
    put(box, "", nullptr);
    ++count;
  }
  CHECK(count == std::min<std::uint64_t>(outbox::max_messages, outbox::max_bytes / 72));
}

TEST_CASE("an inbox hands out whole frames however the bytes come", "[engine][inbox]") {
  std::vector<std::string> texts;
  std::string stream;
  std::mt19937 random{9};
  for (int i = 0; i < 60; ++i) {
    const std::size_t size = random() % 10 == 0 ? random() % 400'000 : random() % 200;
    texts.emplace_back(size, static_cast<char>('a' + i % 26));
    stream += test::answer_frame(static_cast<std::uint64_t>(i), texts.back());
  }
  auto pipe = troupe::os::open_pipe(true);
  inbox box{1 << 20};
  scratch shared;
  std::vector<std::string> got;
  const auto handle = [&](std::span<const std::byte> frame) { got.push_back(text_of(frame)); };
  std::size_t written = 0;
  while (written < stream.size()) {
    const std::size_t piece = std::min<std::size_t>(1 + random() % 30'000, stream.size() - written);
    REQUIRE(write(pipe.write, stream.data() + written, piece) == static_cast<ssize_t>(piece));
    written += piece;
    while (box.read(pipe.read, shared, handle) == inbox::state::open) {
    }
  }
  CHECK(got == texts);
  CHECK(box.received() == stream.size());
  pipe.write = nullptr;
  CHECK(box.read(pipe.read, shared, handle) == inbox::state::closed);
}

TEST_CASE("an inbox can be read again while it hands out frames", "[engine][inbox]") {
  std::vector<std::string> texts;
  std::string stream;
  std::mt19937 random{10};
  for (int i = 0; i < 200; ++i) {
    const std::size_t size = random() % 20 == 0 ? random() % 400'000 : random() % 20'000;
    texts.emplace_back(size, static_cast<char>('a' + i % 26));
    stream += test::answer_frame(static_cast<std::uint64_t>(i), texts.back());
  }
  auto pipe = troupe::os::open_pipe(true);
  inbox box{1 << 20};
  scratch shared;
  std::vector<std::string> got;
  std::size_t written = 0;
  const auto write_more = [&] {
    const std::size_t piece = std::min<std::size_t>(1 + random() % 60'000, stream.size() - written);
    const auto done = write(pipe.write, stream.data() + written, piece);
    if (done > 0) written += static_cast<std::size_t>(done);
  };
  const std::function<void(std::span<const std::byte>)> handle = [&](auto frame) {
    got.push_back(text_of(frame));
    if (random() % 3 != 0) return;
    box.hand_out_rest(handle);
    write_more();
    box.read(pipe.read, shared, handle);
  };
  while (written < stream.size()) {
    write_more();
    while (box.read(pipe.read, shared, handle) == inbox::state::open) {
    }
  }
  CHECK(got == texts);
  CHECK(box.received() == stream.size());
}

TEST_CASE("an inbox takes a dead worker's rest at any position", "[engine][inbox]") {
  std::string stream;
  for (int i = 0; i < 5; ++i) stream += test::answer_frame(1, std::string(20, 'x'));
  for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
    auto pipe = troupe::os::open_pipe(true);
    inbox box{1 << 20};
    scratch shared;
    int frames = 0;
    const auto count = [&](auto) { ++frames; };
    if (cut != 0) {
      REQUIRE(write(pipe.write, stream.data(), cut) > 0);
      box.read(pipe.read, shared, count);
    }
    box.feed(std::as_bytes(std::span{stream}).subspan(cut), count);
    REQUIRE(frames == 5);
    REQUIRE(box.received() == stream.size());
  }
}

TEST_CASE("an inbox refuses what is too large or no frame", "[engine][inbox]") {
  for (const std::uint64_t head : {~std::uint64_t{0}, std::uint64_t{1 << 20} << 32}) {
    auto pipe = troupe::os::open_pipe(true);
    inbox box{1 << 20};
    scratch shared;
    REQUIRE(write(pipe.write, &head, sizeof head) == sizeof head);
    CHECK_THROWS_AS(box.read(pipe.read, shared, [](auto) {}), kj::Exception);
  }
}

TEST_CASE("a ring writer's bytes are in the pipe or in the ring, never lost or twice",
          "[engine][ring]") {
  const auto memory = troupe::os::create_shared_memory("ring", shared_page::total_bytes);
  const troupe::os::shared_mapping mapping{memory, shared_page::total_bytes};
  auto& page = *reinterpret_cast<shared_page*>(mapping.data());
  auto pipe = troupe::os::open_pipe(true);
  troupe::engine::ring_writer ring{page, mapping.data() + shared_page::ring_offset,
                                   pipe.write.get()};
  inbox box{4 << 20};
  scratch shared;
  std::uint64_t next = 0;
  const auto handle = [&](std::span<const std::byte> frame) {
    REQUIRE(text_of(frame).rfind(std::to_string(next++) + ' ', 0) == 0);
  };
  std::mt19937 random{11};
  for (std::uint64_t i = 0; i < 3000; ++i) {
    const auto frame =
        test::answer_frame(1, std::to_string(i) + ' ' + std::string(random() % 300, 'x'));
    ring.add(frame.size(), [&](std::byte* at) {
      std::memcpy(at, frame.data(), frame.size());
      return frame.size();
    });
    // The pipe must not fill up: nobody reads while this thread writes.
    if (random() % 8 == 0 || ring.unwritten() > 30'000) {
      ring.flush();
      if (random() % 2 == 0) box.read(pipe.read, shared, handle);
      while (ring.unwritten() == 0 && box.read(pipe.read, shared, handle) == inbox::state::open) {
      }
    }
    if (random() % 100 == 0) {  // as if the worker died here
      while (box.read(pipe.read, shared, handle) == inbox::state::open) {
      }
      const auto rest = troupe::wire::rest_of_ring(page.origin, page.committed, box.received());
      CHECK(rest.bytes == ring.unwritten());
    }
  }
  while (box.read(pipe.read, shared, handle) == inbox::state::open) {
  }
  const auto rest = troupe::wire::rest_of_ring(page.origin, page.committed, box.received());
  box.feed({mapping.data() + shared_page::ring_offset + rest.position, rest.bytes}, handle);
  CHECK(next == 3000);
}

TEST_CASE("a ring writer whose pipe nobody reads any more stays within its ring",
          "[engine][ring]") {
  const auto before = signal(SIGPIPE, SIG_IGN);
  const auto memory = troupe::os::create_shared_memory("ring", shared_page::total_bytes);
  const troupe::os::shared_mapping mapping{memory, shared_page::total_bytes};
  auto& page = *reinterpret_cast<shared_page*>(mapping.data());
  auto pipe = troupe::os::open_pipe(true);
  std::byte* const begin = mapping.data() + shared_page::ring_offset;
  troupe::engine::ring_writer ring{page, begin, pipe.write.get()};
  pipe.read = nullptr;
  constexpr std::size_t bytes = 100'000;
  for (int i = 0; i < 25; ++i) {
    ring.add(bytes, [&](std::byte* at) {
      CHECK(at >= begin);
      CHECK(at + bytes <= begin + shared_page::ring_bytes);
      return bytes;
    });
    if (i % 2 == 0) {
      ring.flush();
      CHECK(ring.unwritten() == 0);
    }
  }
  signal(SIGPIPE, before);
}

TEST_CASE("numbers of a peer that can't be true give no rest", "[wire][shared_page]") {
  using troupe::wire::rest_of_ring;
  constexpr std::uint64_t size = shared_page::ring_bytes;
  CHECK(rest_of_ring(0, 100, 40).position == 40);
  CHECK(rest_of_ring(0, 100, 40).bytes == 60);
  CHECK(rest_of_ring(1000, 1100, 1000).position == 0);
  CHECK(rest_of_ring(0, 100, 100).bytes == 0);
  CHECK(rest_of_ring(0, 90, 100).bytes == 0);
  CHECK(rest_of_ring(200, 300, 100).bytes == 0);
  CHECK(rest_of_ring(0, size + 1, 0).bytes == 0);
  CHECK(rest_of_ring(0, size, 0).bytes == size);
  CHECK(rest_of_ring(0, size + 50, 100).bytes == 0);
  CHECK(rest_of_ring(0, ~std::uint64_t{0}, 5).bytes == 0);
  CHECK(rest_of_ring(0, ~std::uint64_t{0}, ~std::uint64_t{0} - 8).bytes == 0);
}

TEST_CASE("a peer's number is brought into the range that can be true", "[wire][shared_page]") {
  using troupe::wire::clamped;
  CHECK(clamped(5, 3, 9) == 5);
  CHECK(clamped(1, 3, 9) == 3);
  CHECK(clamped(~std::uint64_t{0}, 3, 9) == 9);
}
