#include <support/catch.hpp>

#include <schemas/shapes.capnp.h>
#include <caf/meta/type_name.hpp>
#include <troupe/codec.hpp>

#include <cmath>
#include <limits>
#include <list>
#include <map>
#include <random>
#include <unordered_map>

using namespace std::chrono_literals;
namespace codec = troupe::codec;

namespace {

struct person {
  std::string name;
  int age = 0;
  std::vector<std::string> children;
  friend bool operator==(const person&, const person&) = default;
};

template <class Inspector>
auto inspect(Inspector& f, person& x) {
  return f(caf::meta::type_name("person"), x.name, x.age, x.children);
}

struct nothing {
  friend bool operator==(nothing, nothing) = default;
};

template <class Inspector>
auto inspect(Inspector& f, nothing&) {
  return f(caf::meta::type_name("nothing"));
}

template <class T>
std::vector<std::byte> bytes_of(const T& value) {
  const auto source = codec::source_of(value);
  std::vector<std::byte> bytes(source.plain_bytes);
  source.write(source.value, bytes.data());
  return bytes;
}

template <class T>
T value_of(std::span<const std::byte> bytes) {
  return codec::value_of<T>({troupe::payload_view::kind::plain, bytes, 0, {}, {}});
}

template <class T>
bool survives(const T& value) {
  return value_of<T>(bytes_of(value)) == value;
}

enum class small : std::int8_t { minus = -1, plus = 1 };

}  // namespace

TEST_CASE("plain values survive the way through bytes", "[codec]") {
  CHECK(survives(true));
  CHECK(survives('x'));
  CHECK(survives(std::numeric_limits<std::int64_t>::min()));
  CHECK(survives(std::numeric_limits<std::uint64_t>::max()));
  CHECK(survives(std::numeric_limits<double>::infinity()));
  CHECK(std::isnan(value_of<double>(bytes_of(std::nan("")))));
  CHECK(survives(small::minus));
  CHECK(survives(std::string{}));
  CHECK(survives(std::string("a\0b", 3)));
  CHECK(survives(std::vector<int>{}));
  CHECK(survives(std::vector<double>{0.1, -0.0}));
  CHECK(survives(std::vector<bool>{true, false}));
  CHECK(survives(std::vector<std::vector<std::string>>{{}, {"a"}, {"b", ""}}));
  CHECK(survives(std::list<int>{3, 2, 1}));
  CHECK(survives(std::map<int, std::string>{{1, "one"}, {2, "two"}}));
  CHECK(survives(std::unordered_map<std::string, std::vector<int>>{{"a", {1}}, {"b", {}}}));
  CHECK(survives(std::set<std::string>{"x", "y"}));
  CHECK(survives(std::optional<std::string>{}));
  CHECK(survives(std::optional<std::string>{"there"}));
  CHECK(survives(std::pair{1, std::string{"one"}}));
  CHECK(survives(std::tuple{1, 2.5, std::vector<int>{3}}));
  CHECK(survives(std::array<std::uint16_t, 3>{1, 2, 3}));
  CHECK(survives(std::array<std::string, 2>{"a", "b"}));
  CHECK(survives(std::chrono::nanoseconds{-5}));
  CHECK(survives(std::filesystem::path{"/a b/c"}));
  CHECK(survives(person{"Ada", 36, {"Byron", ""}}));
  CHECK(survives(std::vector<nothing>(3)));
  CHECK(survives(std::list<std::tuple<>>(2)));
  CHECK(survives(std::vector<person>{{}, {"Ada", 36, {"Byron"}}}));
}

TEST_CASE("plain values are little-endian and without padding", "[codec]") {
  const auto bytes = bytes_of(std::tuple{std::uint8_t{1}, std::uint32_t{0x05040302}});
  CHECK(bytes == std::vector<std::byte>{std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4},
                                        std::byte{5}});
  CHECK(bytes_of(std::string{"ab"}).size() == 8 + 2);
}

