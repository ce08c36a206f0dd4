#include <support/catch.hpp>
#include <support/forged.hpp>

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <schemas/shapes.capnp.h>
#include <troupe/wire/envelope.hpp>
#include <troupe/wire/frame.hpp>

#include <ctime>
#include <random>

using troupe::wire::checked_envelope;
using troupe::wire::Envelope;
using troupe::wire::frame_head;
using troupe::wire::read_frame_head;

namespace {

std::vector<std::uint64_t> aligned(const std::string& bytes) {
  std::vector<std::uint64_t> words((bytes.size() + 7) / 8);
  std::memcpy(words.data(), bytes.data(), bytes.size());
  return words;
}

std::span<const std::byte> bytes_of(const std::vector<std::uint64_t>& words) {
  return std::as_bytes(std::span{words});
}

frame_head head_of(const std::vector<std::uint32_t>& table, std::size_t limit = 1 << 20) {
  return read_frame_head(std::as_bytes(std::span{table}), limit);
}

}  // namespace

TEST_CASE("the head of a frame tells the size of all of it", "[wire][frame]") {
  using state = frame_head::state;
  CHECK(head_of({}).is == state::incomplete);
  CHECK(head_of({0}).is == state::incomplete);
  CHECK(head_of({0, 0}).bytes == 8);
  CHECK(head_of({0, 5}).bytes == 8 + 40);
  CHECK(head_of({1, 5}).is == state::incomplete);
  CHECK(head_of({1, 5, 7, 0}).bytes == 16 + 96);
  CHECK(head_of({2, 1, 2, 3}).bytes == 16 + 48);
  CHECK(head_of({3, 1, 1, 1, 1, 0}).bytes == 24 + 32);
  CHECK(head_of({511, 0}).is == state::bad_segments);
  CHECK(head_of({~0U, ~0U}).is == state::bad_segments);
  CHECK(head_of({0, ~0U}).is == state::too_large);
  CHECK(head_of({0, 2}, 24).is == state::known);
  CHECK(head_of({0, 3}, 24).is == state::too_large);
  std::vector<std::uint32_t> most(512, ~0U);
  most[0] = 510;
  CHECK(head_of(most).is == state::too_large);
  most.pop_back();
  CHECK(head_of(most).is == state::incomplete);
}

TEST_CASE("the head of a frame agrees with Cap'n Proto for every number of segments",
          "[wire][frame]") {
  for (std::uint32_t segments = 1; segments <= 511; ++segments) {
    capnp::MallocMessageBuilder builder{1, capnp::AllocationStrategy::FIXED_SIZE};
    auto list = builder.initRoot<test::Shape>().initHoles(1);
    for (std::uint32_t i = 1; i < segments / 2 && i < 60; ++i) list = list[0].initHoles(1);
    const auto words = capnp::messageToFlatArray(builder);
    const auto bytes = words.asBytes();
    const auto head =
        read_frame_head({reinterpret_cast<const std::byte*>(bytes.begin()), bytes.size()}, 1 << 20);
    REQUIRE(head.is == frame_head::state::known);
    REQUIRE(head.bytes == bytes.size());
  }
}

TEST_CASE("an envelope has what was put in", "[wire][envelope]") {
  const auto words = aligned(test::frame_of(Envelope::Kind::ANSWER, 77, std::string{"content"}));
  const checked_envelope envelope{bytes_of(words)};
  CHECK(envelope->getKind() == Envelope::Kind::ANSWER);
  CHECK(envelope->getNumber() == 77);
  CHECK(troupe::codec::value_of<std::string>(envelope.payload()) == "content");

  const auto point = troupe::make<test::Point>([](auto p) { p.setY(9); });
  const auto other = aligned(test::frame_of(Envelope::Kind::TELL, 1, point));
  const checked_envelope with_struct{bytes_of(other)};
  CHECK(troupe::codec::value_of<troupe::msg<test::Point>>(with_struct.payload())->getY() == 9);
}

