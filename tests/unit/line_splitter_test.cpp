#include <support/catch.hpp>

#include <troupe/engine/line_splitter.hpp>

#include <random>
#include <vector>

using troupe::engine::line_splitter;

TEST_CASE("lines come out whole however the bytes come", "[engine][stderr]") {
  const std::string text = "one\n\ntwo words\nlast without end";
  for (std::size_t piece = 1; piece <= text.size(); ++piece) {
    line_splitter splitter;
    std::vector<std::string> lines;
    const auto line = [&](std::string_view l) { lines.emplace_back(l); };
    for (std::size_t at = 0; at < text.size(); at += piece)
      splitter.add(std::string_view{text}.substr(at, piece), line);
    CHECK(lines == std::vector<std::string>{"one\n", "\n", "two words\n"});
    splitter.finish(line);
    CHECK(lines.back() == "last without end\n");
    CHECK(splitter.seen() == text.size());
    CHECK(splitter.tail() == text);
  }
}

TEST_CASE("a line is cut at 64 KiB", "[engine][stderr]") {
  for (const std::size_t piece : {std::size_t{1000}, std::size_t{16384}, std::size_t{1} << 20}) {
    line_splitter splitter;
    std::vector<std::size_t> lengths;
    const auto line = [&](std::string_view l) { lengths.push_back(l.size()); };
    const std::string text =
        std::string(line_splitter::max_line, 'x') + '\n' + std::string(100'000, 'y') + "\nz\n";
    for (std::size_t at = 0; at < text.size(); at += piece)
      splitter.add(std::string_view{text}.substr(at, piece), line);
    CHECK(lengths == std::vector<std::size_t>{line_splitter::max_line + 1,
                                              line_splitter::max_line + 1,
                                              100'000 - line_splitter::max_line + 1, 2});
  }
}

TEST_CASE("the tail is the last 16 KiB from the beginning of a line", "[engine][stderr]") {
  line_splitter splitter;
  std::string all;
  for (int i = 0; i < 20'000; ++i) {
    const std::string line = "line " + std::to_string(i) + '\n';
    all += line;
    splitter.add(line, [](std::string_view) {});
  }
  const std::string tail = splitter.tail();
  CHECK(tail.size() <= line_splitter::tail_bytes);
  CHECK(tail.size() > line_splitter::tail_bytes - 20);
  CHECK(tail.rfind("line ", 0) == 0);
  CHECK(all.substr(all.size() - tail.size()) == tail);
}

TEST_CASE("the tail of one endless line is its end", "[engine][stderr]") {
  line_splitter splitter;
  splitter.add(std::string(1 << 20, 'x') + "end", [](std::string_view) {});
  CHECK(splitter.tail().size() == line_splitter::tail_bytes);
  CHECK(splitter.tail().substr(line_splitter::tail_bytes - 4) == "xend");
}
