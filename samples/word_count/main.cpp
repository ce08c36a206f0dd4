// word_count [DIRECTORY]: the words of all text files below it, counted by map and reduce.
#include <algorithm>
#include <cctype>
#include <fstream>
#include <iostream>
#include <map>
#include <troupe/troupe.hpp>

using counts = std::map<std::string, std::uint64_t>;

// region map
/// Runs in the workers: the words of one file.
counts words_of(const std::string& file) {
  counts words;
  std::ifstream in{file, std::ios::binary};
  if (!in) throw std::runtime_error{"can't read it"};
  for (std::string word; in >> word;) {
    std::erase_if(word, [](unsigned char c) { return c > 127 || std::isalpha(c) == 0; });
    std::transform(word.begin(), word.end(), word.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (!word.empty()) ++words[word];
  }
  return words;
}
// endregion

int main(int argc, char** argv) {
  return troupe::program{argc, argv}.run([&](troupe::runtime& rt) {
    auto files = troupe::files_below(argc > 1 ? argv[1] : "/usr/share/doc").files;
    std::erase_if(files, [](const std::string& name) { return name.ends_with(".gz"); });
    if (files.size() > 5000) files.resize(5000);
    const auto begin = std::chrono::steady_clock::now();
    // region reduce
    auto pool = rt.pool();
    const auto all = pool.map_reduce(
        words_of,
        [](counts& total, const counts& some) {  // here, as results come
          for (const auto& [word, count] : some) total[word] += count;
        },
        files, counts{});
    // endregion
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
    std::vector<std::pair<std::uint64_t, std::string>> order;
    std::uint64_t sum = 0;
    for (const auto& [word, count] : all.total) {
      order.emplace_back(count, word);
      sum += count;
    }
    std::sort(order.rbegin(), order.rend());
    std::ofstream out{"words.txt"};
    for (const auto& [count, word] : order) out << count << ' ' << word << '\n';
    if (!out.flush()) throw std::runtime_error{"words.txt can't be written: is the disk full?"};
    std::cout << sum << " words of " << files.size() << " files by " << pool.workers().size()
              << " workers in " << time.count() << " s\n"
              << all.failed.size() << " files failed\n"
              << "most often: " << (order.empty() ? "none" : order.front().second) << '\n'
              << order.size() << " different words in words.txt\n";
  });
}