TEST_CASE("a remembered form changes nothing of what is written or read", "[wire][envelope]") {
  troupe::wire::envelope_writer writer;
  troupe::wire::envelope_reader reader;
  std::mt19937 random{3};
  for (std::uint64_t number = 1; number < 2000; ++number) {
    const std::string text(random() % 4 * (random() % 30), static_cast<char>('a' + random() % 26));
    const auto payload = troupe::codec::source_of(text);
    const auto kind = random() % 3 == 0 ? Envelope::Kind::TELL : Envelope::Kind::REQUEST;
    const std::uint64_t target = random() % 3 == 0 ? 2 : 1;
    const std::size_t room = troupe::wire::envelope_bytes(payload);
    std::vector<std::uint64_t> usual(room / 8), fresh(room / 8, ~std::uint64_t{0});
    const auto used = writer.write(reinterpret_cast<std::byte*>(usual.data()), room,
                                   {kind, number, target}, payload);
    REQUIRE(troupe::wire::envelope_writer{}.write(reinterpret_cast<std::byte*>(fresh.data()), room,
                                                  {kind, number, target}, payload) == used);
    REQUIRE(std::vector(usual.begin(), usual.begin() + static_cast<std::ptrdiff_t>(used / 8)) ==
            std::vector(fresh.begin(), fresh.begin() + static_cast<std::ptrdiff_t>(used / 8)));
    const auto& message = reader.read(bytes_of(usual).first(used));
    REQUIRE(message.kind == kind);
    REQUIRE(message.number == number);
    REQUIRE(message.target == target);
    REQUIRE(troupe::codec::value_of<std::string>(message.payload) == text);
  }
}

TEST_CASE("a remembered form of structs changes nothing either", "[wire][envelope]") {
  troupe::wire::envelope_writer writer;
  troupe::wire::envelope_reader reader;
  std::mt19937 random{4};
  for (std::uint64_t number = 1; number < 1000; ++number) {
    const auto shape = troupe::make<test::Shape>([&](auto s) {
      s.setName(std::string(random() % 20, 'n'));
      s.initCorners(static_cast<unsigned>(random() % 3));
    });
    const auto point = troupe::make<test::Point>([&](auto p) { p.setX(static_cast<int>(number)); });
    const bool is_shape = random() % 3 != 0;
    auto payload = is_shape ? troupe::codec::source_of(shape) : troupe::codec::source_of(point);
    const troupe::wire::header head{
        random() % 3 == 0 ? Envelope::Kind::TELL : Envelope::Kind::ANSWER, number, random() % 3,
        static_cast<std::uint8_t>(random() % 2), static_cast<std::uint16_t>(random() % 2)};
    std::vector<std::uint64_t> quick(64), slow(64);
    const auto write = [&](auto& with, auto& to) {
      REQUIRE(troupe::wire::envelope_bytes(head, payload) <= to.size() * 8);
      return with.write(reinterpret_cast<std::byte*>(to.data()),
                        troupe::wire::envelope_bytes(head, payload), head, payload);
    };
    const auto used = write(writer, quick);
    payload.segment = {};  // as Cap'n Proto itself writes it
    troupe::wire::envelope_writer by_capnp;
    REQUIRE(write(by_capnp, slow) == used);
    REQUIRE(quick == slow);
    const auto& message = reader.read(bytes_of(quick).first(used));
    REQUIRE(message.kind == head.kind);
    REQUIRE(message.number == number);
    REQUIRE(message.target == head.target);
    REQUIRE(message.priority == head.priority);
    REQUIRE(message.sender == head.sender);
    if (is_shape) {
      const auto same = troupe::codec::value_of<troupe::msg<test::Shape>>(message.payload);
      REQUIRE(std::string{same->getName().cStr()} == shape->getName().cStr());
      REQUIRE(same->getCorners().size() == shape->getCorners().size());
    } else {
      REQUIRE(troupe::codec::value_of<troupe::msg<test::Point>>(message.payload)->getX() ==
              point->getX());
    }
    // Bytes of a peer: read in bounds or refused, with a form to compare with or without.
    std::vector<std::uint64_t> bad(quick.begin(),
                                   quick.begin() + static_cast<std::ptrdiff_t>(used / 8));
    bad[7 + random() % (bad.size() - 7)] ^= std::uint64_t{1} << (random() % 64);
    try {
      const auto& read = reader.read(bytes_of(bad));
      if (is_shape) {
        const auto odd = troupe::codec::value_of<troupe::msg<test::Shape>>(read.payload);
        static_cast<void>(odd->getName().size() + odd->getCorners().size() +
                          odd->getHoles().size());
      }
    } catch (const kj::Exception&) {
    }
  }
}