TEST_CASE("bytes cut short are malformed, for each length", "[codec]") {
  const auto value = std::tuple{std::string{"name"}, std::map<int, std::vector<int>>{{1, {2, 3}}},
                                std::optional<double>{1.5}, person{"Ada", 36, {"Byron"}}};
  const auto bytes = bytes_of(value);
  for (std::size_t length = 0; length < bytes.size(); ++length)
    CHECK_THROWS_AS(value_of<std::remove_const_t<decltype(value)>>(std::span{bytes}.first(length)),
                    codec::malformed);
  auto longer = bytes;
  longer.push_back({});
  CHECK_THROWS_AS(value_of<std::remove_const_t<decltype(value)>>(longer), codec::malformed);
}

TEST_CASE("a count beyond the bytes that follow allocates nothing", "[codec]") {
  for (const std::uint64_t count :
       {~std::uint64_t{0}, std::uint64_t{1} << 61, std::uint64_t{100}}) {
    const auto bytes = bytes_of(count);
    CHECK_THROWS_AS(value_of<std::string>(bytes), codec::malformed);
    CHECK_THROWS_AS(value_of<std::vector<std::int64_t>>(bytes), codec::malformed);
    CHECK_THROWS_AS(value_of<std::vector<std::string>>(bytes), codec::malformed);
    CHECK_THROWS_AS((value_of<std::map<int, int>>(bytes)), codec::malformed);
    CHECK_THROWS_AS(value_of<std::vector<bool>>(bytes), codec::malformed);
  }
}

TEST_CASE("a truth value is 0 or 1", "[codec]") {
  const std::array<std::byte, 1> two{std::byte{2}};
  CHECK_THROWS_AS(value_of<bool>(two), codec::malformed);
  CHECK_THROWS_AS((value_of<std::array<bool, 1>>(two)), codec::malformed);
  CHECK_THROWS_AS(value_of<std::optional<int>>(two), codec::malformed);
  CHECK(survives(std::array<bool, 3>{true, false, true}));
}

TEST_CASE("random bytes become a value or an error", "[codec]") {
  using type = std::tuple<std::string, std::vector<std::pair<int, std::string>>,
                          std::optional<std::map<std::uint8_t, std::uint16_t>>, bool>;
  std::mt19937 random{7};
  int values = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::vector<std::byte> bytes(random() % 60);
    for (auto& b : bytes) b = static_cast<std::byte>(random() % 4 == 0 ? random() % 6 : 0);
    try {
      static_cast<void>(value_of<type>(bytes));
      ++values;
    } catch (const codec::malformed&) {
    }
  }
  CHECK(values > 0);
}

TEST_CASE("a schema message inside plain values keeps its content", "[codec][msg]") {
  const auto point = troupe::make<test::Point>([](auto p) { p.setX(-4); });
  const auto back =
      value_of<std::vector<troupe::msg<test::Point>>>(bytes_of(std::vector{point, {}}));
  REQUIRE(back.size() == 2);
  CHECK(back[0]->getX() == -4);
  CHECK(back[1]->getX() == 0);
}

TEST_CASE("a message of one kind is not taken for another", "[codec][msg]") {
  const auto point = troupe::make<test::Point>([](auto p) { p.setX(1); });
  const auto words = point.frame();
  CHECK_FALSE(words.empty());
  const troupe::payload_view plain{troupe::payload_view::kind::plain, {}, 0, {}, {}};
  CHECK_THROWS_AS(codec::value_of<troupe::msg<test::Point>>(plain), troupe::wrong_schema);
  const troupe::payload_view structure{troupe::payload_view::kind::structure, {}, 5, {}, {}};
  CHECK_THROWS_AS(codec::value_of<troupe::msg<test::Point>>(structure), troupe::wrong_schema);
  CHECK_THROWS_AS(codec::value_of<int>(structure), codec::malformed);
}
