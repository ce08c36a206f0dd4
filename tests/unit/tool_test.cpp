// What the program `troupe` makes of a tree: lines of a table, JSON.
#include <support/catch.hpp>
#include <tools/troupe/json.hpp>
#include <tools/troupe/table.hpp>

#include <algorithm>
#include <clocale>

using namespace std::chrono_literals;
using troupe::tool::joined;
using troupe::tool::json_text;
using troupe::tool::json_tree;
using troupe::tool::node;
using troupe::tool::page;
using troupe::tool::short_bytes;
using troupe::tool::short_time;
using troupe::tool::snapshot;
using troupe::tool::tree_lines;

namespace {

node made(unsigned depth, const std::string& name, int pid = 0, std::uint32_t restarts = 0) {
  node n;
  n.depth = depth;
  n.name = name;
  n.role = pid > 0 ? "actor" : "one_for_one";
  n.state = "running";
  n.pid = pid;
  n.uptime = 65s;
  n.restarts = restarts;
  return n;
}

snapshot family() {
  return {"service",
          10,
          {made(0, "service", 10), made(1, "supervisor"), made(2, "store", 11, 3),
           made(2, "workers"), made(3, "a", 12), made(2, "log", 13), made(1, "pool worker", 14)}};
}

}  // namespace

TEST_CASE("a tree is drawn with what lies below what", "[unit][tool]") {
  const auto lines = tree_lines(family(), {});
  std::vector<std::string> names;
  for (const auto& line : lines) names.push_back(line.substr(0, 14));
  CHECK(names == std::vector<std::string>{"NAME          ", "service       ", "|- supervisor ",
                                          "|  |- store   ", "|  |- workers ", "|  |  `- a    ",
                                          "|  `- log     ", "`- pool worker"});
  CHECK(lines[3] == "|  |- store    actor        11 running  1m05s        3    0     -     -");
}

TEST_CASE("no line of a tree is wider than the page", "[unit][tool]") {
  snapshot wide = family();
  wide.nodes[2].name = std::string(60, 'n');
  wide.nodes[2].role = std::string(30, 'r');
  wide.nodes[3].state = "restarting";
  for (unsigned columns = 1; columns <= 120; ++columns) {
    const auto lines = tree_lines(wide, {columns, false});
    REQUIRE(lines.size() == 8);
    for (const auto& line : lines) CHECK(line.size() <= columns);
  }
  // At 80 columns what is cut are names and roles, nothing else.
  CHECK(tree_lines(wide, {80, false})[3].ends_with(
      " 11 running     1m05s        3    0     -     -"));
}

TEST_CASE("a name can't move the terminal's cursor", "[unit][tool]") {
  snapshot odd = family();
  odd.nodes[2].name = "\x1b[2J\n\t\x7f\xff";
  CHECK(tree_lines(odd, {})[3].starts_with("|  |- ?[2J???? "));
  for (const auto& line : tree_lines(odd, {}))
    CHECK(std::none_of(line.begin(), line.end(), [](unsigned char c) { return c < 0x20; }));
}

TEST_CASE("times and sizes are short", "[unit][tool]") {
  CHECK(short_time(0s) == "0s");
  CHECK(short_time(59'900ms) == "59s");
  CHECK(short_time(60s) == "1m00s");
  CHECK(short_time(59min + 59s) == "59m59s");
  CHECK(short_time(25h) == "1d01h");
  CHECK(short_bytes(512) == "0K");
  CHECK(short_bytes(940 * 1024) == "940K");
  CHECK(short_bytes(1024 * 1024) == "1.0M");
  CHECK(short_bytes(12'900'000) == "12M");
  CHECK(short_bytes(std::uint64_t{5} << 40) == "5.0T");
}

TEST_CASE("a tree as JSON nests what lies below", "[unit][tool]") {
  const snapshot small{"s", 1, {made(0, "s", 1), made(1, "a"), made(2, "b"), made(1, "c")}};
  std::string text = json_tree(small);
  // Only the shape: names and brackets.
  for (const std::string gone :
       {", \"path\": null", ", \"role\": \"actor\"", ", \"role\": \"one_for_one\"",
        ", \"state\": \"running\"", ", \"pid\": null", ", \"pid\": 1",
        ", \"uptime_seconds\": 65.000", ", \"restarts\": 0", ", \"mailbox\": 0",
        ", \"rss_bytes\": null", ", \"cpu_seconds\": null", ", \"cpu_percent\": null"})
    for (auto at = text.find(gone); at != std::string::npos; at = text.find(gone))
      text.erase(at, gone.size());
  CHECK(text ==
        "{\"name\": \"s\", \"children\": [\n"
        "  {\"name\": \"a\", \"children\": [\n"
        "    {\"name\": \"b\", \"children\": []}]},\n"
        "  {\"name\": \"c\", \"children\": []}]}\n");
}

TEST_CASE("JSON text is escaped, and is UTF-8 whatever it was", "[unit][tool]") {
  CHECK(json_text("a\"b\\c\n\x01") == R"("a\"b\\c\u000a\u0001")");
  CHECK(json_text("gr\xc3\xbc\xc3\x9f") == "\"gr\xc3\xbc\xc3\x9f\"");
  CHECK(json_text("\xff\xc3") == R"("\ufffd\ufffd")");
  CHECK(json_text("\xed\xa0\x80") == R"("\ufffd\ufffd\ufffd")");  // half of a surrogate pair
}

TEST_CASE("parts that workers tell of go where the workers are", "[unit][tool]") {
  const snapshot root{"s", 1, {made(0, "s", 1), made(1, "w", 2), made(1, "x", 3)}};
  const snapshot w{"s", 2, {made(0, "s", 2), made(1, "supervisor"), made(2, "c", 4)}};
  const snapshot c{"s", 4, {made(0, "s", 4), made(1, "d", 5)}};
  const auto all = joined(root, {{2, w}, {4, c}, {9, c}});
  std::string shape;
  for (const auto& n : all.nodes) shape += std::to_string(n.depth) + n.name + ' ';
  CHECK(shape == "0s 1w 2supervisor 3c 4d 1x ");
}

TEST_CASE("a part that claims to lie below itself is shown once", "[unit][tool]") {
  const snapshot root{"s", 1, {made(0, "s", 1), made(1, "w", 2)}};
  const snapshot liar{"s", 2, {made(0, "s", 2), made(1, "w", 2), made(1, "s", 1)}};
  CHECK(joined(root, {{2, liar}, {1, root}}).nodes.size() == 4);
}