TEST_CASE("a mutated frame reads as it would without a remembered form", "[wire][envelope]") {
  const auto usual = aligned(test::answer_frame(5, std::string{"some text of some length"}));
  std::mt19937 random{5};
  for (int round = 0; round < 50'000; ++round) {
    auto mutated = usual;
    for (auto flips = 1 + random() % 3; flips > 0; --flips)
      mutated[random() % mutated.size()] ^= std::uint64_t{1} << (random() % 64);
    // The table is the business of the stream's reader.
    mutated[0] = usual[0];
    const auto outcome = [&mutated](bool remembers, const std::vector<std::uint64_t>& first) {
      troupe::wire::envelope_reader reader;
      if (remembers) reader.read(bytes_of(first));
      try {
        const auto& m = reader.read(bytes_of(mutated));
        return std::to_string(static_cast<int>(m.kind)) + ' ' + std::to_string(m.number) + ' ' +
               std::to_string(m.target) + ' ' + std::to_string(static_cast<int>(m.payload.is)) +
               ' ' +
               std::string{reinterpret_cast<const char*>(m.payload.plain.data()),
                           m.payload.plain.size()};
      } catch (const kj::Exception&) {
        return std::string{"refused"};
      }
    };
    REQUIRE(outcome(true, usual) == outcome(false, usual));
  }
}

TEST_CASE("overlapping pointers that multiply the work are refused at once", "[wire][envelope]") {
  // Twelve lists of thirty pointers, each pointer of one to the whole next: 30^12 ends in 2,900
  // bytes.
  constexpr std::uint64_t levels = 12, width = 30;
  std::vector<std::uint64_t> words{0};
  const auto struct_pointer = [](std::uint64_t offset, std::uint64_t data, std::uint64_t pointers) {
    return offset << 2 | data << 32 | pointers << 48;
  };
  const auto list_pointer = [](std::uint64_t offset, std::uint64_t count) {
    return std::uint64_t{1} | (offset << 2 & 0xffffffffU) | std::uint64_t{6} << 32 | count << 35;
  };
  words.push_back(struct_pointer(0, 0, 1));
  words.push_back(list_pointer(0, width));
  for (std::uint64_t level = 0; level < levels; ++level)
    for (std::uint64_t i = 0; i < width; ++i)
      words.push_back(level + 1 == levels ? 0 : list_pointer(width - 1 - i, width));
  words[0] = std::uint64_t{words.size() - 1} << 32;
  REQUIRE(words.size() * 8 < 3000);
  CHECK_THROWS_AS(checked_envelope{bytes_of(words)}, kj::Exception);

  const std::clock_t start = std::clock();
  constexpr int rounds = 100;
  for (int i = 0; i < rounds; ++i) {
    try {
      checked_envelope{bytes_of(words)};
    } catch (const kj::Exception&) {
    }
  }
  const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC / rounds;
#if !defined(__SANITIZE_ADDRESS__)
  CHECK(seconds < 1e-3);
#endif
  static_cast<void>(seconds);
}

TEST_CASE("each failure code travels by its name", "[wire][envelope]") {
  using troupe::errc;
  for (int code = 1; code <= static_cast<int>(errc::exception); ++code) {
    troupe::wire::byte_queue bytes;
    troupe::wire::append_envelope(bytes, Envelope::Kind::FAILURE, 3, 0, [&](Envelope::Builder e) {
      troupe::wire::set_failure(e, static_cast<errc>(code), "text");
    });
    const checked_envelope envelope{bytes.view()};
    const auto failure = envelope->getBody().getFailure();
    CHECK(troupe::wire::code_of(failure.getCode()) == static_cast<errc>(code));
    CHECK(failure.getText() == "text");
  }
  CHECK(troupe::wire::code_of(static_cast<troupe::schema::Failure::Code>(99)) == errc::exception);
}

TEST_CASE("the text of a failure is cut at 64 KiB", "[wire][envelope]") {
  troupe::wire::byte_queue bytes;
  troupe::wire::append_envelope(bytes, Envelope::Kind::FAILURE, 3, 0, [&](Envelope::Builder e) {
    troupe::wire::set_failure(e, troupe::errc::exception, std::string(1 << 20, 'x'));
  });
  CHECK(checked_envelope { bytes.view() } -> getBody().getFailure().getText().size() == 64 * 1024);
}
