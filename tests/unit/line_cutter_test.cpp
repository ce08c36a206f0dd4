#include <support/catch.hpp>

#include <string>
#include <troupe/engine/line_cutter.hpp>
#include <vector>

using troupe::engine::line_cutter;

namespace {

/// All lines that there are now; "+" at the end of one that goes on.
std::vector<std::string> lines_of(line_cutter& from) {
  std::vector<std::string> all;
  while (const auto line = from.next())
    all.push_back(std::string{line->text} + (line->more ? "+" : ""));
  return all;
}

using lines = std::vector<std::string>;
constexpr std::size_t most = line_cutter::max_line;

}  // namespace

TEST_CASE("bytes are cut into lines wherever they were cut before", "[unit][lines]") {
  const std::string text = "one\n\nthree\n four";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    INFO(cut);
    line_cutter cutter;
    cutter.add(text.substr(0, cut));
    lines all = lines_of(cutter);
    cutter.add(text.substr(cut));
    const lines rest = lines_of(cutter);
    all.insert(all.end(), rest.begin(), rest.end());
    CHECK(all == lines{"one", "", "three"});
    const auto last = cutter.last();
    REQUIRE(last.has_value());
    CHECK(last->text == " four");
    CHECK_FALSE(cutter.last().has_value());
  }
}

TEST_CASE("a line that is too long comes in pieces that say so", "[unit][lines]") {
  const auto [length, pieces] = GENERATE(table<std::size_t, std::size_t>(
      {{most - 1, 1}, {most, 1}, {most + 1, 2}, {2 * most, 2}, {2 * most + 1, 3}, {0, 1}}));
  line_cutter cutter;
  std::string together;
  std::size_t count = 0;
  bool ended = false;
  const auto take = [&] {
    while (const auto line = cutter.next()) {
      CHECK_FALSE(ended);
      together += line->text;
      ++count;
      ended = !line->more;
    }
  };
  const std::string text = std::string(length, 'x') + '\n';
  for (std::size_t i = 0; i < text.size(); i += 10'000) {
    cutter.add(text.substr(i, 10'000));
    take();
  }
  CHECK(ended);
  CHECK(count == pieces);
  CHECK(together == std::string(length, 'x'));
}
